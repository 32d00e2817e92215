//! Processes that end, and memory that runs out.
//!
//! It knows pidfds and [`OomWatch`]es. What a newcomer would get wrong: a kill for want of memory is told by the kernel up
//! to 10 ms late, and the end of the killed process at once; containerd wants them in the other order. So every end asks
//! every count first.

use super::reactor::{Next, Reactor, Ready, Source, Token};
use nix::sys::epoll::EpollFlags;
use rrun::launch::cgroup::OomWatch;
use rrun_sys::reap::{Child, Ended, reap};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, SystemTime};

/// The end of a process.
#[derive(Debug, Clone, Copy)]
pub struct End {
    /// How; `None` when somebody else reaped it, so that nobody will ever know.
    pub ended: Option<Ended>,
    /// When we saw it.
    pub at: SystemTime,
}

impl End {
    /// The code as a shell and containerd count: 128 and the signal. Without knowledge 255, as of an unknown failure.
    pub fn code(&self) -> u32 {
        match self.ended {
            Some(Ended::Code(code)) => u32::from(code),
            Some(Ended::Signal(signal)) => 128 + signal.unsigned_abs(),
            None => 255,
        }
    }
}

/// A child of ours.
pub struct Process {
    pid: i32,
    pidfd: OwnedFd,
    on_end: Option<Box<dyn FnOnce(End) + Send>>,
}

impl Process {
    pub fn new(pid: i32, pidfd: OwnedFd, on_end: Box<dyn FnOnce(End) + Send>) -> Self {
        Self { pid, pidfd, on_end: Some(on_end) }
    }

    fn wait(&self, token: Token, reactor: &Reactor) -> Next {
        reactor.arm(self.pidfd.as_fd(), Ready { token, number: 0 }, EpollFlags::EPOLLIN);
        Next::Stay
    }
}

impl Source for Process {
    fn begin(&mut self, token: Token, reactor: &mut Reactor) -> Next {
        self.wait(token, reactor)
    }

    fn ready(&mut self, ready: Ready, reactor: &mut Reactor) -> Next {
        let ended = match reap(Child::Pidfd(self.pidfd.as_raw_fd())) {
            // Its first thread has ended and others have not.
            Ok(None) => return self.wait(ready.token, reactor),
            Ok(Some((_, ended))) => Some(ended),
            Err(_) => None,
        };
        let at = SystemTime::now();
        reactor.process_ends();
        reactor.disarm(&self.pidfd);
        if let Some(on_end) = self.on_end.take() {
            on_end(End { ended, at });
        }
        Next::Done
    }

    fn pid(&self) -> Option<i32> {
        Some(self.pid)
    }
}

/// A cgroup whose kills are reported.
pub struct Memory {
    watch: OomWatch,
    on_oom: Box<dyn Fn() + Send>,
}

/// The bell, and the second look after a bell that rang too early.
const BELL: u8 = 0;
const SECOND_LOOK: u8 = 1;

/// When to look again after a bell that rings before the kill.
const LOOKS: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(500)];

impl Memory {
    pub fn new(watch: OomWatch, on_oom: Box<dyn Fn() + Send>) -> Self {
        Self { watch, on_oom }
    }

    /// Whether there were kills, which are reported.
    fn report(&mut self) -> bool {
        match self.watch.take() {
            Ok(0) => false,
            Ok(_) => {
                (self.on_oom)();
                true
            }
            Err(error) => {
                crate::log::warn(&error.to_string());
                false
            }
        }
    }

    fn wait(&self, token: Token, reactor: &Reactor) -> Next {
        if self.watch.is_gone() {
            reactor.disarm(&self.watch);
            return Next::Done;
        }
        reactor.arm(self.watch.as_fd(), Ready { token, number: BELL }, EpollFlags::EPOLLIN);
        Next::Stay
    }
}

impl Source for Memory {
    fn begin(&mut self, token: Token, reactor: &mut Reactor) -> Next {
        self.wait(token, reactor)
    }

    fn ready(&mut self, Ready { token, number }: Ready, reactor: &mut Reactor) -> Next {
        if !self.report() && number == BELL && self.watch.is_early() {
            for look in LOOKS {
                reactor.after(look, move |reactor| reactor.nudge(token, SECOND_LOOK));
            }
        }
        self.wait(token, reactor)
    }

    fn process_ends(&mut self) {
        self.report();
    }
}
