//! Owner, mode, extended attributes and time of what was just made, in the one order that works.
//!
//! What a newcomer would get wrong: chown(2) clears the set-id bits and `security.capability`, so the owner comes first,
//! then the mode, then attributes; the time comes last because everything else changes it.

use crate::error::{Error, Kind, Result};
use crate::image::tar::{Entry, Node};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FchmodatFlags, Mode, UtimensatFlags, fchmod, fchmodat, futimens, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchown, fchownat};
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// Whose files an image's become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    /// Those the archive names: the caller is root.
    Archives,
    /// The caller, who is an ordinary user. Directories stay accessible to them whatever their mode, or a later layer
    /// could not write there, and nobody could remove the bundle.
    Caller,
}

/// Attributes the kernel did not let us set: name, and how often.
pub type Refused = BTreeMap<String, u64>;

/// Settles an open file or directory.
///
/// # Errors
/// The kernel's, naming the call.
pub fn settle(
    file: BorrowedFd<'_>,
    entry: &Entry,
    owners: Owners,
    refused: &mut Refused,
) -> Result<()> {
    if owners == Owners::Archives {
        let (uid, gid) = owner(entry);
        fchown(file, uid, gid).map_err(|errno| chown_error(entry, errno))?;
    }
    let extra = match (&entry.node, owners) {
        (Node::Directory, Owners::Caller) => 0o700,
        _ => 0,
    };
    let mode = entry.mode | extra;
    fchmod(file, Mode::from_bits_truncate(mode)).map_err(|errno| refusal("fchmod", mode, errno))?;
    set_xattrs(entry, refused, |name, value| rrun_sys::xattr::set(file.as_raw_fd(), name, value))?;
    futimens(file, &TimeSpec::UTIME_OMIT, &time(entry.mtime))?;
    Ok(())
}

/// Settles what cannot be opened without side effects, by its name in `dir`: a link, a device, a pipe.
///
/// # Errors
/// The kernel's, naming the call.
pub fn settle_special(
    dir: BorrowedFd<'_>,
    name: &OsStr,
    entry: &Entry,
    owners: Owners,
    refused: &mut Refused,
) -> Result<()> {
    if owners == Owners::Archives {
        let (uid, gid) = owner(entry);
        fchownat(dir, name, uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW)
            .map_err(|errno| chown_error(entry, errno))?;
    }
    let is_link = matches!(entry.node, Node::Symlink(_));
    if !is_link || !entry.xattrs.is_empty() {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let pinned = openat(dir, name, flags, Mode::empty())?;
        let path = CString::new(format!("/proc/self/fd/{}", pinned.as_fd().as_raw_fd()))
            .unwrap_or_default();
        if !is_link {
            let mode = Mode::from_bits_truncate(entry.mode);
            fchmodat(dir, path.as_c_str(), mode, FchmodatFlags::FollowSymlink)
                .map_err(|errno| refusal("fchmodat", entry.mode, errno))?;
        }
        set_xattrs(entry, refused, |name, value| rrun_sys::xattr::set_at_path(&path, name, value))?;
    }
    set_time(dir, name, entry.mtime)
}

/// Sets the modification time of `name` in `dir`, a link itself included.
///
/// # Errors
/// The kernel's.
pub fn set_time(dir: BorrowedFd<'_>, name: &OsStr, mtime: (i64, u32)) -> Result<()> {
    let flags = UtimensatFlags::NoFollowSymlink;
    utimensat(dir, name, &TimeSpec::UTIME_OMIT, &time(mtime), flags)?;
    Ok(())
}

fn set_xattrs(
    entry: &Entry,
    refused: &mut Refused,
    set: impl Fn(&CStr, &[u8]) -> rrun_sys::Result<()>,
) -> Result<()> {
    for (name, value) in &entry.xattrs {
        let shown = name.escape_ascii().to_string();
        let Ok(c_name) = CString::new(name.as_slice()) else {
            return Err(Error::new(Kind::Archive, format!("attribute {shown:?} has a NUL byte")));
        };
        match set(&c_name, value).map_err(|errno| errno.0) {
            Ok(()) => {}
            // Which attributes may be set depends on the file system, the user namespace and the security module; an
            // image without them mostly works, so the caller hears of it once at the end.
            Err(libc::EPERM | libc::EACCES | libc::EOPNOTSUPP | libc::EINVAL) => {
                *refused.entry(shown).or_default() += 1;
            }
            Err(errno) => return Err(Error::kernel(format!("fsetxattr({shown:?})"), errno)),
        }
    }
    Ok(())
}

fn owner(entry: &Entry) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)))
}

fn chown_error(entry: &Entry, errno: Errno) -> Error {
    let error = Error::kernel(format!("chown({}:{})", entry.uid, entry.gid), errno as i32);
    if errno == Errno::EINVAL {
        return error.hint("map this id in the user namespace, or unpack outside of it");
    }
    error
}

fn refusal(call: &str, mode: u32, errno: Errno) -> Error {
    Error::kernel(format!("{call}(0{mode:o})"), errno as i32)
}

fn time((seconds, nanoseconds): (i64, u32)) -> TimeSpec {
    TimeSpec::new(seconds, nanoseconds.into())
}
