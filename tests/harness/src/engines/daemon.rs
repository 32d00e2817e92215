//! A daemon in a room: started, waited for, killed, ended.
//!
//! Knows that the process we started is `nsenter` and that the daemon is its child. Refuses names: every signal goes to
//! a pid that we know. A newcomer would signal `nsenter`, which passes nothing on.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::room::children;
use crate::{Must, eventually, wait_until};

/// A daemon that answers.
#[derive(Debug)]
pub struct Daemon {
    name: &'static str,
    child: Child,
    pid: i32,
    log: PathBuf,
}

impl Daemon {
    /// Starts `command`, a room's; returns when it is `ready`.
    #[track_caller]
    pub fn start(
        name: &'static str,
        mut command: Command,
        log: &Path,
        mut ready: impl FnMut() -> bool,
    ) -> Daemon {
        let file = File::options().create(true).append(true).open(log).must("make the log");
        command.stdin(Stdio::null()).stdout(file.try_clone().must("share the log")).stderr(file);
        let child = command.spawn().must(&format!("start {name}"));
        let mut daemon = Daemon { name, child, pid: 0, log: log.to_owned() };
        let mut answers = false;
        eventually(|| {
            let ended = !matches!(daemon.child.try_wait(), Ok(None));
            answers = !ended && ready();
            ended || answers
        });
        assert!(answers, "{name} does not answer; it wrote\n{}", daemon.log());
        daemon.pid = children(daemon.child.id()).first().copied().must("find the daemon's pid");
        daemon
    }

    /// Its pid, as we see it.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// What it wrote.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Ends it as a crash would.
    pub fn crash(self) {
        self.end(Signal::SIGKILL);
    }

    fn end(&self, signal: Signal) {
        signal_if_there(self.pid, signal);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let ended = !matches!(self.child.try_wait(), Ok(None));
        if ended {
            return;
        }
        self.end(Signal::SIGTERM);
        let deadline = Instant::now() + Duration::from_secs(30);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        if matches!(self.child.try_wait(), Ok(None)) {
            eprintln!("{} did not end on SIGTERM", self.name);
            self.end(Signal::SIGKILL);
            wait_until(&mut self.child, Instant::now() + Duration::from_secs(5));
        }
    }
}

/// Signals a process of ours; one that has gone already is as good.
pub(super) fn signal_if_there(pid: i32, signal: Signal) {
    if let Err(why) = kill(Pid::from_raw(pid), signal)
        && why != Errno::ESRCH
    {
        eprintln!("signal {pid}: {why}");
    }
}
