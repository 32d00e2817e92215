//! `tmpcopyup`: a directory's content copied to a fresh tmpfs, without a heap.
//!
//! It knows directories, regular files and symbolic links, with owner and mode; device nodes, sockets and FIFOs are left
//! out (an image's tmpfs target has none). What a newcomer would get wrong: both trees are open by descriptor and no
//! link is followed, because the source is hostile.

use crate::path::{self, open_child};
use crate::{Errno, Fd, NewFd, Result};
use core::ffi::CStr;

/// How deep a directory may nest: each level holds a directory buffer on the child's stack.
const DEPTH: usize = 64;

/// Copies what `from` contains into `to`.
///
/// # Errors
/// As the calls: ENOSPC when the tmpfs is too small; ELOOP beyond 64 levels.
pub fn tree(from: Fd, to: Fd) -> Result<()> {
    let from = open_child_directory(from, c".")?;
    let result = copy_directory(from, to, 0);
    path::close(from);
    result
}

fn open_child_directory(dir: Fd, name: &CStr) -> Result<Fd> {
    open_child(dir, name, libc::O_RDONLY | libc::O_DIRECTORY).map(NewFd::into_raw)
}

fn copy_directory(from: Fd, to: Fd, depth: usize) -> Result<()> {
    if depth >= DEPTH {
        return Err(Errno(libc::ELOOP));
    }
    let mut entries = [0_u8; 2048];
    loop {
        // SAFETY: the buffer is live and as long as said; the kernel writes at most that.
        let answer = unsafe {
            libc::syscall(libc::SYS_getdents64, from, entries.as_mut_ptr(), entries.len())
        };
        let filled = Errno::check(answer)? as usize;
        if filled == 0 {
            return Ok(());
        }
        let mut rest = entries.get(..filled).unwrap_or_default();
        // struct linux_dirent64: inode 8, offset 8, record length 2, type 1, then the name and its NUL.
        while let Some(length) = rest.get(16..18).and_then(|two| <[u8; 2]>::try_from(two).ok()) {
            let length = usize::from(u16::from_ne_bytes(length));
            let name = rest.get(19..length).ok_or(Errno(libc::EIO))?;
            let name = CStr::from_bytes_until_nul(name).map_err(|_| Errno(libc::EIO))?;
            if name != c"." && name != c".." {
                copy_entry(from, to, name, depth)?;
            }
            rest = rest.get(length..).unwrap_or_default();
        }
    }
}

fn copy_entry(from: Fd, to: Fd, name: &CStr, depth: usize) -> Result<()> {
    let source = open_child(from, name, libc::O_PATH)?.into_raw();
    let stat = path::stat(source)?;
    let mode = stat.mode & 0o7777;
    let copied = match stat.mode & libc::S_IFMT {
        libc::S_IFDIR => {
            path::mkdir(to, name, mode)?;
            let below = open_child_directory(source, c".")?;
            let made = open_child_directory(to, name)?;
            let result = copy_directory(below, made, depth.saturating_add(1));
            path::close(below);
            path::close(made);
            result
        }
        libc::S_IFREG => copy_file(from, to, name, mode),
        libc::S_IFLNK => copy_link(from, to, name),
        _ => {
            path::close(source);
            return Ok(());
        }
    };
    path::close(source);
    copied?;
    path::chown(to, name, stat.uid, stat.gid)?;
    // A change of owner takes setuid and setgid away.
    if mode & 0o6000 != 0 && stat.mode & libc::S_IFMT != libc::S_IFLNK {
        path::chmod(to, name, mode)?;
    }
    Ok(())
}

fn copy_file(from: Fd, to: Fd, name: &CStr, mode: u32) -> Result<()> {
    let source = open_child(from, name, libc::O_RDONLY | libc::O_NONBLOCK)?.into_raw();
    let made = path::create_child(to, name, mode)?.into_raw();
    let result = loop {
        let offset = core::ptr::null_mut::<i64>();
        // SAFETY: no offset is given: both descriptors' own positions advance.
        let answer =
            unsafe { libc::syscall(libc::SYS_sendfile, made, source, offset, 1_u64 << 20) };
        match Errno::check(answer) {
            Ok(0) => break Ok(()),
            Ok(_) => {}
            Err(errno) => break Err(errno),
        }
    };
    path::close(source);
    path::close(made);
    result
}

fn copy_link(from: Fd, to: Fd, name: &CStr) -> Result<()> {
    let mut target = [0_u8; libc::PATH_MAX as usize];
    let room = target.len().saturating_sub(1);
    // The last byte stays the NUL.
    path::read_link(from, name, target.get_mut(..room).unwrap_or_default())?;
    let target = CStr::from_bytes_until_nul(&target).map_err(|_| Errno(libc::EIO))?;
    path::symlink(target, to, name)
}
