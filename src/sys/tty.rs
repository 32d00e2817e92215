//! Terminals: a new pty, checked to be one, its size, and whose controlling terminal it is.
//!
//! It refuses to know modes (raw, canonical): only the parent needs those, and it has the standard library's side of
//! the house for them. What a newcomer would get wrong: the other end of a pty must be asked from its master
//! (`TIOCGPTPEER`), never opened as `/dev/pts/N`. That name lies in the container's tree, where somebody may have put
//! something else (CVE-2025-52565).

use crate::{Errno, Fd, NewFd, Result, path};
use core::ffi::{c_long, c_ulong};
use core::mem::MaybeUninit;

/// Linux assigns the majors 136 to 143 to the ends of Unix98 ptys (Documentation/admin-guide/devices.txt).
const PEER_MAJORS: core::ops::RangeInclusive<u32> = 136..=143;

/// `/dev/ptmx`, and `ptmx` in each devpts.
const MULTIPLEXER: (u32, u32) = (5, 2);

/// The size of a terminal, in character cells. 0×0 says that nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

/// The master of a new pty of the devpts mounted at the directory `devpts`: close-on-exec, unlocked, nobody's
/// controlling terminal.
///
/// # Errors
/// ENOENT without a `ptmx` there; ENODEV when the directory is not of a devpts or `ptmx` is not the multiplexer; ENOSPC
/// when the kernel has no pty left.
pub fn open_master(devpts: Fd) -> Result<NewFd> {
    let master = path::open_own(devpts, c"ptmx", libc::O_RDWR | libc::O_NOCTTY)?;
    let checked = expect_pty_device(master.0, |device| device == MULTIPLEXER);
    let ready = checked.and_then(|()| unlock(master.0));
    master.closed_on_failure(ready)
}

/// Lets the pty's other end be opened (`TIOCSPTLCK`).
fn unlock(master: Fd) -> Result<()> {
    let locked: libc::c_int = 0;
    // SAFETY: the request reads one int, and `locked` is one.
    ioctl(unsafe { libc::ioctl(master, libc::TIOCSPTLCK, &raw const locked) })
}

/// The other end of `master` (`TIOCGPTPEER`): close-on-exec, nobody's controlling terminal yet, and proved to be a pty
/// of a devpts.
///
/// # Errors
/// EIO while the pty is locked; ENODEV when the kernel hands out something that is no end of a pty.
pub fn open_peer(master: Fd) -> Result<NewFd> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: the request takes a number and touches no memory.
    let answer = unsafe { libc::ioctl(master, libc::TIOCGPTPEER, flags) };
    let peer = NewFd(Errno::check(c_long::from(answer))? as Fd);
    let checked = expect_pty_device(peer.0, |(major, _)| PEER_MAJORS.contains(&major));
    peer.closed_on_failure(checked)
}

/// The pty's number: its other end is `N` in the devpts (`TIOCGPTN`).
///
/// # Errors
/// ENOTTY for what is no master.
pub fn number(master: Fd) -> Result<u32> {
    let mut number: libc::c_uint = 0;
    // SAFETY: the request writes one unsigned int, and `number` is one.
    ioctl(unsafe { libc::ioctl(master, libc::TIOCGPTN, &raw mut number) })?;
    Ok(number)
}

/// The size of the terminal (`TIOCGWINSZ`).
///
/// # Errors
/// ENOTTY for what is no terminal, which makes it the question "is this a terminal?" too.
pub fn size(terminal: Fd) -> Result<Size> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the request writes one struct winsize, and `size` is one.
    ioctl(unsafe { libc::ioctl(terminal, libc::TIOCGWINSZ, &raw mut size) })?;
    Ok(Size { rows: size.ws_row, columns: size.ws_col })
}

/// Sets the size of the terminal (`TIOCSWINSZ`); on either end of a pty, its foreground processes get SIGWINCH when it
/// differs.
///
/// # Errors
/// ENOTTY for what is no terminal.
pub fn resize(terminal: Fd, size: Size) -> Result<()> {
    let size =
        libc::winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the request reads one struct winsize, and `size` is one.
    ioctl(unsafe { libc::ioctl(terminal, libc::TIOCSWINSZ, &raw const size) })
}

/// Makes `terminal` the controlling terminal of the calling session leader (`TIOCSCTTY`), without taking it from
/// another session.
///
/// # Errors
/// EPERM when the caller leads no session or has a terminal, or the terminal has a session.
pub fn make_controlling(terminal: Fd) -> Result<()> {
    let no_theft: c_ulong = 0;
    // SAFETY: the request takes a number and touches no memory.
    ioctl(unsafe { libc::ioctl(terminal, libc::TIOCSCTTY, no_theft) })
}

/// ENODEV unless `fd` is a character device in a devpts whose (major, minor) is `expected`.
fn expect_pty_device(fd: Fd, expected: impl FnOnce((u32, u32)) -> bool) -> Result<()> {
    let mut filesystem = MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: `filesystem` is a live struct statfs that the call fills.
    ioctl(unsafe { libc::fstatfs(fd, filesystem.as_mut_ptr()) })?;
    // SAFETY: plain numbers, zeroed before the call.
    let filesystem = unsafe { filesystem.assume_init() };
    let mut file = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: `file` is a live struct stat that the call fills.
    ioctl(unsafe { libc::fstat(fd, file.as_mut_ptr()) })?;
    // SAFETY: plain numbers, zeroed before the call.
    let file = unsafe { file.assume_init() };
    let device = (libc::major(file.st_rdev), libc::minor(file.st_rdev));
    let is_pty = filesystem.f_type as c_long == libc::DEVPTS_SUPER_MAGIC as c_long
        && file.st_mode & libc::S_IFMT == libc::S_IFCHR
        && expected(device);
    if is_pty { Ok(()) } else { Err(Errno(libc::ENODEV)) }
}

/// The answer of a call that has nothing to say but -1.
fn ioctl(answer: libc::c_int) -> Result<()> {
    Errno::check(c_long::from(answer)).map(drop)
}
