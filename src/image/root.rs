//! A directory that hostile paths are resolved in: the kernel treats it as the root, so no `..`, absolute name or
//! symbolic link leads out of it.
//!
//! It knows paths and descriptors; it refuses to know archives. What a newcomer would get wrong: only *parents* are
//! resolved here. The last component of a name is always made or removed with an `*at` call that does not follow links,
//! on the descriptor this module returned.

use crate::error::{Error, Kind, Result};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{Mode, fchmod, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// How often a lookup is repeated when a rename somewhere on the host made the kernel give up (EAGAIN, openat2(2)).
const LOOKUPS: u32 = 128;

const DIRECTORY: OFlag = OFlag::O_DIRECTORY.union(OFlag::O_CLOEXEC);

/// The pinned directory.
#[derive(Debug)]
pub struct Root(OwnedFd);

impl Root {
    /// Pins the directory at `path`, which the caller trusts.
    ///
    /// # Errors
    /// The kernel's, naming the path.
    pub fn open(path: &Path) -> Result<Self> {
        nix::fcntl::open(path, DIRECTORY, Mode::empty())
            .map(Self)
            .map_err(|errno| Error::kernel(format!("open({path:?}, O_DIRECTORY)"), errno as i32))
    }

    /// The directory at `path`, links followed within the root; `None` when there is nothing by that name.
    ///
    /// # Errors
    /// [`Kind::Archive`] when a component is a file or links form a cycle.
    pub fn directory(&self, path: &Path) -> Result<Option<OwnedFd>> {
        self.resolve(path, OFlag::O_PATH | DIRECTORY)
    }

    /// The regular file at `path`, for reading; links followed within the root. `None` when there is none.
    ///
    /// # Errors
    /// [`Kind::Archive`] when it is anything but a regular file.
    pub fn file(&self, path: &Path) -> Result<Option<File>> {
        // Without O_NONBLOCK, opening a fifo would wait for a writer for ever.
        let Some(fd) =
            self.resolve(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC)?
        else {
            return Ok(None);
        };
        let file = File::from(fd);
        if file.metadata()?.is_file() {
            return Ok(Some(file));
        }
        Err(Error::new(Kind::Archive, format!("{path:?} is not a regular file")))
    }

    /// The directory at `path`; what is missing of it is made with mode 0755, component by component.
    ///
    /// # Errors
    /// [`Kind::Archive`] when a component is a file, a dangling link or part of a cycle; the kernel's otherwise.
    pub fn create_directories(&self, path: &Path) -> Result<OwnedFd> {
        if let Some(fd) = self.directory(path)? {
            return Ok(fd);
        }
        let mut prefix = PathBuf::new();
        let mut here = self.resolve_known(Path::new(""))?;
        for component in path.components() {
            prefix.push(component);
            here = match self.directory(&prefix)? {
                Some(fd) => fd,
                None => make_directory(here.as_fd(), component.as_os_str(), &prefix)?,
            };
        }
        Ok(here)
    }

    fn resolve_known(&self, path: &Path) -> Result<OwnedFd> {
        self.directory(path)?
            .ok_or_else(|| Error::new(Kind::Internal, "the root directory has disappeared"))
    }

    fn resolve(&self, path: &Path, flags: OFlag) -> Result<Option<OwnedFd>> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let inside = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        let how = OpenHow::new().flags(flags).resolve(inside);
        let mut answer = Err(Errno::EAGAIN);
        for _ in 0..LOOKUPS {
            answer = openat2(&self.0, path, how);
            if !matches!(answer, Err(Errno::EAGAIN)) {
                break;
            }
        }
        match answer {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => {
                let error = Error::kernel(format!("openat2({path:?}, IN_ROOT)"), errno as i32);
                let hostile = matches!(
                    errno,
                    Errno::ELOOP | Errno::ENOTDIR | Errno::ENAMETOOLONG | Errno::ENXIO
                );
                Err(if hostile { error.with_kind(Kind::Archive) } else { error })
            }
        }
    }
}

impl From<OwnedFd> for Root {
    /// Pins a directory that is already open.
    fn from(directory: OwnedFd) -> Self {
        Self(directory)
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Makes `name` in `parent`, where a lookup has just found nothing, and pins it.
fn make_directory(parent: BorrowedFd<'_>, name: &OsStr, path: &Path) -> Result<OwnedFd> {
    mkdirat(parent, name, Mode::S_IRWXU).map_err(|errno| match errno {
        Errno::EEXIST => {
            Error::new(Kind::Archive, format!("{path:?} is a symbolic link that leads nowhere"))
        }
        errno => Error::kernel(format!("mkdirat({path:?})"), errno as i32),
    })?;
    let fd = open_directory(parent, name)?;
    // mkdirat's mode is subject to the umask, fchmod's is not.
    fchmod(&fd, Mode::from_bits_truncate(0o755))?;
    Ok(fd)
}

/// Opens the directory `name` in `parent`, itself not a link, for reading.
///
/// # Errors
/// ENOTDIR or ELOOP when it is something else.
pub fn open_directory(parent: impl AsFd, name: impl AsRef<OsStr>) -> nix::Result<OwnedFd> {
    openat(parent, name.as_ref(), DIRECTORY | OFlag::O_NOFOLLOW, Mode::empty())
}

/// The names in the directory `dir`, without `.` and `..`.
///
/// # Errors
/// The kernel's.
pub fn names(dir: impl AsFd) -> nix::Result<Vec<CString>> {
    let mut found = Vec::new();
    for entry in Dir::openat(dir, ".", DIRECTORY, Mode::empty())?.iter() {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            found.push(entry.file_name().to_owned());
        }
    }
    Ok(found)
}

/// Removes `name` from `dir`, with everything below it if it is a directory. Links are removed, never followed.
///
/// It holds two descriptors whatever the depth, because a hostile archive can nest deeper than there are descriptors or
/// stack: it walks down by name and up by `..`, which nobody else moves.
///
/// # Errors
/// The kernel's, ENOENT included.
pub fn remove(dir: impl AsFd, name: &OsStr) -> nix::Result<()> {
    match unlinkat(&dir, name, UnlinkatFlags::NoRemoveDir) {
        Err(Errno::EISDIR) => {}
        answer => return answer,
    }
    let mut here = open_directory(&dir, name)?;
    let mut way = vec![name.to_owned()];
    while let Some(name) = way.last() {
        if let Some(full) = empty_until_full(&here)? {
            here = open_directory(&here, &full)?;
            way.push(full);
            continue;
        }
        let parent = open_directory(&here, "..")?;
        unlinkat(&parent, name.as_os_str(), UnlinkatFlags::RemoveDir)?;
        way.pop();
        here = parent;
    }
    Ok(())
}

/// Removes all files and empty directories of `dir` up to the first directory that is not empty, and names that one.
fn empty_until_full(dir: &OwnedFd) -> nix::Result<Option<OsString>> {
    for entry in Dir::openat(dir, ".", DIRECTORY, Mode::empty())?.iter() {
        let entry = entry?;
        let name: &CStr = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        match unlinkat(dir, name, UnlinkatFlags::NoRemoveDir) {
            Err(Errno::EISDIR) => match unlinkat(dir, name, UnlinkatFlags::RemoveDir) {
                Err(Errno::ENOTEMPTY) => {
                    return Ok(Some(OsString::from_vec(name.to_bytes().to_vec())));
                }
                answer => answer?,
            },
            answer => answer?,
        }
    }
    Ok(None)
}

/// A name from an archive as a clean relative path: empty for the root itself. A leading `/` means the root.
///
/// # Errors
/// [`Kind::Archive`] for a name with `..` or a NUL byte.
pub fn clean(name: &[u8]) -> Result<PathBuf> {
    let refuse = |what: &str| {
        Err(Error::new(Kind::Archive, format!("name {:?} {what}", name.escape_ascii().to_string())))
    };
    let mut path = PathBuf::new();
    for component in name.split(|&byte| byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => return refuse("has a '..' component"),
            part if part.contains(&0) => return refuse("has a NUL byte"),
            part => path.push(OsStr::from_bytes(part)),
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_and_never_climb() {
        for (given, path) in [("/", ""), ("./a//b/", "a/b"), ("/etc/passwd", "etc/passwd")] {
            assert_eq!(clean(given.as_bytes()).unwrap(), Path::new(path));
        }
        for hostile in [&b"../x"[..], b"a/../../x", b"a/..", b"a\0b"] {
            assert_eq!(clean(hostile).unwrap_err().kind(), Kind::Archive);
        }
    }

    #[test]
    fn a_tree_of_three_thousand_levels_is_removed() {
        let top = std::env::temp_dir().join(format!("rrun-root-deep-{}", std::process::id()));
        std::fs::create_dir_all(&top).unwrap();
        let mut here = Root::open(&top).unwrap().0;
        for _ in 0..3000 {
            mkdirat(&here, "d", Mode::S_IRWXU).unwrap();
            here = open_directory(&here, "d").unwrap();
        }
        let parent = Root::open(&std::env::temp_dir()).unwrap();
        remove(&parent, top.file_name().unwrap()).unwrap();
        assert!(!top.try_exists().unwrap());
    }
}
