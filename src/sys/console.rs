//! The container's terminal: a pty of its own devpts, the standard streams, `/dev/console`.
//!
//! What a newcomer would get wrong: the peer is asked of the master (`TIOCGPTPEER`) and never opened by its number: by
//! then `/dev/pts/N` may be something else (CVE-2025-52565).

use crate::interpret::{At, Done, Fault, State};
use crate::mount::{Reach, attach, clone_tree};
use crate::path::{self, Create, open_in_root, resolve};
use crate::script::{Call, Handle};
use crate::wire::Tag;
use crate::{Errno, Fd};

const DEVPTS_SUPER_MAGIC: i64 = 0x1cd1;
/// Majors 136 to 143 are pty peers (admin-guide/devices.txt).
const PTS_MAJORS: core::ops::RangeInclusive<u32> = 136..=143;
const KEEP: u32 = u32::MAX;

/// Makes the pty, sends its master to the parent, and takes its peer as terminal.
pub(crate) fn open(
    state: &State,
    root: Handle,
    dev: Option<Handle>,
    (rows, columns): (u16, u16),
    uid: u32,
) -> Done {
    let master = open_master(state.fd(root)).at(Call::OpenPtmx)?;
    let (peer, number) = open_peer(master)?;
    if rows != 0 || columns != 0 {
        let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: `size` is a live struct winsize, and only read.
        let answer =
            unsafe { libc::syscall(libc::SYS_ioctl, peer, libc::TIOCSWINSZ, &raw const size) };
        Errno::check(answer).map(drop).at(Call::Ioctl)?;
    }
    path::chown(peer, c"", uid, KEEP).at(Call::Chown)?;
    if let Some(dev) = dev {
        let place = resolve(state.fd(dev), c"console", Create::File).at(Call::CreateTarget)?;
        let tree = clone_tree(peer, c"", Reach::One).at(Call::OpenTree)?.into_raw();
        let place = place.into_raw();
        attach(tree, place).at(Call::MoveMount)?;
        path::close(tree);
        path::close(place);
    }
    state.say(Tag::Console, 0, number, Some(master))?;
    take(peer)
}

fn open_master(root: Fd) -> crate::Result<Fd> {
    let flags = libc::O_RDWR | libc::O_NOCTTY;
    match open_in_root(root, c"dev/pts/ptmx", flags) {
        Err(Errno(libc::ENOENT)) => open_in_root(root, c"dev/ptmx", flags),
        other => other,
    }
    .map(crate::NewFd::into_raw)
}

fn open_peer(master: Fd) -> Result<(Fd, u32), Fault> {
    let unlock = 0_i32;
    // SAFETY: `unlock` is a live int, and only read.
    let answer =
        unsafe { libc::syscall(libc::SYS_ioctl, master, libc::TIOCSPTLCK, &raw const unlock) };
    Errno::check(answer).at(Call::Ioctl)?;
    let mut number = 0_u32;
    // SAFETY: `number` is a live unsigned int that the call fills.
    let answer = unsafe { libc::syscall(libc::SYS_ioctl, master, libc::TIOCGPTN, &raw mut number) };
    Errno::check(answer).at(Call::Ioctl)?;
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: the argument is a number.
    let answer = unsafe { libc::syscall(libc::SYS_ioctl, master, libc::TIOCGPTPEER, flags) };
    let peer = Errno::check(answer).at(Call::Ioctl)? as Fd;
    let rdev = path::stat(peer).at(Call::Stat)?.rdev;
    if !on_devpts(peer).at(Call::Stat)? || !PTS_MAJORS.contains(&libc::major(rdev)) {
        return Err(Fault { call: Call::NotADevpts, errno: libc::ENOTTY, detail: 0 });
    }
    Ok((peer, number))
}

fn on_devpts(fd: Fd) -> crate::Result<bool> {
    let mut stat = core::mem::MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: `stat` is a live struct statfs that the call fills.
    Errno::check(unsafe { libc::fstatfs(fd, stat.as_mut_ptr()) }.into())?;
    // SAFETY: the call succeeded.
    Ok(unsafe { stat.assume_init() }.f_type == DEVPTS_SUPER_MAGIC)
}

/// The peer becomes the standard streams and the session's controlling terminal.
fn take(peer: Fd) -> Done {
    for stream in 0..3 {
        // SAFETY: no pointers.
        let answer = unsafe { libc::syscall(libc::SYS_dup3, peer, stream, 0) };
        Errno::check(answer).at(Call::Dup)?;
    }
    // SAFETY: the argument is a number: 0 does not steal a terminal.
    let answer = unsafe { libc::syscall(libc::SYS_ioctl, 0, libc::TIOCSCTTY, 0) };
    Errno::check(answer).map(drop).at(Call::Ioctl)
}

/// Gives the standard streams to `uid`, so that `/dev/stderr` can be opened again by its user. /dev/null stays the
/// host's, and streams that can't change hands (a socket, another file system's rules) stay as they are.
pub(crate) fn own_streams(uid: u32) -> Done {
    for stream in 0..3 {
        let Ok(stat) = path::stat(stream) else { continue };
        let is_null = stat.mode & libc::S_IFMT == libc::S_IFCHR && stat.rdev == libc::makedev(1, 3);
        if is_null || stat.uid == uid {
            continue;
        }
        match path::chown(stream, c"", uid, KEEP) {
            Ok(()) | Err(Errno(libc::EINVAL | libc::EPERM | libc::EROFS)) => {}
            Err(errno) => return Err(errno).at(Call::Chown),
        }
    }
    Ok(())
}
