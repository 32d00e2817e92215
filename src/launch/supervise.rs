//! The parent of a foreground container: signals go in, bytes go both ways, the exit comes out.
//!
//! ```text
//!                ┌───────────────── poll ─────────────────┐
//!  signalfd ─────┤ SIGCHLD: reap   SIGWINCH: resize       │
//!                │ SIGCONT: raw mode again   all: forward ├──► container, by its pidfd
//!  pidfd ────────┤ the end                                │
//!  notify socket ┤ forward                                │
//!  pty, stdio ───┤ relay                                  │
//!                └────────────────────────────────────────┘
//! ```
//! It refuses to know what the container is; a pid and a pidfd are enough. What a newcomer would get wrong: the signals
//! are blocked *before* the clone. Blocked after, a container that ends at once has ended unseen, and its runtime waits
//! for ever (youki does). They stay blocked when the container has ended, so that a second Ctrl-C cannot cut the
//! cleaning up short. Whatever else we start from then on (hooks) goes through [`rrun_sys::signal::start_clean`].

use super::notify::Proxy;
use super::relay::{End, Relay};
use crate::error::{Error, Result, ResultExt};
use libc::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rrun_sys::pidfd::pidfd_send_signal;
use rrun_sys::reap::{Child, Ended, reap};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// How the container's first process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// With this exit code.
    Code(u8),
    /// Killed by this signal.
    Signal(i32),
}

impl Exit {
    /// What rrun exits with: the code, or 128 + the signal.
    #[must_use]
    pub fn status(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => u8::try_from(signal).map_or(u8::MAX, |n| n.saturating_add(128)),
        }
    }
}

impl From<Ended> for Exit {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Code(code) => Self::Code(code),
            Ended::Signal(signal) => Self::Signal(signal),
        }
    }
}

/// What takes care of a container in the foreground. Made before its clone.
pub struct Supervisor {
    signals: SignalFd,
    subreaper: bool,
    relay: Option<Relay>,
    notify: Option<Proxy>,
}

/// What a poll found ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ready {
    Signals,
    End,
    Notify,
    Relay(End),
}

impl Supervisor {
    /// Blocks every signal of the calling thread and collects them in a descriptor. A `subreaper` also becomes the
    /// parent of the container's orphans, and reaps them.
    ///
    /// # Errors
    /// As signalfd(2).
    pub fn new(subreaper: bool) -> Result<Self> {
        let all = SigSet::all();
        all.thread_block().context(|| "block signals")?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let signals = SignalFd::with_flags(&all, flags).context(|| "signalfd")?;
        if subreaper {
            nix::sys::prctl::set_child_subreaper(true).context(|| "become a subreaper")?;
        }
        Ok(Self { signals, subreaper, relay: None, notify: None })
    }

    /// Connects our standard streams to the container's pty: our terminal, if there is one, goes into raw mode until
    /// the supervisor is gone.
    ///
    /// # Errors
    /// When `master` is no pty's, or our terminal refuses.
    pub fn attach_terminal(&mut self, master: OwnedFd) -> Result<()> {
        self.relay = Some(Relay::new(master)?);
        Ok(())
    }

    /// Passes on what the container has to say to the service manager, as long as it runs.
    pub fn attach_notify(&mut self, proxy: Proxy) {
        self.notify = Some(proxy);
    }

    /// Waits for the end of the container's first process, which must be our child, and for all of its output.
    ///
    /// # Errors
    /// When the kernel refuses to poll or to reap: never because of what the container does.
    pub fn wait(mut self, pid: i32, pidfd: BorrowedFd<'_>) -> Result<Exit> {
        let mut exit = None;
        loop {
            let ready = self.poll(pidfd, exit.is_some())?;
            if let Some(exit) = exit
                && ready.is_empty()
            {
                return Ok(exit);
            }
            for ready in ready {
                match ready {
                    Ready::End => exit = self.reap_container(pidfd, exit)?,
                    Ready::Signals => match self.take_signals(pid, pidfd, exit)? {
                        After::GoOn(now) => exit = now,
                        After::GiveUp(exit) => return Ok(exit),
                    },
                    Ready::Notify => self.forward_notifications(),
                    Ready::Relay(end) => {
                        if let Some(relay) = &mut self.relay {
                            relay.advance(end);
                        }
                    }
                }
            }
            if let Some(exit) = exit {
                let Some(relay) = &mut self.relay else {
                    self.forward_notifications();
                    return Ok(exit);
                };
                relay.container_ended();
            }
        }
    }

    /// What is ready. Waits, unless all that is left to do is to see whether the pty has more.
    fn poll(&self, pidfd: BorrowedFd<'_>, ended: bool) -> Result<Vec<Ready>> {
        let mut names = Vec::with_capacity(6);
        let mut fds = Vec::with_capacity(6);
        let mut add = |name, fd, events| {
            names.push(name);
            fds.push(PollFd::new(fd, events));
        };
        // The end first: a container that has ended is not signalled any more.
        if !ended {
            add(Ready::End, pidfd, PollFlags::POLLIN);
        }
        add(Ready::Signals, self.signals.as_fd(), PollFlags::POLLIN);
        if let Some(proxy) = &self.notify {
            add(Ready::Notify, proxy.as_fd(), PollFlags::POLLIN);
        }
        let mut drained = true;
        if let Some(relay) = &self.relay {
            drained = relay.is_drained();
            for (end, fd, events) in relay.interests() {
                add(Ready::Relay(end), fd, events);
            }
        }
        let timeout = if ended && drained { PollTimeout::ZERO } else { PollTimeout::NONE };
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::from(errno).context("poll")),
        }
        let ready = names.into_iter().zip(&fds).filter(|(_, fd)| fd.any() == Some(true));
        Ok(ready.map(|(name, _)| name).collect())
    }

    fn reap_container(&self, pidfd: BorrowedFd<'_>, exit: Option<Exit>) -> Result<Option<Exit>> {
        if exit.is_some() {
            return Ok(exit);
        }
        let ended = reap(Child::Pidfd(pidfd.as_raw_fd())).context(|| "reap the container")?;
        Ok(ended.map(|(_, how)| how.into()))
    }

    /// Acts on every signal that has come.
    fn take_signals(
        &mut self,
        pid: i32,
        pidfd: BorrowedFd<'_>,
        mut exit: Option<Exit>,
    ) -> Result<After> {
        while let Some(info) = self.signals.read_signal().context(|| "read the signalfd")? {
            let signal = info.ssi_signo as i32;
            match (signal, &mut self.relay, exit) {
                (libc::SIGCHLD, _, _) => exit = self.reap_orphans(pid, exit)?,
                // Ours alone: a reader of our output has gone.
                (libc::SIGPIPE, _, _) => {}
                (libc::SIGWINCH, Some(relay), _) => relay.resize(),
                (SIGTERM | SIGINT | SIGHUP | SIGQUIT, Some(relay), Some(exit))
                    if !relay.is_drained() =>
                {
                    return Ok(After::GiveUp(exit));
                }
                (libc::SIGCONT, Some(relay), _) => {
                    relay.enter_raw_mode()?;
                    forward(pidfd, signal);
                }
                _ => forward(pidfd, signal),
            }
        }
        Ok(After::GoOn(exit))
    }

    /// Reaps what a subreaper has inherited. Whoever waits for any child may get the container itself.
    fn reap_orphans(&self, pid: i32, mut exit: Option<Exit>) -> Result<Option<Exit>> {
        if !self.subreaper {
            return Ok(exit);
        }
        loop {
            match reap(Child::Any) {
                Ok(Some((reaped, how))) if reaped == pid => exit = Some(how.into()),
                Ok(Some(_)) => {}
                Ok(None) | Err(rrun_sys::Errno(libc::ECHILD)) => return Ok(exit),
                Err(errno) => return Err(Error::from(errno).context("reap orphans")),
            }
        }
    }

    /// A service manager that has gone is no reason to leave the container.
    fn forward_notifications(&mut self) {
        if let Some(proxy) = &self.notify
            && proxy.forward().is_err()
        {
            self.notify = None;
        }
    }
}

/// Whether to go on after signals.
enum After {
    GoOn(Option<Exit>),
    /// Asked to end, with the container gone and somebody slow to read its last output.
    GiveUp(Exit),
}

/// A signal that cannot be delivered is no reason to leave the container: it may have ended (ESRCH), or have become
/// somebody whom we may not signal (EPERM).
fn forward(pidfd: BorrowedFd<'_>, signal: i32) {
    pidfd_send_signal(pidfd.as_raw_fd(), signal).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn death_by_signal_is_128_and_the_signal() {
        assert_eq!(Exit::Code(7).status(), 7);
        assert_eq!(Exit::Signal(libc::SIGKILL).status(), 137);
        assert_eq!(Exit::Signal(64).status(), 192);
    }
}
