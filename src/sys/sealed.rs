//! Running from a copy of our own executable that nobody can write: the defence against CVE-2019-5736.
//!
//! While rrun is in a container, its program file is reachable from there as `/proc/PID/exe`, and once rrun has ended,
//! a root in there could open it for writing. So rrun runs itself again, from a detached read-only mount of its file
//! or, where it may not mount, from a sealed copy in memory.
//!
//! ```text
//!  is_sealed? ── yes ──► go on
//!      │ no
//!  read_only_mount, else sealed_copy ──► execute ──► is_sealed? yes
//! ```
//! What a newcomer would get wrong: no mark in the environment keeps this from going round for ever. Either file is
//! checked *before* it is executed, by the very question the next round asks.

use crate::{Errno, Fd, NewFd, Result, path};
use core::ffi::{CStr, c_char, c_long};
use core::marker::PhantomData;
use core::mem::{MaybeUninit, size_of};

const EXECUTABLE: &CStr = c"/proc/self/exe";

/// Every write, every change of size and every further change of seals refused.
const SEALS: i32 = libc::F_SEAL_WRITE | libc::F_SEAL_GROW | libc::F_SEAL_SHRINK | libc::F_SEAL_SEAL;

/// Whether this program already runs from a file that its containers cannot write.
///
/// # Errors
/// ENOENT without /proc.
pub fn is_sealed() -> Result<bool> {
    // SAFETY: a C string, and a live struct statvfs that the call fills.
    if is_read_only(|buffer| unsafe { libc::statvfs(EXECUTABLE.as_ptr(), buffer) })? {
        return Ok(true);
    }
    let file = open_executable()?;
    let sealed = has_seals(file.0);
    path::close(file.into_raw());
    Ok(sealed)
}

/// A detached, read-only mount of our executable alone.
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN.
pub fn read_only_mount() -> Result<NewFd> {
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC;
    // SAFETY: a C string and numbers.
    let answer =
        unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, EXECUTABLE.as_ptr(), flags) };
    let mount = NewFd(Errno::check(answer)? as Fd);
    let sealed = make_read_only(mount.0);
    mount.closed_on_failure(sealed)
}

fn make_read_only(mount: Fd) -> Result<()> {
    let change = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_RDONLY,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: an empty C string and a live struct mount_attr of the size given; the call reads both.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount,
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const change,
            size_of::<libc::mount_attr>(),
        )
    };
    Errno::check(answer)?;
    // SAFETY: a live struct statvfs that the call fills.
    let sealed = is_read_only(|buffer| unsafe { libc::fstatvfs(mount, buffer) })?;
    if sealed { Ok(()) } else { Err(Errno(libc::EROFS)) }
}

/// A copy of our executable in memory, sealed.
///
/// # Errors
/// As memfd_create(2) and sendfile(2); EACCES where the administrator forbids executable memory files
/// (`vm.memfd_noexec`).
pub fn sealed_copy() -> Result<NewFd> {
    let source = open_executable()?;
    let copy = memory_file();
    let outcome = copy.and_then(|copy| {
        let sealed = copy_all(source.0, copy.0).and_then(|()| seal(copy.0));
        copy.closed_on_failure(sealed)
    });
    path::close(source.into_raw());
    outcome
}

fn memory_file() -> Result<NewFd> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    let create = |flags: u32| {
        // SAFETY: a C string and a number.
        Errno::check(unsafe { libc::syscall(libc::SYS_memfd_create, c"rrun".as_ptr(), flags) })
    };
    // MFD_EXEC is asked for where it exists (6.3): without it, a strict vm.memfd_noexec decides otherwise.
    let answer = match create(flags | libc::MFD_EXEC) {
        Err(Errno(libc::EINVAL)) => create(flags),
        other => other,
    };
    answer.map(|fd| NewFd(fd as Fd))
}

fn copy_all(source: Fd, copy: Fd) -> Result<()> {
    const AT_MOST: usize = 1 << 30;
    loop {
        // SAFETY: no offset is passed, so the call touches no memory of ours.
        let answer = unsafe { libc::sendfile(copy, source, core::ptr::null_mut(), AT_MOST) };
        match Errno::check(answer as c_long) {
            Ok(0) => return Ok(()),
            Ok(_) | Err(Errno(libc::EINTR)) => {}
            Err(errno) => return Err(errno),
        }
    }
}

fn seal(file: Fd) -> Result<()> {
    // SAFETY: the command takes a number.
    Errno::check(unsafe { libc::fcntl(file, libc::F_ADD_SEALS, SEALS) }.into())?;
    if has_seals(file) { Ok(()) } else { Err(Errno(libc::EPERM)) }
}

fn has_seals(file: Fd) -> bool {
    // SAFETY: the command takes nothing.
    let seals = unsafe { libc::fcntl(file, libc::F_GET_SEALS) };
    seals != -1 && seals & SEALS == SEALS
}

/// One of a program's arguments, or the null that ends them.
#[repr(transparent)]
#[derive(Debug, Clone, Copy)]
pub struct Argument<'a>(*const c_char, PhantomData<&'a CStr>);

impl Argument<'_> {
    /// What comes after the last one.
    pub const END: Self = Self(core::ptr::null(), PhantomData);
}

impl<'a> From<&'a CStr> for Argument<'a> {
    fn from(text: &'a CStr) -> Self {
        Self(text.as_ptr(), PhantomData)
    }
}

/// Becomes the program in `file`, with these arguments and this process's environment. Returns only a failure.
///
/// # Errors
/// EINVAL when the last argument is not [`Argument::END`]; else as execveat(2).
pub fn execute(file: Fd, arguments: &[Argument<'_>]) -> Errno {
    if !arguments.last().is_some_and(|last| last.0.is_null()) {
        return Errno(libc::EINVAL);
    }
    // SAFETY: the value is read, no reference is made. Whoever changes the environment (`set_var` is unsafe) has
    // promised that no other thread reads it meanwhile.
    let environment = unsafe { libc::environ };
    // SAFETY: `arguments` are pointers to C strings that are borrowed for the call, with a null at the end, as was
    // checked; `environment` is the C library's, of the same form. The kernel reads them.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            file,
            c"".as_ptr(),
            arguments.as_ptr(),
            environment,
            libc::AT_EMPTY_PATH,
        )
    };
    Errno::last()
}

fn open_executable() -> Result<NewFd> {
    // SAFETY: a C string and a number.
    let fd = unsafe { libc::open(EXECUTABLE.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    Errno::check(fd.into()).map(|fd| NewFd(fd as Fd))
}

/// Whether the mount (or its whole filesystem) that `call` describes is read-only.
fn is_read_only(call: impl FnOnce(*mut libc::statvfs) -> libc::c_int) -> Result<bool> {
    let mut mount = MaybeUninit::<libc::statvfs>::zeroed();
    Errno::check(call(mount.as_mut_ptr()).into())?;
    // SAFETY: plain numbers, zeroed before the call.
    let mount = unsafe { mount.assume_init() };
    Ok(mount.f_flag & libc::ST_RDONLY != 0)
}
