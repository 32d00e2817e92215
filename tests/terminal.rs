//! Terminals, signals and sockets between a container and whoever started it; the log and the trace they get.
//!
//! A test here also holds for runc (`RUNTIME_UNDER_TEST=runc`), unless it says `requires!(rrun)` and why.

#[path = "terminal/console.rs"]
mod console;
#[path = "terminal/foreground.rs"]
mod foreground;
#[path = "terminal/handed.rs"]
mod handed;
#[path = "terminal/log.rs"]
mod log;
#[path = "terminal/signals.rs"]
mod signals;

use rrun_harness::Bundle;
use serde_json::json;
use std::process::Command;

/// A container whose process has a terminal.
fn with_terminal() -> Bundle {
    Bundle::new().set("/process/terminal", json!(true))
}

/// `command` run by a shell: `script` with `"$@"` for the command.
fn by_shell(script: &str, command: &Command) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script, "sh"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            shell.env(name, value);
        }
    }
    shell
}
