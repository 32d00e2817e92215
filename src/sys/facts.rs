//! What this process may do: its capabilities, as numbers.
//!
//! It only reads. What a newcomer would get wrong: the last capability the kernel knows is found by asking for one after
//! the other until EINVAL, which is cheaper than opening /proc/sys/kernel/cap_last_cap and needs no /proc.

use crate::cred::{CAPABILITY_VERSION, CapData, CapHeader};
use crate::{Errno, Result};

/// The permitted set of the calling thread, one bit for each capability.
///
/// # Errors
/// None is known for a thread that asks about itself.
pub fn permitted_capabilities() -> Result<u64> {
    let mut header = CapHeader { version: CAPABILITY_VERSION, pid: 0 };
    let mut data = [CapData::default(); 2];
    // SAFETY: version 3 means two data structs, which `data` is; both live until the call returns.
    let answer = unsafe {
        libc::syscall(libc::SYS_capget, &raw mut header, (&raw mut data).cast::<CapData>())
    };
    Errno::check(answer)?;
    let [low, high] = data;
    Ok(u64::from(low.permitted) | (u64::from(high.permitted) << 32))
}

/// Whether `capability` is in the calling thread's bounding set.
///
/// # Errors
/// EINVAL when this kernel has no capability of that number.
pub fn in_bounding_set(capability: u8) -> Result<bool> {
    let capability = libc::c_ulong::from(capability);
    // SAFETY: PR_CAPBSET_READ takes a number and touches no memory.
    let answer = unsafe { libc::prctl(libc::PR_CAPBSET_READ, capability, 0, 0, 0) };
    Errno::check(answer.into()).map(|held| held == 1)
}

/// What a start calls, of what is younger than ten years.
const CALLS: [(&str, libc::c_long); 13] = [
    ("bpf", libc::SYS_bpf),
    ("clone3", libc::SYS_clone3),
    ("close_range", libc::SYS_close_range),
    ("execveat", libc::SYS_execveat),
    ("fsconfig", libc::SYS_fsconfig),
    ("fsmount", libc::SYS_fsmount),
    ("fsopen", libc::SYS_fsopen),
    ("mount_setattr", libc::SYS_mount_setattr),
    ("move_mount", libc::SYS_move_mount),
    ("open_tree", libc::SYS_open_tree),
    ("openat2", libc::SYS_openat2),
    ("pidfd_open", libc::SYS_pidfd_open),
    ("pidfd_send_signal", libc::SYS_pidfd_send_signal),
];

/// The names of those that this kernel, or a filter before it, does not know.
#[must_use]
pub fn missing_calls() -> [Option<&'static str>; CALLS.len()] {
    CALLS.map(|(name, number)| {
        // SAFETY: each of them refuses flags, sizes or descriptors of -1 before it looks at any memory; and the addresses
        // are none.
        let answer = unsafe { libc::syscall(number, -1, 0, -1, -1, -1, 0) };
        (Errno::check(answer) == Err(Errno(libc::ENOSYS))).then_some(name)
    })
}

/// Whether seccomp(2) knows these flags of a filter: it looks at them before it looks for a filter, of which there is none.
#[must_use]
pub fn has_seccomp_flag(flags: u32) -> bool {
    let none = core::ptr::null::<libc::sock_fprog>();
    // SAFETY: the kernel finds no filter at the null pointer, and says so.
    let answer =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, none) };
    Errno::check(answer) == Err(Errno(libc::EFAULT))
}
