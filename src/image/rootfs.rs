//! Makes files, directories, links and devices in a rootfs, each replacing what an earlier layer had there.
//!
//! What a newcomer would get wrong: the last component is never followed. Everything is made with a call that fails if
//! the name exists (O_EXCL or its like), and only then is what was there removed and the call repeated.

use crate::error::{Error, Kind, Result, ResultExt};
use crate::image::digest::unreadable;
use crate::image::metadata::{self, Owners, Refused};
use crate::image::root::{Root, clean, open_directory, remove};
use crate::image::tar::{Entry, Node};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fstat, makedev, mkdirat, mknodat};
use nix::unistd::{linkat, symlinkat};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Bytes read at once from a layer, and the unit in which zeros become holes.
const BUFFER: usize = 64 * 1024;
const HOLE: usize = 4096;

/// The rootfs being filled.
#[derive(Debug)]
pub struct Rootfs {
    root: Root,
    owners: Owners,
    parent: Option<Parent>,
    buffer: Vec<u8>,
    /// Extended attributes that could not be set.
    pub refused: Refused,
    /// Devices that could not be made.
    pub devices_left_out: u64,
}

/// A directory something is made in.
#[derive(Debug, Clone)]
pub struct Parent {
    path: PathBuf,
    fd: Rc<OwnedFd>,
    /// Its identity, whatever path led here.
    pub inode: u64,
}

impl AsFd for Parent {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Rootfs {
    /// An empty rootfs in `root`.
    #[must_use]
    pub fn new(root: Root, owners: Owners) -> Self {
        let (refused, buffer) = (Refused::new(), vec![0; BUFFER]);
        Self { root, owners, parent: None, buffer, refused, devices_left_out: 0 }
    }

    /// The directory itself.
    #[must_use]
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The directory at `path`, made if it is missing. Entries come directory by directory, so the last one is kept.
    ///
    /// # Errors
    /// As [`Root::create_directories`].
    pub fn parent(&mut self, path: &Path) -> Result<Parent> {
        if let Some(parent) = self.parent.as_ref().filter(|parent| parent.path == path) {
            return Ok(parent.clone());
        }
        let fd = self.root.create_directories(path)?;
        let inode = fstat(&fd)?.st_ino;
        let parent = Parent { path: path.to_owned(), fd: Rc::new(fd), inode };
        Ok(self.parent.insert(parent).clone())
    }

    /// Must be called when something was removed other than by [`Self::make`]: the last parent may be gone.
    pub fn forget_parent(&mut self) {
        self.parent = None;
    }

    /// Applies owner, mode and attributes of an entry to the root directory itself.
    ///
    /// # Errors
    /// The kernel's.
    pub fn settle_root(&mut self, entry: &Entry) -> Result<()> {
        let root = open_directory(&self.root, ".")?;
        metadata::settle(root.as_fd(), entry, self.owners, &mut self.refused)
    }

    /// Makes `entry` as `name` in `parent`; `body` yields a file's content.
    ///
    /// # Errors
    /// [`Kind::Archive`] for a hard link to nothing or a truncated body; the kernel's otherwise.
    pub fn make(
        &mut self,
        parent: &Parent,
        name: &OsStr,
        entry: &Entry,
        body: &mut impl Read,
    ) -> Result<()> {
        let dir = parent.as_fd();
        match &entry.node {
            Node::File => self.make_file(dir, name, entry, body),
            Node::Directory => self.make_directory(dir, name, entry),
            Node::HardLink(target) => self.make_hard_link(dir, name, target),
            Node::Symlink(target) => {
                let target = OsStr::from_bytes(target);
                self.fresh(dir, name, "symlinkat", || symlinkat(target, dir, name))?;
                self.settle_special(dir, name, entry)
            }
            Node::Fifo => self.make_node(dir, name, entry, SFlag::S_IFIFO, 0),
            Node::Character(major, minor) => {
                let number = makedev((*major).into(), (*minor).into());
                self.make_node(dir, name, entry, SFlag::S_IFCHR, number)
            }
            Node::Block(major, minor) => {
                let number = makedev((*major).into(), (*minor).into());
                self.make_node(dir, name, entry, SFlag::S_IFBLK, number)
            }
        }
    }

    fn make_file(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &OsStr,
        entry: &Entry,
        body: &mut impl Read,
    ) -> Result<()> {
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        let fd = self.fresh(dir, name, "openat", || openat(dir, name, flags, mode))?;
        let file = File::from(fd);
        write_with_holes(&file, entry.size, body, &mut self.buffer)?;
        metadata::settle(file.as_fd(), entry, self.owners, &mut self.refused)
    }

    /// A directory that is there already stays, with its content, and takes the entry's owner and mode.
    fn make_directory(&mut self, dir: BorrowedFd<'_>, name: &OsStr, entry: &Entry) -> Result<()> {
        let fd = match open_directory(dir, name) {
            Ok(fd) => fd,
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => {
                self.fresh(dir, name, "mkdirat", || mkdirat(dir, name, Mode::S_IRWXU))?;
                open_directory(dir, name)?
            }
            Err(errno) => return Err(Error::kernel(format!("openat({name:?})"), errno as i32)),
        };
        metadata::settle(fd.as_fd(), entry, self.owners, &mut self.refused)
    }

    fn make_hard_link(&mut self, dir: BorrowedFd<'_>, name: &OsStr, target: &[u8]) -> Result<()> {
        let path = clean(target).context(|| "hard link target")?;
        let nowhere =
            || Error::new(Kind::Archive, format!("hard link to {path:?}, which is nothing"));
        let target_name = path.file_name().ok_or_else(nowhere)?;
        let target_dir = path.parent().unwrap_or(Path::new(""));
        let target_dir = self.root.directory(target_dir)?.ok_or_else(nowhere)?;
        let link = || linkat(&target_dir, target_name, dir, name, AtFlags::empty());
        match link() {
            Err(Errno::ENOENT) => return Err(nowhere()),
            // Not removed first: it may be the target itself, by this name or another.
            Err(Errno::EEXIST) if is_same(&target_dir, target_name, dir, name)? => return Ok(()),
            Err(Errno::EPERM) if open_directory(&target_dir, target_name).is_ok() => {
                let text = format!("hard link to {path:?}, which is a directory");
                return Err(Error::new(Kind::Archive, text));
            }
            Err(Errno::EEXIST) => {}
            answer => return answer.map_err(|errno| refusal("linkat", name, errno)),
        }
        self.fresh(dir, name, "linkat", link)
    }

    fn make_node(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &OsStr,
        entry: &Entry,
        kind: SFlag,
        number: u64,
    ) -> Result<()> {
        let is_device = kind != SFlag::S_IFIFO;
        if is_device && self.owners == Owners::Caller {
            self.devices_left_out += 1;
            return Ok(());
        }
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        match mknodat(dir, name, kind, mode, number) {
            // Root of a user namespace has no device nodes either.
            Err(Errno::EPERM) if is_device => {
                self.devices_left_out += 1;
                return Ok(());
            }
            Err(Errno::EEXIST) => {
                self.fresh(dir, name, "mknodat", || mknodat(dir, name, kind, mode, number))?;
            }
            answer => answer.map_err(|errno| refusal("mknodat", name, errno))?,
        }
        self.settle_special(dir, name, entry)
    }

    fn settle_special(&mut self, dir: BorrowedFd<'_>, name: &OsStr, entry: &Entry) -> Result<()> {
        metadata::settle_special(dir, name, entry, self.owners, &mut self.refused)
    }

    /// Calls `make`; if the name is taken, removes what is there and calls it again.
    fn fresh<T>(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &OsStr,
        call: &str,
        make: impl Fn() -> nix::Result<T>,
    ) -> Result<T> {
        let answer = match make() {
            Err(Errno::EEXIST) => {
                self.forget_parent();
                remove(dir, name).map_err(|errno| refusal("unlinkat", name, errno))?;
                make()
            }
            answer => answer,
        };
        answer.map_err(|errno| refusal(call, name, errno))
    }
}

/// Copies `size` bytes; blocks of zeros become holes, so that a file of nothing costs nothing.
fn write_with_holes(file: &File, size: u64, body: &mut impl Read, buffer: &mut [u8]) -> Result<()> {
    let mut offset = 0;
    let mut written = 0;
    loop {
        let count = fill(body, buffer)?;
        let chunk = &buffer[..count];
        let mut start = 0;
        while let Some(data) = next_data(chunk, start) {
            let at = offset + data.start as u64;
            file.write_all_at(&chunk[data.clone()], at)?;
            written = at + data.len() as u64;
            start = data.end;
        }
        offset += count as u64;
        if count < buffer.len() {
            break;
        }
    }
    if written < size {
        file.set_len(size)?;
    }
    Ok(())
}

/// Reads until the buffer is full or the body ends.
fn fill(body: &mut impl Read, buffer: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match body.read(&mut buffer[filled..]).map_err(unreadable)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

/// The next run of blocks, from the block boundary `start` on, that are not all zeros.
fn next_data(chunk: &[u8], start: usize) -> Option<std::ops::Range<usize>> {
    let blocks = || chunk[start..].chunks(HOLE);
    let is_hole = |block: &[u8]| block.iter().all(|&byte| byte == 0);
    let holes = blocks().take_while(|block| is_hole(block)).count();
    let data = blocks().skip(holes).take_while(|block| !is_hole(block)).count();
    let from = start + holes * HOLE;
    let to = (from + data * HOLE).min(chunk.len());
    (data > 0).then_some(from..to)
}

/// Whether two names are one inode.
fn is_same(
    one_dir: impl AsFd,
    one: &OsStr,
    other_dir: impl AsFd,
    other: &OsStr,
) -> nix::Result<bool> {
    let inode = |dir: BorrowedFd<'_>, name: &OsStr| {
        nix::sys::stat::fstatat(dir, name, AtFlags::AT_SYMLINK_NOFOLLOW)
            .map(|stat| (stat.st_dev, stat.st_ino))
    };
    Ok(inode(one_dir.as_fd(), one)? == inode(other_dir.as_fd(), other)?)
}

fn refusal(call: &str, name: &OsStr, errno: Errno) -> Error {
    Error::kernel(format!("{call}({name:?})"), errno as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_data_are_found_between_holes() {
        let mut chunk = vec![0; 5 * HOLE + 10];
        assert_eq!(next_data(&chunk, 0), None);
        chunk[HOLE + 1] = 1;
        chunk[2 * HOLE] = 1;
        chunk[5 * HOLE + 9] = 1;
        assert_eq!(next_data(&chunk, 0), Some(HOLE..3 * HOLE));
        assert_eq!(next_data(&chunk, 3 * HOLE), Some(5 * HOLE..5 * HOLE + 10));
        assert_eq!(next_data(&chunk, chunk.len()), None);
    }
}
