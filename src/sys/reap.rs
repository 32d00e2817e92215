//! waitid(2): how a child ended, and no zombie left of it.
//!
//! Whoever has more to wait for polls a pidfd, and then reaps. What a newcomer would get wrong: a program can be killed
//! by a real-time signal, which is a number and not one of the thirty-one names, so the signal stays a number here.

use crate::{Errno, Fd, Result};
use core::mem::MaybeUninit;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// exit(2) with this code.
    Code(u8),
    /// Killed by this signal.
    Signal(i32),
}

/// Which child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Child {
    /// The one behind this pidfd.
    Pidfd(Fd),
    /// The one with this pid: the caller knows that nobody else reaps it, so the number is still its own.
    Pid(i32),
    /// Any of the caller's, orphans that a subreaper inherited included.
    Any,
}

/// Reaps `child` if it has ended: its pid and how; `None` while it runs.
///
/// # Errors
/// ECHILD when it is not the caller's child, or the caller has none.
pub fn reap(child: Child) -> Result<Option<(i32, Ended)>> {
    reap_with(child, libc::WNOHANG)
}

/// The pid of a child that has ended, which stays a zombie; `None` while all run. Asked again, it may name the same one
/// again: the kernel looks for the first, not for the next.
///
/// # Errors
/// ECHILD when the caller has no child.
pub fn peek() -> Result<Option<i32>> {
    let ended = reap_with(Child::Any, libc::WNOHANG | libc::WNOWAIT)?;
    Ok(ended.map(|(pid, _)| pid))
}

/// Waits until the child behind `pidfd` has ended, and reaps it.
///
/// # Errors
/// ECHILD when it is not the caller's child.
pub fn wait(pidfd: Fd) -> Result<Ended> {
    loop {
        match reap_with(Child::Pidfd(pidfd), 0) {
            Ok(Some((_, ended))) => return Ok(ended),
            Ok(None) | Err(Errno(libc::EINTR)) => {}
            Err(errno) => return Err(errno),
        }
    }
}

fn reap_with(child: Child, flags: i32) -> Result<Option<(i32, Ended)>> {
    let (kind, id) = match child {
        Child::Pidfd(pidfd) => (libc::P_PIDFD, pidfd as libc::id_t),
        Child::Pid(pid) => (libc::P_PID, pid as libc::id_t),
        Child::Any => (libc::P_ALL, 0),
    };
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    // SAFETY: `info` is a live siginfo_t that the call fills or leaves zero.
    let answer = unsafe { libc::waitid(kind, id, info.as_mut_ptr(), libc::WEXITED | flags) };
    Errno::check(answer.into())?;
    // SAFETY: zeroed before the call, and plain numbers.
    let info = unsafe { info.assume_init() };
    // SAFETY: waitid fills the child's part of the union; zeroes where no child had ended.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    Ok(match (pid, info.si_code) {
        (0, _) => None,
        (_, libc::CLD_EXITED) => Some((pid, Ended::Code(status as u8))),
        _ => Some((pid, Ended::Signal(status))),
    })
}
