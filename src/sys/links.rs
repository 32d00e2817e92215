//! Binds whose paths end in symbolic links that are not followed: the link itself is bound, mounted over, or made anew.
//!
//! It knows one kind of step, in which the source is looked at once, through the descriptor of its own copy. What a newcomer
//! would get wrong: the parent of the destination is resolved in the rootfs like any other path, and pinned; only the last
//! name is then looked up in it, and that one is not followed.

use crate::create::{Create, make_here, resolve};
use crate::interpret::{At, Done, Fault, State};
use crate::mount::{attach, clone_link};
use crate::path::{self, open_child, read_link};
use crate::rootfs::change;
use crate::script::{Call, Changes, Handle, Source};
use crate::{Errno, Fd, NewFd};
use core::ffi::CStr;

/// Which links are not followed; see the runtime's `Links`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Links {
    /// A source that is a link is made anew at the destination.
    pub copy: bool,
    /// A source that is a link is bound itself.
    pub source: bool,
    /// A destination that is a link is mounted over.
    pub target: bool,
}

impl Links {
    /// Whether the source is to be taken as it is.
    #[must_use]
    pub const fn keeps_source(self) -> bool {
        self.copy || self.source
    }
}

/// A path below a root, and the same as a name in a directory.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The root.
    pub root: Handle,
    /// The path below it.
    pub path: &'a CStr,
    /// The same without its last name.
    pub directory: &'a CStr,
    /// That name.
    pub name: &'a CStr,
}

/// A bind that leaves links alone as `links` says. Texts of links take 8 KiB of stack: not for whom has none.
#[cold]
#[inline(never)]
pub(crate) fn bind(
    state: &State,
    source: &Source<'_>,
    links: Links,
    changes: &Changes,
    entry: &Entry<'_>,
) -> Done {
    let tree = match *source {
        Source::Detached(fd) => fd,
        Source::Path(source, reach) => {
            clone_link(source, reach, links.keeps_source()).at(Call::OpenTree)?.into_raw()
        }
    };
    let kind = path::stat(tree).at(Call::Stat)?.mode & libc::S_IFMT;
    let is_directory = kind == libc::S_IFDIR;
    let parent = resolve(state.fd(entry.root), entry.directory, Create::Directory(0o755))
        .at(Call::CreateTarget)?
        .into_raw();
    let done = if links.copy && kind == libc::S_IFLNK {
        copy(tree, parent, entry.name)
    } else {
        let create = if is_directory { Create::Directory(0o755) } else { Create::File };
        place(state, parent, entry, links, create).and_then(|place| {
            change(tree, changes)?;
            attach(tree, place).at(Call::MoveMount)?;
            path::close(place);
            Ok(())
        })
    };
    path::close(parent);
    path::close(tree);
    done
}

/// Where it is mounted.
fn place(
    state: &State,
    parent: Fd,
    entry: &Entry<'_>,
    links: Links,
    create: Create,
) -> Result<Fd, Fault> {
    let place = if !links.target {
        resolve(state.fd(entry.root), entry.path, create)
    } else {
        match open_child(parent, entry.name, libc::O_PATH) {
            Err(Errno(libc::ENOENT)) => make_here(parent, entry.name, create),
            other => other,
        }
    };
    place.at(Call::CreateTarget).map(NewFd::into_raw)
}

/// The link `tree` made anew as `name` in a pinned directory; one that is there already and says the same is as good.
fn copy(tree: Fd, parent: Fd, name: &CStr) -> Done {
    let mut text = [0_u8; libc::PATH_MAX as usize];
    let room = text.len().saturating_sub(1);
    // The last byte stays the NUL.
    read_link(tree, c"", text.get_mut(..room).unwrap_or_default()).at(Call::Readlink)?;
    let wanted = CStr::from_bytes_until_nul(&text).map_err(|_| Errno(libc::EIO)).at(Call::Stat)?;
    match path::symlink(wanted, parent, name) {
        Err(Errno(libc::EEXIST)) => {}
        other => return other.at(Call::Symlink),
    }
    let mut there = [0_u8; libc::PATH_MAX as usize];
    match read_link(parent, name, &mut there) {
        Ok(there) if there == wanted.to_bytes() => Ok(()),
        _ => Err(Fault { call: Call::Symlink, errno: libc::EEXIST, detail: 0 }),
    }
}
