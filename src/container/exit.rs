//! How a container ended, for who is not its parent.
//!
//! It knows three witnesses: the record, where whoever waited wrote it down; the zombie, whose stat has the status until
//! its parent reaps it; and, since Linux 6.15, the pidfd, which remembers it after that.
//! What a newcomer would get wrong: a pidfd becomes readable when the process ends, but it answers only when the process
//! has been reaped; and whoever looks at the zombie instead may come too late. So both are asked until one answers.

use super::process::ProcStat;
use super::{Container, Record, process};
use crate::error::{Error, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It exited with this code.
    Exited(u8),
    /// This signal killed it.
    Killed(u8),
    /// Its parent was told, and nobody else.
    Unknown,
}

/// The bit of a wait status that tells of a core file, and those of the signal.
const CORE: i32 = 0x80;

impl Ending {
    /// From a status as wait(2) has it.
    #[must_use]
    pub fn of_wait_status(status: i32) -> Self {
        let low = status & 0xff & !CORE;
        let byte = |value: i32| u8::try_from(value & 0xff).unwrap_or_default();
        if low == 0 { Self::Exited(byte(status >> 8)) } else { Self::Killed(byte(low)) }
    }

    /// The exit code that a shell would show: that of the process, or 128 + the signal.
    #[must_use]
    pub fn status(self) -> Option<u8> {
        match self {
            Self::Exited(code) => Some(code),
            Self::Killed(signal) => Some(128 + signal),
            Self::Unknown => None,
        }
    }
}

impl Container {
    /// Waits until the first process has ended; `None` when it has not in `limit`.
    ///
    /// # Errors
    /// [`crate::error::Kind::Kernel`] when poll(2) fails or /proc can't be read.
    pub fn wait(&self, limit: Option<Duration>) -> Result<Option<Ending>> {
        let deadline = limit.map(|limit| Instant::now() + limit);
        let Some(pidfd) = process::pidfd_of(self.record.pid, self.record.start_time)? else {
            return Ok(Some(self.recorded()?));
        };
        if !poll_until(pidfd.as_fd(), PollFlags::POLLIN, deadline)? {
            return Ok(None);
        }
        let zombie = ProcStat::read_exit(self.record.pid, self.record.start_time)?;
        match zombie.or_else(|| remembered(&pidfd)) {
            Some(status) => Ok(Some(Ending::of_wait_status(status))),
            None => Ok(Some(self.recorded()?)),
        }
    }

    /// Writes down how it ended, for who asks later.
    ///
    /// # Errors
    /// As [`Record::amend`].
    pub fn note_exit(&mut self, status: u8) -> Result<()> {
        self.record.exit = Some(status);
        self.record.amend(&self.directory)
    }

    /// What whoever waited for it has noted.
    fn recorded(&self) -> Result<Ending> {
        let noted = Record::load(&self.directory)?.and_then(|record| record.exit);
        Ok(noted.map_or(Ending::Unknown, |code| match code {
            129..=192 => Ending::Killed(code - 128),
            code => Ending::Exited(code),
        }))
    }
}

/// What the kernel remembers of a process that has been reaped; before Linux 6.15 nothing.
fn remembered(pidfd: &OwnedFd) -> Option<i32> {
    rrun_sys::pidfd::exit_status(pidfd.as_raw_fd()).ok().flatten()
}

/// Waits for one of `flags`, until `deadline` if there is one; `false` when it passed.
fn poll_until(pidfd: BorrowedFd<'_>, flags: PollFlags, deadline: Option<Instant>) -> Result<bool> {
    loop {
        let timeout = match deadline {
            None => PollTimeout::NONE,
            Some(deadline) => {
                // Rounded up, so that the last wait is no busy loop.
                let left = deadline.saturating_duration_since(Instant::now());
                let left = left + Duration::from_micros(999);
                PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
            }
        };
        match poll(&mut [PollFd::new(pidfd, flags)], timeout) {
            Ok(0) if deadline.is_some_and(|deadline| deadline > Instant::now()) => {}
            Ok(ready) => return Ok(ready > 0),
            Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(Error::kernel("poll(pidfd)", errno as i32)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_status_is_a_code_or_a_signal() {
        for (status, ending) in [
            (0, Ending::Exited(0)),
            (7 << 8, Ending::Exited(7)),
            (255 << 8, Ending::Exited(255)),
            (9, Ending::Killed(9)),
            (11 | CORE, Ending::Killed(11)),
        ] {
            assert_eq!(Ending::of_wait_status(status), ending, "{status:#x}");
        }
        assert_eq!(Ending::Killed(9).status(), Some(137));
        assert_eq!(Ending::Unknown.status(), None);
    }
}
