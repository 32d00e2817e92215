//! Paths below a root descriptor: resolved once, inside, to a descriptor.
//!
//! It knows openat2(2) and the calls that take one name in a pinned directory. It refuses paths that leave the root: `..` and absolute symbolic links are taken as the container would take them, magic links are
//! errors (CVE-2019-18837, CVE-2021-30465, CVE-2024-45310).
//! What a newcomer would get wrong: a resolved descriptor is the only safe name of a file in a rootfs that its owner
//! may be changing; nothing here ever returns a path.

use crate::{Errno, Fd, NewFd, Result};
use core::ffi::CStr;

/// As `struct open_how`, openat2(2).
#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

const RESOLVE_NO_XDEV: u64 = 0x01;
const RESOLVE_NO_MAGICLINKS: u64 = 0x02;
const RESOLVE_NO_SYMLINKS: u64 = 0x04;
const RESOLVE_BENEATH: u64 = 0x08;
const RESOLVE_IN_ROOT: u64 = 0x10;

/// What a descriptor refers to, as fstat(2) tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Type and permission bits, `st_mode`.
    pub mode: u32,
    /// Device number of a device node.
    pub rdev: u64,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl Stat {
    /// Whether it is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFDIR
    }
}

fn openat2(dir: Fd, path: &CStr, flags: i32, mode: u32, resolve: u64) -> Result<NewFd> {
    let how = OpenHow { flags: (flags | libc::O_CLOEXEC) as u64, mode: u64::from(mode), resolve };
    loop {
        // SAFETY: `path` is NUL-terminated and `how` is a live struct open_how of the size given; both are only read.
        let answer = unsafe {
            libc::syscall(
                libc::SYS_openat2,
                dir,
                path.as_ptr(),
                &raw const how,
                core::mem::size_of::<OpenHow>(),
            )
        };
        match Errno::check(answer) {
            // The kernel could not prove that a rename did not race with `..`: it asks to be called again.
            Err(Errno(libc::EAGAIN | libc::EINTR)) => {}
            Err(errno) => return Err(errno),
            Ok(fd) => return Ok(NewFd(fd as Fd)),
        }
    }
}

/// Opens `path` below `root` as the container would see it, without following magic links. `flags` as open(2).
///
/// # Errors
/// Those of openat2(2); ELOOP for a magic link.
pub fn open_in_root(root: Fd, path: &CStr, flags: i32) -> Result<NewFd> {
    openat2(root, path, flags, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
}

/// Opens a file of the file system that `root` is the root of, and of no other: no symbolic link, no mount on the way. For
/// procfs (CVE-2019-16884, CVE-2025-52881) and devpts.
///
/// # Errors
/// Those of openat2(2); EXDEV where something is mounted over the path.
pub fn open_own(root: Fd, path: &CStr, flags: i32) -> Result<NewFd> {
    openat2(
        root,
        path,
        flags,
        0,
        RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS,
    )
}

/// Opens a path as the caller sees it, `O_PATH`, following symbolic links: for what the caller itself is confined to.
///
/// # Errors
/// Those of openat2(2).
pub fn open_path(path: &CStr) -> Result<NewFd> {
    openat2(libc::AT_FDCWD, path, libc::O_PATH, 0, 0)
}

/// Opens a link of procfs itself (`self`, `ns/net`): the descriptor must be one of a trusted procfs.
///
/// # Errors
/// Those of openat2(2).
pub fn open_magic(proc: Fd, path: &CStr) -> Result<NewFd> {
    openat2(proc, path, libc::O_RDONLY, 0, 0)
}

/// Opens the directory above, `O_PATH`.
///
/// # Errors
/// Those of openat2(2).
pub fn open_parent(dir: Fd) -> Result<NewFd> {
    openat2(dir, c"..", libc::O_PATH | libc::O_DIRECTORY, 0, 0)
}

/// Whether a descriptor is the root of a mount, statx(2).
///
/// # Errors
/// As statx(2).
pub fn is_mount_root(fd: Fd) -> Result<bool> {
    const STATX_ATTR_MOUNT_ROOT: u64 = 0x2000;
    let mut stat = core::mem::MaybeUninit::<libc::statx>::uninit();
    // SAFETY: the path is a static empty string and `stat` a live struct statx that the call fills.
    let answer = unsafe {
        let (path, flags) = (c"".as_ptr(), libc::AT_EMPTY_PATH);
        libc::syscall(libc::SYS_statx, fd, path, flags, 0, stat.as_mut_ptr())
    };
    Errno::check(answer)?;
    // SAFETY: the call succeeded, so it filled the struct.
    Ok(unsafe { stat.assume_init() }.stx_attributes & STATX_ATTR_MOUNT_ROOT != 0)
}

/// The number of the mount that a descriptor is on, statx(2): since Linux 6.8 one that no other mount will have.
///
/// # Errors
/// As statx(2).
pub fn mount_id(fd: Fd) -> Result<u64> {
    const STATX_MNT_ID: u32 = 0x1000;
    const STATX_MNT_ID_UNIQUE: u32 = 0x4000;
    let mut stat = core::mem::MaybeUninit::<libc::statx>::uninit();
    // Which of the two it is follows from the kernel alone. SAFETY: as in `is_mount_root`.
    let answer = unsafe {
        let (path, flags) = (c"".as_ptr(), libc::AT_EMPTY_PATH);
        let mask = STATX_MNT_ID | STATX_MNT_ID_UNIQUE;
        libc::syscall(libc::SYS_statx, fd, path, flags, mask, stat.as_mut_ptr())
    };
    Errno::check(answer)?;
    // SAFETY: the call succeeded, so it filled the struct.
    Ok(unsafe { stat.assume_init() }.stx_mnt_id)
}

/// Opens one name in a directory, never following a symbolic link.
///
/// # Errors
/// Those of openat2(2).
pub fn open_child(dir: Fd, name: &CStr, flags: i32) -> Result<NewFd> {
    openat2(dir, name, flags | libc::O_NOFOLLOW, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)
}

/// Makes a file in a directory, for writing; it must not be there.
///
/// # Errors
/// Those of openat2(2).
pub fn create_child(dir: Fd, name: &CStr, mode: u32) -> Result<NewFd> {
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY | libc::O_NOFOLLOW;
    openat2(dir, name, flags, mode, RESOLVE_BENEATH)
}

/// mkdirat(2).
///
/// # Errors
/// As the call.
pub fn mkdir(dir: Fd, name: &CStr, mode: u32) -> Result<()> {
    // SAFETY: `name` is NUL-terminated and only read.
    let answer = unsafe { libc::syscall(libc::SYS_mkdirat, dir, name.as_ptr(), mode) };
    Errno::check(answer).map(drop)
}

/// mknodat(2): `mode` holds type and permission bits, `device` is makedev(3)'s number.
///
/// # Errors
/// As the call.
pub fn mknod(dir: Fd, name: &CStr, mode: u32, device: u64) -> Result<()> {
    // SAFETY: `name` is NUL-terminated and only read.
    let answer = unsafe { libc::syscall(libc::SYS_mknodat, dir, name.as_ptr(), mode, device) };
    Errno::check(answer).map(drop)
}

/// readlinkat(2); what is longer than `buffer` is cut.
///
/// # Errors
/// As the call: EINVAL for what is no symbolic link.
pub fn read_link<'a>(dir: Fd, name: &CStr, buffer: &'a mut [u8]) -> Result<&'a [u8]> {
    // SAFETY: `name` is NUL-terminated; the kernel writes at most `buffer.len()` bytes.
    let answer = unsafe {
        let (name, to) = (name.as_ptr(), buffer.as_mut_ptr());
        libc::syscall(libc::SYS_readlinkat, dir, name, to, buffer.len())
    };
    let length = usize::try_from(Errno::check(answer)?).map_err(|_| Errno(libc::EIO))?;
    buffer.get(..length).ok_or(Errno(libc::EIO))
}

/// fchmodat(2) of one name that is no symbolic link.
///
/// # Errors
/// As the call.
pub fn chmod(dir: Fd, name: &CStr, mode: u32) -> Result<()> {
    // SAFETY: `name` is NUL-terminated and only read.
    let answer = unsafe { libc::syscall(libc::SYS_fchmodat, dir, name.as_ptr(), mode) };
    Errno::check(answer).map(drop)
}

/// symlinkat(2).
///
/// # Errors
/// As the call.
pub fn symlink(target: &CStr, dir: Fd, name: &CStr) -> Result<()> {
    // SAFETY: both are NUL-terminated and only read.
    let answer = unsafe { libc::syscall(libc::SYS_symlinkat, target.as_ptr(), dir, name.as_ptr()) };
    Errno::check(answer).map(drop)
}

/// unlinkat(2) of a name that is not a directory.
///
/// # Errors
/// As the call.
pub fn unlink(dir: Fd, name: &CStr) -> Result<()> {
    // SAFETY: `name` is NUL-terminated and only read.
    let answer = unsafe { libc::syscall(libc::SYS_unlinkat, dir, name.as_ptr(), 0) };
    Errno::check(answer).map(drop)
}

/// fchownat(2) of one name, or of `dir` itself with an empty one; symbolic links are not followed.
///
/// # Errors
/// As the call.
pub fn chown(dir: Fd, name: &CStr, uid: u32, gid: u32) -> Result<()> {
    let flags = libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH;
    // SAFETY: `name` is NUL-terminated and only read.
    let answer = unsafe { libc::syscall(libc::SYS_fchownat, dir, name.as_ptr(), uid, gid, flags) };
    Errno::check(answer).map(drop)
}

/// fstat(2), for any descriptor, `O_PATH` too.
///
/// # Errors
/// As the call.
pub fn stat(fd: Fd) -> Result<Stat> {
    let mut stat = core::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `stat` is a live struct stat that the call fills.
    let answer = unsafe { libc::fstat(fd, stat.as_mut_ptr()) };
    Errno::check(answer.into())?;
    // SAFETY: the call succeeded, so it filled the struct.
    let stat = unsafe { stat.assume_init() };
    Ok(Stat { mode: stat.st_mode, rdev: stat.st_rdev, uid: stat.st_uid, gid: stat.st_gid })
}

/// close(2), for the child: an error could only tell that the number was wrong.
pub fn close(fd: Fd) {
    // SAFETY: closing a number frees no memory; the callers of this crate own what they close.
    unsafe { libc::syscall(libc::SYS_close, fd) };
}

/// Reads up to `buffer.len()` bytes.
///
/// # Errors
/// As read(2); EINTR is retried.
pub fn read(fd: Fd, buffer: &mut [u8]) -> Result<usize> {
    loop {
        // SAFETY: the buffer is live and as long as said; the kernel writes at most that.
        let answer =
            unsafe { libc::syscall(libc::SYS_read, fd, buffer.as_mut_ptr(), buffer.len()) };
        match Errno::check(answer) {
            Err(Errno(libc::EINTR)) => {}
            Err(errno) => return Err(errno),
            Ok(count) => return usize::try_from(count).map_err(|_| Errno(libc::EIO)),
        }
    }
}

/// Writes all of `bytes` with one call, as files of procfs and cgroupfs want it.
///
/// # Errors
/// As write(2); EIO for a short write.
pub fn write_once(fd: Fd, bytes: &[u8]) -> Result<()> {
    // SAFETY: the bytes are live and as many as said, and only read.
    let answer = unsafe { libc::syscall(libc::SYS_write, fd, bytes.as_ptr(), bytes.len()) };
    let count = Errno::check(answer)?;
    if count as usize == bytes.len() { Ok(()) } else { Err(Errno(libc::EIO)) }
}
