//! The mount API of Linux 5.2 and 5.12: file systems and mounts are descriptors until they are attached.
//!
//! It knows one call per function. It refuses paths on the container's side: a mount is attached to a descriptor
//! (CVE-2021-30465), never to a name.
//! What a newcomer would get wrong: a detached mount belongs to nobody's namespace; cloning it again needs Linux 6.15.

use crate::{Errno, Fd, NewFd, Result};
use core::ffi::CStr;

const OPEN_TREE_CLONE: u32 = 1;
const OPEN_TREE_CLOEXEC: u32 = libc::O_CLOEXEC as u32;
const AT_RECURSIVE: u32 = 0x8000;
const AT_EMPTY_PATH: u32 = libc::AT_EMPTY_PATH as u32;
const FSOPEN_CLOEXEC: u32 = 1;
const FSMOUNT_CLOEXEC: u32 = 1;
const FSCONFIG_SET_FLAG: u32 = 0;
const FSCONFIG_SET_STRING: u32 = 1;
const FSCONFIG_CMD_CREATE: u32 = 6;
const MOVE_MOUNT_F_EMPTY_PATH: u32 = 0x04;
const MOVE_MOUNT_T_EMPTY_PATH: u32 = 0x40;

/// `MOUNT_ATTR_RDONLY`
pub const ATTR_RDONLY: u64 = 0x1;
/// `MOUNT_ATTR_NOSUID`
pub const ATTR_NOSUID: u64 = 0x2;
/// `MOUNT_ATTR_NODEV`
pub const ATTR_NODEV: u64 = 0x4;
/// `MOUNT_ATTR_NOEXEC`
pub const ATTR_NOEXEC: u64 = 0x8;
/// `MOUNT_ATTR__ATIME`, the field of the modes of access times
pub const ATTR_ATIME: u64 = 0x70;
/// `MOUNT_ATTR_NODIRATIME`
pub const ATTR_NODIRATIME: u64 = 0x80;
/// `MOUNT_ATTR_IDMAP`
pub const ATTR_IDMAP: u64 = 0x0010_0000;

/// As `struct mount_attr`, mount_setattr(2).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attr {
    /// `MOUNT_ATTR_*` to set.
    pub set: u64,
    /// `MOUNT_ATTR_*` to clear.
    pub clear: u64,
    /// `MS_SHARED`, `MS_SLAVE`, `MS_PRIVATE`, `MS_UNBINDABLE`, or 0.
    pub propagation: u64,
    /// A user namespace, with [`ATTR_IDMAP`].
    pub user_ns: u64,
}

impl Attr {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether a call reaches below the mount itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// This mount alone.
    One,
    /// The mounts below it too.
    Tree,
}

impl Reach {
    const fn flag(self) -> u32 {
        match self {
            Self::One => 0,
            Self::Tree => AT_RECURSIVE,
        }
    }
}

/// open_tree(2) with `OPEN_TREE_CLONE`: a detached copy of what is at `path` below `dir` (`AT_FDCWD` allowed; an empty
/// path is `dir` itself).
///
/// # Errors
/// As the call: EPERM without CAP_SYS_ADMIN over the mount namespace, EINVAL for a mount of another namespace.
pub fn clone_tree(dir: Fd, path: &CStr, reach: Reach) -> Result<NewFd> {
    let empty = if path.is_empty() { AT_EMPTY_PATH } else { 0 };
    let flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | empty | reach.flag();
    // SAFETY: `path` is NUL-terminated and only read.
    let answer = unsafe { libc::syscall(libc::SYS_open_tree, dir, path.as_ptr(), flags) };
    Errno::check(answer).map(|fd| NewFd(fd as Fd))
}

/// The same of a host path; with `keep` of a symbolic link at its end, not of what that leads to.
///
/// # Errors
/// As [`clone_tree`].
pub fn clone_link(path: &CStr, reach: Reach, keep: bool) -> Result<NewFd> {
    let nofollow = if keep { libc::AT_SYMLINK_NOFOLLOW as u32 } else { 0 };
    let flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | nofollow | reach.flag();
    // SAFETY: `path` is NUL-terminated and only read.
    let answer =
        unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags) };
    Errno::check(answer).map(|fd| NewFd(fd as Fd))
}

/// mount_setattr(2) on `path` below `dir`; an empty path is `dir` itself.
///
/// # Errors
/// As the call: EPERM where a flag is locked by a more privileged namespace.
pub fn set_attr(dir: Fd, path: &CStr, reach: Reach, attr: &Attr) -> Result<()> {
    let empty = if path.is_empty() { AT_EMPTY_PATH } else { 0 };
    // SAFETY: `path` is NUL-terminated, `attr` has the layout of struct mount_attr and the size given; both are only read.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            dir,
            path.as_ptr(),
            empty | reach.flag(),
            core::ptr::from_ref(attr),
            core::mem::size_of::<Attr>(),
        )
    };
    Errno::check(answer).map(drop)
}

/// After EPERM for `attr`, which of its flags it was for: each is tried alone. What is tried is changed where it is allowed,
/// so this is for a mount that is given up.
#[must_use]
#[cold]
pub fn refused(mount: Fd, reach: Reach, attr: &Attr) -> u64 {
    let all = [ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV, ATTR_NOEXEC, ATTR_ATIME, ATTR_NODIRATIME];
    all.into_iter()
        .filter(|flag| (attr.set | attr.clear) & flag != 0)
        .filter(|flag| {
            let one = Attr { set: attr.set & flag, clear: attr.clear & flag, ..Attr::default() };
            set_attr(mount, c"", reach, &one) == Err(Errno(libc::EPERM))
        })
        .fold(0, |found, flag| found | flag)
}

/// move_mount(2) from one descriptor onto another: neither is a name that could have been swapped.
///
/// # Errors
/// As the call.
pub fn attach(mount: Fd, target: Fd) -> Result<()> {
    let flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
    // SAFETY: the two paths are empty static strings.
    let answer = unsafe {
        libc::syscall(libc::SYS_move_mount, mount, c"".as_ptr(), target, c"".as_ptr(), flags)
    };
    Errno::check(answer).map(drop)
}

/// fsopen(2).
///
/// # Errors
/// As the call: ENODEV for an unknown type, EPERM.
pub fn fs_open(fs_type: &CStr) -> Result<NewFd> {
    // SAFETY: `fs_type` is NUL-terminated and only read.
    let answer = unsafe { libc::syscall(libc::SYS_fsopen, fs_type.as_ptr(), FSOPEN_CLOEXEC) };
    Errno::check(answer).map(|fd| NewFd(fd as Fd))
}

/// fsconfig(2): sets a parameter, `None` for a flag.
///
/// # Errors
/// As the call: EINVAL for a parameter or value the file system does not know.
pub fn fs_set(context: Fd, key: &CStr, value: Option<&CStr>) -> Result<()> {
    let (command, value) = match value {
        Some(value) => (FSCONFIG_SET_STRING, value.as_ptr()),
        None => (FSCONFIG_SET_FLAG, core::ptr::null()),
    };
    // SAFETY: key and value are NUL-terminated (or null for a flag, as the call wants) and only read.
    let answer =
        unsafe { libc::syscall(libc::SYS_fsconfig, context, command, key.as_ptr(), value, 0) };
    Errno::check(answer).map(drop)
}

/// fsconfig(2) `FSCONFIG_CMD_CREATE`: makes the superblock.
///
/// # Errors
/// As the call: EPERM in a user namespace that may not mount this type.
pub fn fs_create(context: Fd) -> Result<()> {
    let null = core::ptr::null::<u8>();
    // SAFETY: the command takes no pointer: both are null, as it wants.
    let answer =
        unsafe { libc::syscall(libc::SYS_fsconfig, context, FSCONFIG_CMD_CREATE, null, null, 0) };
    Errno::check(answer).map(drop)
}

/// fsmount(2): a detached mount of a made superblock, with `MOUNT_ATTR_*` flags.
///
/// # Errors
/// As the call.
pub fn fs_mount(context: Fd, attrs: u64) -> Result<NewFd> {
    // SAFETY: no pointers.
    let answer = unsafe { libc::syscall(libc::SYS_fsmount, context, FSMOUNT_CLOEXEC, attrs) };
    Errno::check(answer).map(|fd| NewFd(fd as Fd))
}

/// pivot_root(2) of the working directory onto itself, then the old root is detached: afterwards `/` is what was `.`.
///
/// # Errors
/// As pivot_root(2), mount_setattr(2), umount2(2), chdir(2).
pub fn pivot_here() -> Result<()> {
    let old = crate::path::open_path(c"/")?.into_raw();
    // With "." twice the old root ends up mounted over the new one, where umount2(2) finds it (pivot_root(2), NOTES).
    // SAFETY: static strings.
    let answer = unsafe { libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) };
    Errno::check(answer)?;
    // Mounts below it that the host shares with this namespace would be unmounted on the host too.
    let slave = Attr { propagation: libc::MS_SLAVE, ..Attr::default() };
    set_attr(old, c"", Reach::Tree, &slave)?;
    crate::path::close(old);
    detach(c".")?;
    change_directory(c"/")
}

/// umount2(2) with `MNT_DETACH`, not following a symbolic link.
///
/// # Errors
/// As the call.
pub fn detach(path: &CStr) -> Result<()> {
    let flags = libc::MNT_DETACH | libc::UMOUNT_NOFOLLOW;
    // SAFETY: `path` is NUL-terminated and only read.
    let answer = unsafe { libc::syscall(libc::SYS_umount2, path.as_ptr(), flags) };
    Errno::check(answer).map(drop)
}

/// The same by a name that is a link of procfs to the mount itself.
///
/// # Errors
/// As the call.
pub fn detach_named(link: &CStr) -> Result<()> {
    // SAFETY: `link` is NUL-terminated and only read.
    let answer = unsafe { libc::syscall(libc::SYS_umount2, link.as_ptr(), libc::MNT_DETACH) };
    Errno::check(answer).map(drop)
}

/// mount(2) `MS_MOVE` of the working directory onto `/`, then chroot(2): what `--no-pivot` asks for, where the root is
/// an initramfs that can't be pivoted.
///
/// # Errors
/// As the calls.
pub fn move_here_to_root() -> Result<()> {
    let null = core::ptr::null::<u8>();
    let (dot, slash) = (c".".as_ptr(), c"/".as_ptr());
    // SAFETY: static strings; MS_MOVE reads neither type nor data.
    let answer = unsafe { libc::syscall(libc::SYS_mount, dot, slash, null, libc::MS_MOVE, null) };
    Errno::check(answer)?;
    chroot_here()
}

/// chroot(2) to the working directory.
///
/// # Errors
/// As the calls.
pub fn chroot_here() -> Result<()> {
    // SAFETY: a static string.
    let answer = unsafe { libc::syscall(libc::SYS_chroot, c".".as_ptr()) };
    Errno::check(answer)?;
    change_directory(c"/")
}

/// chdir(2).
///
/// # Errors
/// As the call.
pub fn change_directory(path: &CStr) -> Result<()> {
    // SAFETY: `path` is NUL-terminated and only read.
    let answer = unsafe { libc::syscall(libc::SYS_chdir, path.as_ptr()) };
    Errno::check(answer).map(drop)
}

/// fchdir(2).
///
/// # Errors
/// As the call.
pub fn change_directory_to(dir: Fd) -> Result<()> {
    // SAFETY: no pointers.
    let answer = unsafe { libc::syscall(libc::SYS_fchdir, dir) };
    Errno::check(answer).map(drop)
}

/// Whether the working directory lies inside this root: the kernel names one outside `(unreachable)/…` (CVE-2024-21626).
///
/// # Errors
/// As getcwd(2); ENOENT when it is outside or was deleted.
pub fn check_directory_is_inside() -> Result<()> {
    let mut buffer = [0_u8; SHORT];
    match working_directory(&mut buffer) {
        Err(Errno(libc::ERANGE)) => check_long_directory_is_inside(),
        other => is_inside(other?),
    }
}

/// A page of stack is for those who need one.
#[cold]
#[inline(never)]
fn check_long_directory_is_inside() -> Result<()> {
    let mut buffer = [0_u8; libc::PATH_MAX as usize];
    is_inside(working_directory(&mut buffer)?)
}

/// As long as working directories usually are.
const SHORT: usize = 256;

/// getcwd(2).
fn working_directory(buffer: &mut [u8]) -> Result<&[u8]> {
    // SAFETY: the buffer is live and as long as said; the kernel writes at most that.
    let answer = unsafe { libc::syscall(libc::SYS_getcwd, buffer.as_mut_ptr(), buffer.len()) };
    Errno::check(answer)?;
    Ok(buffer)
}

fn is_inside(directory: &[u8]) -> Result<()> {
    if directory.first() == Some(&b'/') { Ok(()) } else { Err(Errno(libc::ENOENT)) }
}
