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
