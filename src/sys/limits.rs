//! Limits and small attributes of the calling process.

use crate::{Errno, Fd, Result};

/// prlimit64(2) of the caller. `u64::MAX` is infinity.
///
/// # Errors
/// As the call: EPERM when the hard limit grows without CAP_SYS_RESOURCE.
pub fn set_rlimit(resource: u32, soft: u64, hard: u64) -> Result<()> {
    let limit = libc::rlimit64 { rlim_cur: soft, rlim_max: hard };
    let old = core::ptr::null_mut::<libc::rlimit64>();
    // SAFETY: `limit` is live and only read; the old value is not asked for.
    let answer = unsafe { libc::syscall(libc::SYS_prlimit64, 0, resource, &raw const limit, old) };
    Errno::check(answer).map(drop)
}

/// The caller's limits, soft and hard. `u64::MAX` is infinity.
///
/// # Errors
/// EINVAL for a number that is no limit.
pub fn rlimit(resource: u32) -> Result<(u64, u64)> {
    let mut limit = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    let none = core::ptr::null::<libc::rlimit64>();
    // SAFETY: `limit` is live and filled; no new value is given.
    let answer = unsafe { libc::syscall(libc::SYS_prlimit64, 0, resource, none, &raw mut limit) };
    Errno::check(answer).map(|_| (limit.rlim_cur, limit.rlim_max))
}

/// umask(2), which can't fail.
pub fn set_umask(mask: u32) {
    // SAFETY: no pointers.
    unsafe { libc::syscall(libc::SYS_umask, mask) };
}

/// personality(2).
///
/// # Errors
/// As the call.
pub fn set_personality(persona: u32) -> Result<()> {
    // SAFETY: no pointers.
    Errno::check(unsafe { libc::syscall(libc::SYS_personality, u64::from(persona)) }).map(drop)
}

/// setsid(2).
///
/// # Errors
/// As the call: EPERM for a process group leader.
pub fn new_session() -> Result<()> {
    // SAFETY: no pointers.
    Errno::check(unsafe { libc::syscall(libc::SYS_setsid) }).map(drop)
}

/// close_range(2) with `CLOSE_RANGE_CLOEXEC`: everything from `first` on closes at execve.
///
/// # Errors
/// As the call.
pub fn close_on_exec_from(first: u32) -> Result<()> {
    const CLOSE_RANGE_CLOEXEC: u32 = 4;
    close_range(first, u32::MAX, CLOSE_RANGE_CLOEXEC)
}

/// Closes everything from `first` on but `kept`, which rise. For the child alone: a process that has owners of
/// descriptors must not.
///
/// # Errors
/// As close_range(2).
pub(crate) fn close_all_but(first: u32, kept: &[Fd]) -> Result<()> {
    let mut next = first;
    for &fd in kept {
        let fd = fd as u32;
        if fd > next {
            close_range(next, fd - 1, 0)?;
        }
        next = next.max(fd.saturating_add(1));
    }
    close_range(next, u32::MAX, 0)
}

fn close_range(first: u32, last: u32, flags: u32) -> Result<()> {
    // SAFETY: no pointers.
    Errno::check(unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) }).map(drop)
}
