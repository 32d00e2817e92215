//! How a layer hides what lower layers have: `.wh.NAME` hides NAME, `.wh..wh..opq` hides all of a directory.
//!
//! What a newcomer would get wrong: a whiteout concerns *lower* layers only, wherever it stands in the tar. A name made
//! by the same layer survives it, so names made so far are remembered, by the directory's inode: one directory can be
//! reached by many paths.

use crate::error::{Error, Kind, Result};
use crate::image::root::{names, open_directory};
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{SFlag, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const PREFIX: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
const AUFS: &[u8] = b".wh..wh.";

/// How deep a directory may be that is hidden while the same layer fills it; each level costs a descriptor.
const DEEPEST: u32 = 256;

/// What a name asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Meaning<'a> {
    /// To be made.
    Name,
    /// To hide this name of the same directory.
    Hides(&'a OsStr),
    /// To hide everything in its directory.
    Opaque,
    /// AUFS's own bookkeeping; nothing.
    Bookkeeping,
}

/// What the path of an entry asks for.
///
/// # Errors
/// [`Kind::Archive`] for a whiteout of nothing, of `.` or `..`, and for anything inside a whiteout.
pub fn meaning(path: &Path) -> Result<Meaning<'_>> {
    let refuse = |what: &str| Err(Error::new(Kind::Archive, format!("whiteout {path:?} {what}")));
    let is_reserved = |name: &OsStr| name.as_bytes().starts_with(PREFIX);
    if path.parent().is_some_and(|parent| parent.iter().any(is_reserved)) {
        return refuse("is used as a directory");
    }
    let Some(name) = path.file_name().map(OsStrExt::as_bytes) else { return Ok(Meaning::Name) };
    let Some(hidden) = name.strip_prefix(PREFIX) else { return Ok(Meaning::Name) };
    match hidden {
        _ if name == OPAQUE => Ok(Meaning::Opaque),
        _ if name.starts_with(AUFS) => Ok(Meaning::Bookkeeping),
        b"" | b"." | b".." => refuse("names no entry"),
        hidden => Ok(Meaning::Hides(OsStr::from_bytes(hidden))),
    }
}

/// The names a layer has made so far: (inode of the directory, name).
#[derive(Debug)]
pub struct Made(Option<HashSet<(u64, OsString)>>);

impl Made {
    /// For the lowest layer (below which there is nothing to hide, so nothing is remembered) or another.
    #[must_use]
    pub fn by_layer(lowest: bool) -> Self {
        Self((!lowest).then(HashSet::new))
    }

    /// Remembers a name.
    pub fn note(&mut self, directory: u64, name: &OsStr) {
        if let Some(names) = &mut self.0 {
            names.insert((directory, name.to_owned()));
        }
    }

    /// Hides `name`: removes it and what is below, except what this layer made.
    ///
    /// # Errors
    /// The kernel's; [`Kind::Archive`] beyond a depth of 256 directories.
    pub fn hide(&self, dir: BorrowedFd<'_>, name: &OsStr) -> Result<()> {
        if self.0.is_none() {
            return Ok(());
        }
        let inode = fstat(dir)?.st_ino;
        self.hide_one(dir, inode, name, DEEPEST)
    }

    /// Hides everything in `dir`, except what this layer made.
    ///
    /// # Errors
    /// As [`Self::hide`].
    pub fn hide_all(&self, dir: BorrowedFd<'_>) -> Result<()> {
        if self.0.is_none() { Ok(()) } else { self.hide_below(dir, DEEPEST) }
    }

    fn hide_below(&self, dir: BorrowedFd<'_>, levels: u32) -> Result<()> {
        let Some(levels) = levels.checked_sub(1) else {
            return Err(Error::new(
                Kind::Archive,
                format!("hidden directory is deeper than {DEEPEST} levels"),
            ));
        };
        let inode = fstat(dir)?.st_ino;
        for name in names(dir)? {
            self.hide_one(dir, inode, OsStr::from_bytes(name.to_bytes()), levels)?;
        }
        Ok(())
    }

    fn hide_one(&self, dir: BorrowedFd<'_>, inode: u64, name: &OsStr, levels: u32) -> Result<()> {
        let stat = match fstatat(dir, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Err(Errno::ENOENT) => return Ok(()),
            stat => stat?,
        };
        let is_ours = self.has(inode, name);
        if stat.st_mode & SFlag::S_IFMT.bits() != SFlag::S_IFDIR.bits() {
            return if is_ours { Ok(()) } else { remove(dir, name, UnlinkatFlags::NoRemoveDir) };
        }
        self.hide_below(open_directory(dir, name)?.as_fd(), levels)?;
        if is_ours { Ok(()) } else { remove(dir, name, UnlinkatFlags::RemoveDir) }
    }

    fn has(&self, directory: u64, name: &OsStr) -> bool {
        self.0.as_ref().is_some_and(|names| names.contains(&(directory, name.to_owned())))
    }
}

/// Removes one name. A directory in which this layer made something stays: it is this layer's too.
fn remove(dir: BorrowedFd<'_>, name: &OsStr, how: UnlinkatFlags) -> Result<()> {
    match unlinkat(dir, name, how) {
        Ok(()) | Err(Errno::ENOTEMPTY) => Ok(()),
        Err(errno) => Err(Error::kernel(format!("unlinkat({name:?})"), errno as i32)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whiteouts_hide_one_plain_name_of_their_directory() {
        let of = |path: &'static str| meaning(Path::new(path));
        assert_eq!(of("a/.wh.b").unwrap(), Meaning::Hides(OsStr::new("b")));
        assert_eq!(of(".wh..b").unwrap(), Meaning::Hides(OsStr::new(".b")));
        assert_eq!(of("a/.wh..wh..opq").unwrap(), Meaning::Opaque);
        assert_eq!(of(".wh..wh.plnk").unwrap(), Meaning::Bookkeeping);
        assert_eq!(of("a/b").unwrap(), Meaning::Name);
        assert_eq!(of("").unwrap(), Meaning::Name);
        for hostile in ["a/.wh.", ".wh..", "a/.wh...", ".wh.a/b"] {
            assert_eq!(of(hostile).unwrap_err().kind(), Kind::Archive, "{hostile}");
        }
    }
}
