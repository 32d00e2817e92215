//! Extended attributes: setting one, on an open file or on what a path names.
//!
//! It refuses to know which names mean what. What a newcomer would get wrong: fsetxattr(2) answers EBADF for an O_PATH
//! descriptor, the only kind a device node or a symbolic link may safely be opened with; for those, [`set_at_path`]
//! takes `/proc/self/fd/N`, whose magic link leads to exactly the pinned inode.

use crate::{Errno, Fd, Result};
use core::ffi::CStr;

/// Sets attribute `name` of the open file `file` to `value`, replacing what was there: fsetxattr(2).
///
/// # Errors
/// EPERM for `security.*` and `trusted.*` without the capability, EOPNOTSUPP where the file system has none, ENOSPC,
/// E2BIG, ERANGE.
pub fn set(file: Fd, name: &CStr, value: &[u8]) -> Result<()> {
    // SAFETY: `name` is NUL-terminated and `value` is readable for the length given; the call only reads both, and
    // they outlive it. A descriptor that isn't one is answered with EBADF.
    let answer =
        unsafe { libc::fsetxattr(file, name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    Errno::check(answer.into()).map(|_| ())
}

/// Sets attribute `name` of what `path` names, following a symbolic link in the last component: setxattr(2).
///
/// # Errors
/// As [`set`], and those of path resolution.
pub fn set_at_path(path: &CStr, name: &CStr, value: &[u8]) -> Result<()> {
    // SAFETY: `path` and `name` are NUL-terminated and `value` is readable for the length given; the call only reads
    // them, and they outlive it.
    let answer = unsafe {
        libc::setxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0)
    };
    Errno::check(answer.into()).map(|_| ())
}
