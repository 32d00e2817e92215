//! The container's terminal: a pty of its own devpts, the standard streams, `/dev/console`.
//!
//! What a newcomer would get wrong: the pty is made from the devpts that the plan has just mounted, and `/dev/console`
//! is a bind of the descriptor that the master gave; no name below `/dev` is opened twice (CVE-2025-52565).

use crate::create::{Create, resolve};
use crate::interpret::{At, Done, State};
use crate::mount::{Reach, attach, clone_tree};
use crate::path::{self, open_in_root};
use crate::script::{Call, Handle};
use crate::wire::Tag;
use crate::{Errno, Fd, tty};

/// chown(2)'s "leave it".
const KEEP: u32 = u32::MAX;

/// Makes the pty, sends its master to the parent, and takes its peer as terminal.
pub(crate) fn open(
    state: &State,
    root: Handle,
    dev: Option<Handle>,
    (rows, columns): (u16, u16),
    uid: u32,
) -> Done {
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    let devpts = open_in_root(state.fd(root), c"dev/pts", flags).at(Call::OpenPtmx)?.into_raw();
    let master = tty::open_master(devpts).at(Call::OpenPtmx)?.into_raw();
    path::close(devpts);
    let peer = tty::open_peer(master).at(Call::NotADevpts)?.into_raw();
    let number = tty::number(master).at(Call::Ioctl)?;
    if rows != 0 || columns != 0 {
        tty::resize(peer, tty::Size { rows, columns }).at(Call::Ioctl)?;
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

/// The peer becomes the standard streams and the session's controlling terminal.
fn take(peer: Fd) -> Done {
    for stream in 0..3 {
        crate::fd::place(peer, stream).at(Call::Dup)?;
    }
    tty::make_controlling(0).at(Call::Ioctl)
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
