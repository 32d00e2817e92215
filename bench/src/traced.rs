//! What one process takes, exactly: instructions in user space by single steps, memory at its end, of the process itself
//! and of no child.
//!
//! It refuses sampling, and wait4's ru_maxrss, which keeps what the process was before it became the program (a copy
//! of whoever started it). What a newcomer would get wrong: rrun executes itself a second time, so its instructions
//! come in two parts; a processor's `rep movsb` counts once for each byte.

use crate::process::traced;
use nix::sys::ptrace::{self, Event, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use rrun_harness::Must;
use std::fs;
use std::process::{Command, Stdio};

/// Whether each instruction is a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Only executions and the end.
    Free,
    /// Every one: a million take seconds.
    Steps,
}

/// What was seen.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Instructions in user space of each program that the process was; zero at a free pace.
    pub instructions: Vec<u64>,
    /// The memory of the last of them.
    pub resident: Resident,
}

/// Memory, in KiB, as proc(5) has it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Resident {
    /// The most that ever was (`VmHWM`).
    pub peak: u64,
    /// At the end: its own (`RssAnon`).
    pub anonymous: u64,
    /// At the end: of files in the page cache, shared with everyone else who runs them (`RssFile`).
    pub files: u64,
}

/// Runs `command` under our eyes.
///
/// # Panics
/// When it can't be started or fails.
#[allow(clippy::zombie_processes, reason = "waitpid reaps it")]
pub fn watch(command: &mut Command, pace: Pace) -> Seen {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    traced(command);
    let child = command.spawn().must(&format!("start {command:?}"));
    let pid = Pid::from_raw(child.id().cast_signed());
    let mut seen = Seen { instructions: vec![0], resident: Resident::default() };
    assert_eq!(wait(pid), WaitStatus::Stopped(pid, Signal::SIGTRAP), "the first program");
    let options = Options::PTRACE_O_TRACEEXEC | Options::PTRACE_O_TRACEEXIT;
    ptrace::setoptions(pid, options).must("ask for executions and the end");
    let mut signal = None;
    loop {
        let go = if pace == Pace::Steps { ptrace::step } else { ptrace::cont };
        go(pid, signal.take()).must("let it go on");
        match wait(pid) {
            WaitStatus::Exited(_, 0) => return seen,
            WaitStatus::PtraceEvent(_, _, event) if event == Event::PTRACE_EVENT_EXEC as i32 => {
                seen.instructions.push(0);
            }
            WaitStatus::PtraceEvent(..) => seen.resident = resident(pid),
            WaitStatus::Stopped(_, Signal::SIGTRAP) => {
                if let Some(count) = seen.instructions.last_mut() {
                    *count += 1;
                }
            }
            WaitStatus::Stopped(_, other) => signal = Some(other),
            other => panic!("{command:?}: {other:?}"),
        }
    }
}

fn wait(pid: Pid) -> WaitStatus {
    waitpid(pid, None).must("wait for the traced process")
}

fn resident(pid: Pid) -> Resident {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).must("read its status");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).must(name);
        let number = line.trim_start_matches(':').split_whitespace().next().must(name);
        number.parse().must("read the number")
    };
    Resident { peak: field("VmHWM"), anonymous: field("RssAnon"), files: field("RssFile") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_counted_in_each_program_that_it_becomes() {
        let mut command = Command::new("/bin/sh");
        let seen = watch(command.args(["-c", "exec /bin/true"]), Pace::Steps);
        assert_eq!(seen.instructions.len(), 2);
        assert!(seen.instructions.iter().all(|count| *count > 1000), "{seen:?}");
        assert!(seen.resident.peak > 100, "{seen:?}");
    }
}
