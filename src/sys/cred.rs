//! Identity and privileges of the calling thread: ids, groups, capabilities, keyring, no_new_privs.
//!
//! Raw calls only: the C library's `setuid` and its kin signal every thread of the process, and in the child of a
//! process with many threads there are none to answer.
//! What a newcomer would get wrong: setresuid(2) from 0 to another clears permitted capabilities unless `keep` was set,
//! and effective ones always.

use crate::{Errno, Result};
use core::ffi::CStr;

fn prctl(option: i32, a: u64, b: u64) -> Result<i64> {
    // SAFETY: no option used in this file takes a pointer.
    Errno::check(unsafe { libc::syscall(libc::SYS_prctl, option, a, b, 0_u64, 0_u64) })
}

/// setresgid(2) and then setresuid(2), all three ids of each.
///
/// # Errors
/// As the calls: EINVAL for an id that the user namespace does not map.
pub fn set_ids(uid: u32, gid: u32) -> Result<()> {
    // SAFETY: no pointers.
    Errno::check(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) })?;
    // SAFETY: no pointers.
    Errno::check(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) }).map(drop)
}

/// setgroups(2).
///
/// # Errors
/// As the call: EPERM where the user namespace says `deny`.
pub fn set_groups(groups: &[u32]) -> Result<()> {
    // SAFETY: the ids are live and as many as said, and only read.
    let answer = unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) };
    Errno::check(answer).map(drop)
}

/// `PR_SET_KEEPCAPS`: permitted capabilities survive the next change of user.
///
/// # Errors
/// As prctl(2).
pub fn keep_capabilities(keep: bool) -> Result<()> {
    prctl(libc::PR_SET_KEEPCAPS, u64::from(keep), 0).map(drop)
}

/// Drops every capability up to `last` that is not in `keep` from the bounding set.
///
/// # Errors
/// As prctl(2): EPERM without CAP_SETPCAP.
pub fn limit_bounding(keep: u64, last: u8) -> Result<()> {
    for number in 0..=u64::from(last.min(63)) {
        if keep.checked_shr(number as u32).unwrap_or(0) & 1 == 0 {
            prctl(libc::PR_CAPBSET_DROP, number, 0)?;
        }
    }
    Ok(())
}

/// Empties the ambient set, then raises what `set` has. What the kernel refuses to raise (not permitted, or not
/// inheritable) is left out: the plan warned about it.
///
/// # Errors
/// As prctl(2), but for EPERM of a single capability.
pub fn set_ambient(set: u64, last: u8) -> Result<()> {
    prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as u64, 0)?;
    for number in 0..=u64::from(last.min(63)) {
        if set.checked_shr(number as u32).unwrap_or(0) & 1 == 1 {
            match prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE as u64, number) {
                Ok(_) | Err(Errno(libc::EPERM)) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
    Ok(())
}

/// `struct __user_cap_header_struct`; pid 0 is the calling thread.
#[repr(C)]
pub(crate) struct CapHeader {
    pub version: u32,
    pub pid: i32,
}

/// `struct __user_cap_data_struct`: half of each set.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct CapData {
    pub effective: u32,
    pub permitted: u32,
    pub inheritable: u32,
}

/// `_LINUX_CAPABILITY_VERSION_3`: 64 bits of each set, in two halves.
pub(crate) const CAPABILITY_VERSION: u32 = 0x2008_0522;

/// capset(2) of the three sets, bit *n* being capability *n*.
///
/// # Errors
/// As the call: EPERM when a set grows beyond what is permitted.
pub fn set_capabilities(effective: u64, permitted: u64, inheritable: u64) -> Result<()> {
    let header = CapHeader { version: CAPABILITY_VERSION, pid: 0 };
    let half = |shift: u32| CapData {
        effective: (effective >> shift) as u32,
        permitted: (permitted >> shift) as u32,
        inheritable: (inheritable >> shift) as u32,
    };
    let sets = [half(0), half(32)];
    // SAFETY: header and both halves are live, laid out as the call wants for version 3, and only read.
    let answer = unsafe { libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()) };
    Errno::check(answer).map(drop)
}

/// `PR_SET_NO_NEW_PRIVS`.
///
/// # Errors
/// As prctl(2).
pub fn set_no_new_privs() -> Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0).map(drop)
}

/// `PR_SET_MDWE` with `PR_MDWE_REFUSE_EXEC_GAIN`: no mapping is writable and executable, or becomes executable later. It is
/// kept over execve.
///
/// # Errors
/// As prctl(2): EINVAL before Linux 6.3.
pub fn set_mdwe() -> Result<()> {
    const PR_SET_MDWE: i32 = 65;
    const REFUSE_EXEC_GAIN: u64 = 1;
    prctl(PR_SET_MDWE, REFUSE_EXEC_GAIN, 0).map(drop)
}

/// `PR_SET_DUMPABLE`: whether others may look into this process (ptrace(2), /proc/PID/mem, /proc/PID/exe).
///
/// # Errors
/// As prctl(2).
pub fn set_dumpable(dumpable: bool) -> Result<()> {
    prctl(libc::PR_SET_DUMPABLE, u64::from(dumpable), 0).map(drop)
}

const KEYCTL_JOIN_SESSION_KEYRING: u32 = 1;
const KEYCTL_SETPERM: u32 = 5;
/// Possessor: all. User: view, read, write, search, link, setattr. Nobody else. (keyctl_setperm(3))
const KEYRING_PERMISSIONS: u32 = 0x3f3f_0000;

/// Joins a session keyring of this name, made if there is none, so that the container does not share the caller's.
///
/// # Errors
/// As keyctl(2); ENOSYS (a kernel or an outer sandbox without keys) is no error.
pub fn join_session_keyring(name: &CStr) -> Result<()> {
    // SAFETY: `name` is NUL-terminated and only read.
    let answer =
        unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.as_ptr()) };
    let keyring = match Errno::check(answer) {
        Err(Errno(libc::ENOSYS)) => return Ok(()),
        other => other?,
    };
    // SAFETY: no pointers.
    let answer =
        unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_SETPERM, keyring, KEYRING_PERMISSIONS) };
    Errno::check(answer).map(drop)
}
