//! Processes named by descriptor: what pid reuse cannot fool.
//!
//! It refuses to know which process is meant. What a newcomer would get wrong: opening a pidfd from a number proves
//! nothing about who has that number; the caller checks the start time *after* opening (`container::process`).

use crate::{Errno, Fd, NewFd, Result};

/// pidfd_open(2): a descriptor, close-on-exec, of the process (thread group leader) `pid`. It polls readable once the
/// process has ended, reaped or not.
///
/// # Errors
/// ESRCH when there is no such process (a zombie still is one); EINVAL for a `pid` below 1.
pub fn pidfd_open(pid: i32) -> Result<NewFd> {
    // SAFETY: pidfd_open takes two numbers and reads no memory of ours.
    let answer = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    Errno::check(answer).map(|fd| NewFd(fd as Fd))
}

/// pidfd_send_signal(2): `signal` to the process behind `pidfd`, as kill(2) would; 0 only asks whether it is there.
///
/// # Errors
/// ESRCH when it has ended and been reaped; EPERM; EINVAL for a number that is no signal.
pub fn pidfd_send_signal(pidfd: Fd, signal: i32) -> Result<()> {
    let no_siginfo = core::ptr::null::<libc::siginfo_t>();
    // SAFETY: the siginfo pointer is null, for which the kernel fills in what kill(2) would; nothing else is memory.
    let answer =
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd, signal, no_siginfo, 0) };
    Errno::check(answer).map(|_| ())
}

/// pidfd_getfd(2): a duplicate, close-on-exec, of descriptor `fd` of the process behind `pidfd`.
///
/// # Errors
/// EBADF when that process has no such descriptor; EPERM without ptrace access to it; ESRCH when it has ended.
pub fn pidfd_getfd(pidfd: Fd, fd: Fd) -> Result<NewFd> {
    // SAFETY: pidfd_getfd takes three numbers and reads no memory of ours.
    let answer = unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd, fd, 0) };
    Errno::check(answer).map(|fd| NewFd(fd as Fd))
}
