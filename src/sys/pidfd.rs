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

/// `struct pidfd_info` of Linux 6.13, which later kernels still take.
#[repr(C)]
#[derive(Default)]
struct Info {
    mask: u64,
    cgroup: u64,
    pids: [u32; 3],
    ids: [u32; 8],
    exit_code: i32,
}

/// `PIDFD_INFO_EXIT`
const INFO_EXIT: u64 = 1 << 3;

/// `PIDFD_GET_INFO`: `_IOWR(0xff, 11, struct pidfd_info)`.
const GET_INFO: libc::c_ulong =
    (3 << 30) | ((core::mem::size_of::<Info>() as libc::c_ulong) << 16) | (0xff << 8) | 11;

/// How the process behind `pidfd` ended, as wait(2) has it: `None` as long as it has not been reaped. The descriptor must
/// have been open before that.
///
/// # Errors
/// ENOTTY before Linux 6.13, EINVAL before 6.15; ESRCH when the kernel does not remember.
pub fn exit_status(pidfd: Fd) -> Result<Option<i32>> {
    let mut info = Info { mask: INFO_EXIT, ..Info::default() };
    // SAFETY: the kernel reads and writes as many bytes as the request's number says, which is the size of `info`.
    let answer =
        unsafe { libc::syscall(libc::SYS_ioctl, pidfd, GET_INFO, core::ptr::from_mut(&mut info)) };
    Errno::check(answer)?;
    Ok((info.mask & INFO_EXIT != 0).then_some(info.exit_code))
}
