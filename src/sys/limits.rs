//! Limits and small attributes of the calling process.

use crate::{Errno, Result};

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
    // SAFETY: no pointers.
    let answer =
        unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, CLOSE_RANGE_CLOEXEC) };
    Errno::check(answer).map(drop)
}
