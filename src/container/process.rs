//! A process as /proc and pidfds show it: is it still the one that was recorded?
//!
//! It knows pids, start times and pidfds; it refuses to know containers. What a newcomer would get wrong: the order.
//! The pidfd is opened first and the start time read after; the other way round the pid may change hands in between.

use crate::error::{Error, Kind, Result, ResultExt};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// Two fields of /proc/PID/stat, see proc_pid_stat(5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcStat {
    /// Field 3: `R`, `S`, `D`, `Z`, …
    pub state: u8,
    /// Field 22: when it started, in clock ticks since boot. With the pid it names a process uniquely until reboot.
    pub start_time: u64,
}

impl ProcStat {
    /// Whether it has not ended: neither a zombie (`Z`) nor dead (`X`, and `x` of older kernels).
    #[must_use]
    pub const fn is_alive(self) -> bool {
        !matches!(self.state, b'Z' | b'X' | b'x')
    }

    /// Reads `pid`'s; `None` when there is no such process.
    ///
    /// # Errors
    /// [`Kind::Kernel`] when /proc cannot be read, [`Kind::Internal`] when it is not as proc(5) describes it.
    pub fn read(pid: i32) -> Result<Option<Self>> {
        if pid <= 0 {
            return Ok(None);
        }
        let path = format!("/proc/{pid}/stat");
        // The kernel writes it in one piece; std would ask for its size, which is 0, and then feel its way.
        let mut line = [0; 1024];
        match File::open(&path).and_then(|mut file| file.read(&mut line)) {
            Ok(count) => Self::parse(&line[..count])
                .map(Some)
                .ok_or_else(|| Error::new(Kind::Internal, format!("{path} is not as expected"))),
            // ESRCH: it ended between open and read.
            Err(error) if gone(&error) => Ok(None),
            Err(error) => Err(error).context(|| format!("read {path}")),
        }
    }

    /// Field 52 of a zombie: how it ended, as wait(2) would tell its parent; `None` when it is no zombie (any more), or
    /// another process by now.
    ///
    /// # Errors
    /// [`Kind::Kernel`] when /proc cannot be read.
    pub fn read_exit(pid: i32, start_time: u64) -> Result<Option<i32>> {
        let path = format!("/proc/{pid}/stat");
        let line = match std::fs::read(&path) {
            Ok(line) => line,
            Err(error) if gone(&error) => return Ok(None),
            Err(error) => return Err(error).context(|| format!("read {path}")),
        };
        let same = Self::parse(&line)
            .is_some_and(|stat| stat.start_time == start_time && !stat.is_alive());
        let last = std::str::from_utf8(&line).ok().and_then(|line| line.split_whitespace().last());
        let status = last.and_then(|last| last.parse().ok()).filter(|_| same);
        // To who may not look, the kernel shows a 0 there. The namespace's link asks for the same permission.
        let may_look = || std::fs::read_link(format!("/proc/{pid}/ns/user")).is_ok();
        Ok(status.filter(|status| *status != 0 || may_look()))
    }

    /// Field 2, the program's name, may hold blanks and parentheses: fields are counted from the *last* parenthesis.
    fn parse(line: &[u8]) -> Option<Self> {
        let after_name = line.iter().rposition(|&byte| byte == b')')? + 1;
        let mut fields =
            std::str::from_utf8(line.get(after_name..)?).ok()?.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?;
        let start_time = fields.nth(22 - 4)?.parse().ok()?;
        Some(Self { state, start_time })
    }
}

/// The parent of `pid`, in the numbers of our pid namespace (0 when it is not of it); `None` when it has ended.
///
/// # Errors
/// [`Kind::Kernel`] when /proc cannot be read.
pub fn parent_of(pid: i32) -> Result<Option<i32>> {
    let path = format!("/proc/{pid}/status");
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let parent = text.lines().find_map(|line| line.strip_prefix("PPid:"));
            Ok(parent.and_then(|parent| parent.trim().parse().ok()))
        }
        Err(error) if gone(&error) => Ok(None),
        Err(error) => Err(error).context(|| format!("read {path}")),
    }
}

fn gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH))
}

/// A pidfd of the process that had `pid` and started at `start_time`; `None` when that one has ended and been reaped.
///
/// # Errors
/// [`Kind::Kernel`] when pidfd_open(2) fails for another reason, or /proc cannot be read.
pub fn pidfd_of(pid: i32, start_time: u64) -> Result<Option<OwnedFd>> {
    let pidfd = match rrun_sys::pidfd::pidfd_open(pid) {
        Ok(new) => OwnedFd::from(new),
        // EINVAL and ENOENT (newer kernels): the number is that of a mere thread now, or was never one of a process.
        Err(rrun_sys::Errno(libc::ESRCH | libc::EINVAL | libc::ENOENT)) => return Ok(None),
        Err(errno) => return Err(Error::kernel(format!("pidfd_open({pid})"), errno.0)),
    };
    let same = ProcStat::read(pid)?.is_some_and(|stat| stat.start_time == start_time);
    Ok(same.then_some(pidfd))
}

/// Whether a signal found its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It was there (a zombie counts).
    Sent,
    /// It had ended.
    Gone,
}

/// Sends `signal` to the process behind `pidfd`.
///
/// # Errors
/// [`Kind::Usage`] for a number that is no signal, [`Kind::Denied`] without the permission.
pub fn signal(pidfd: BorrowedFd<'_>, signal: i32) -> Result<Delivery> {
    match rrun_sys::pidfd::pidfd_send_signal(pidfd.as_raw_fd(), signal) {
        Ok(()) => Ok(Delivery::Sent),
        Err(rrun_sys::Errno(libc::ESRCH)) => Ok(Delivery::Gone),
        Err(errno) => {
            let kind = match errno.0 {
                libc::EINVAL => Kind::Usage,
                libc::EPERM => Kind::Denied,
                _ => Kind::Kernel,
            };
            Err(Error::kernel(format!("pidfd_send_signal({signal})"), errno.0).with_kind(kind))
        }
    }
}

/// Waits until the process behind `pidfd` has ended (a zombie has), for `patience` at most; `false` when it has not.
///
/// # Errors
/// [`Kind::Kernel`] when poll(2) fails.
pub fn wait_for_end(pidfd: BorrowedFd<'_>, patience: Duration) -> Result<bool> {
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(pidfd, PollFlags::POLLIN)], timeout) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(Error::kernel("poll(pidfd)", errno as i32)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::process::{Child, Command, Stdio};

    fn sleeper() -> Child {
        Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap()
    }

    #[test]
    fn the_name_of_a_program_cannot_forge_its_state_or_start_time() {
        let line = b"7 (a) Z 1 (b) R 10992 10992 5616 0 -1 4194304 100 0 0 0 0 0 0 0 20 0 1 0 133677 3133440 383";
        assert_eq!(ProcStat::parse(line), Some(ProcStat { state: b'R', start_time: 133_677 }));
        assert_eq!(ProcStat::parse(b"7 (a) R 1 2"), None);
        assert_eq!(ProcStat::parse(b""), None);
    }

    #[test]
    fn a_pid_with_another_start_time_is_another_process() {
        let mut child = sleeper();
        let pid = child.id() as i32;
        let stat = ProcStat::read(pid).unwrap().unwrap();
        assert!(stat.is_alive());
        assert!(pidfd_of(pid, stat.start_time).unwrap().is_some());
        assert!(pidfd_of(pid, stat.start_time + 1).unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(pidfd_of(pid, stat.start_time).unwrap().is_none());
    }

    #[test]
    fn a_zombie_has_ended() {
        let mut child = sleeper();
        let pid = child.id() as i32;
        let start_time = ProcStat::read(pid).unwrap().unwrap().start_time;
        let pidfd = pidfd_of(pid, start_time).unwrap().unwrap();
        assert!(!wait_for_end(pidfd.as_fd(), Duration::ZERO).unwrap());
        assert_eq!(signal(pidfd.as_fd(), libc::SIGKILL).unwrap(), Delivery::Sent);
        assert!(wait_for_end(pidfd.as_fd(), Duration::from_secs(60)).unwrap());
        assert!(!ProcStat::read(pid).unwrap().unwrap().is_alive());
        child.wait().unwrap();
        assert_eq!(signal(pidfd.as_fd(), libc::SIGKILL).unwrap(), Delivery::Gone);
    }

    #[test]
    fn a_number_that_is_no_signal_is_the_callers_mistake() {
        let mut child = sleeper();
        let stat = ProcStat::read(child.id() as i32).unwrap().unwrap();
        let pidfd = pidfd_of(child.id() as i32, stat.start_time).unwrap().unwrap();
        assert_eq!(signal(pidfd.as_fd(), 999).unwrap_err().kind(), Kind::Usage);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn pids_below_one_are_nobody() {
        assert_eq!(ProcStat::read(0).unwrap(), None);
        assert!(pidfd_of(-1, 0).unwrap().is_none());
    }
}
