//! What the program holds open: three streams, and what it was given on purpose.

use nix::fcntl::{FcntlArg, fcntl};
use rrun_harness::{Bundle, Must, Running, Stdio, requires};
use serde_json::Value;
use std::fs::File;
use std::os::fd::AsFd;
use std::process::Command;

/// Runs the runtime from a shell that leaks descriptors 3 to 9, among them a directory of the host.
#[track_caller]
fn leaking(bundle: &Bundle, words: &[&str]) -> Running {
    let command = bundle.runtime().command(words);
    let script = "exec 3</etc/passwd 4</ 5</tmp 6</dev/null 7</etc 8</proc 9</; exec \"$@\"";
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script, "sh"]).arg(command.get_program()).args(command.get_args());
    Running::start(shell, &Stdio::Kept, bundle.path())
}

/// Numbers of open descriptors, from the probe's facts.
fn numbers(facts: &Value) -> Vec<i32> {
    let all = facts["fds"].as_object().must("find the descriptors");
    let mut numbers: Vec<i32> = all.keys().filter_map(|number| number.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn nothing_that_the_caller_has_open_reaches_the_program() {
    requires!(root);
    let root = File::open("/").must("open /");
    let leaks: Result<Vec<i32>, _> =
        (10..=50).map(|number| fcntl(root.as_fd(), FcntlArg::F_DUPFD(number))).collect();
    let leaks = leaks.must("leak descriptors");
    let bundle = Bundle::new().args(["probe", "facts", "fds"]);
    bundle.write_config();
    let path = bundle.path().to_string_lossy().into_owned();
    let output = leaking(&bundle, &["run", "--bundle", &path, bundle.id()]).wait().success();
    assert_eq!(numbers(&output.json()), [0, 1, 2]);

    let bundle = bundle.args(["probe", "sleep"]);
    bundle.up();
    let words = ["exec", bundle.id(), "probe", "facts", "fds"];
    let output = leaking(&bundle, &words).wait().success();
    assert_eq!(numbers(&output.json()), [0, 1, 2]);
    let pid = bundle.state()["pid"].to_string();
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).must("list the descriptors").count();
    assert_eq!(open, 3);
    for leak in leaks {
        nix::unistd::close(leak).must("close a leak");
    }
}

#[test]
fn preserved_descriptors_reach_the_program_and_no_others() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "facts", "fds"]);
    bundle.write_config();
    let path = bundle.path().to_string_lossy().into_owned();
    let words = ["run", "--preserve-fds", "2", "--bundle", &path, bundle.id()];
    let seen = leaking(&bundle, &words).wait().success().json();
    assert_eq!(numbers(&seen), [0, 1, 2, 3, 4]);

    let bundle = bundle.args(["probe", "sleep"]);
    bundle.up();
    let words = ["exec", "--preserve-fds", "1", bundle.id(), "probe", "facts", "fds"];
    let seen = leaking(&bundle, &words).wait().success().json();
    assert_eq!(numbers(&seen), [0, 1, 2, 3]);
}

#[test]
fn no_signal_is_ignored_or_blocked_because_the_caller_does() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "facts", "status"]);
    bundle.write_config();
    let path = bundle.path().to_string_lossy().into_owned();
    let command = bundle.runtime().command(["run", "--bundle", &path, bundle.id()]);
    let mut shell = Command::new("/bin/sh");
    let script = "trap '' INT TERM HUP USR1; exec \"$@\"";
    shell.args(["-c", script, "sh"]).arg(command.get_program()).args(command.get_args());
    let seen = Running::start(shell, &Stdio::Kept, bundle.path()).wait().success().json();
    let ignored = seen["status"]["ignored_signals"].as_str().must("read the mask").to_owned();
    let trapped = [1, 2, 10, 15].iter().fold(0_u64, |mask, signal| mask | 1 << (signal - 1));
    let ignored = u64::from_str_radix(&ignored, 16).must("read the mask") & trapped;
    assert_eq!(ignored, 0, "{seen}");
    assert_eq!(seen["status"]["blocked_signals"], "0000000000000000");
}
