//! Exec: another process in a container, with every flag, and what becomes of it.
//!
//! A test here also holds for runc (`RUNTIME_UNDER_TEST=runc`), unless it says `requires!(rrun)` and why.

#[path = "exec/errors.rs"]
mod errors;
#[path = "exec/flags.rs"]
mod flags;
#[path = "exec/life.rs"]
mod life;
#[path = "exec/place.rs"]
mod place;

use rrun_harness::{Bundle, Must};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A container that lives until it is killed.
fn sleeper() -> Bundle {
    Bundle::new().args(["probe", "sleep"])
}

/// A running one.
fn running() -> Bundle {
    let bundle = sleeper();
    bundle.up();
    bundle
}

/// The pid of the container's first process, as we number it.
fn init_of(bundle: &Bundle) -> i64 {
    bundle.state()["pid"].as_i64().must("read the container's pid")
}

/// A process.json: the container's own with changes.
fn process_file(bundle: &Bundle, change: impl FnOnce(&mut Value)) -> String {
    let mut process = bundle.config()["process"].clone();
    change(&mut process);
    let path = bundle.path().join("process.json");
    fs::write(&path, process.to_string()).must("write process.json");
    path.to_string_lossy().into_owned()
}

/// The pid that `--pid-file FILE` got.
fn pid_in(file: &Path) -> i64 {
    let text = fs::read_to_string(file).must("read the pid file");
    text.parse().must("read a pid, and nothing else")
}

/// `exec --detach` of a sleeping process; its pid as we number it.
fn detached(bundle: &Bundle, name: &str) -> i64 {
    let file = bundle.path().join(name);
    let flags = ["--detach", "--pid-file", &file.to_string_lossy()];
    bundle.exec(&flags, &["probe", "sleep"]).success();
    pid_in(&file)
}

/// Whether there is a process, or a zombie, of this number.
fn lives(pid: i64) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// `command` behind a shell's redirections, so that it inherits descriptors.
fn with_redirections(redirections: &str, command: &Command) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(format!("exec \"$@\" {redirections}")).arg("sh");
    shell.arg(command.get_program()).args(command.get_args());
    shell
}
