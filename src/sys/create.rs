//! A path below a root descriptor, made where it is missing: one component at a time, each in its pinned parent.
//!
//! It knows where a container would look, links that lead nowhere yet included: `/etc/resolv.conf` of many images is one,
//! and a file bound there goes where it points. It refuses to leave the root, and to make anything by a path that was
//! not resolved in it (CVE-2024-45310).
//! What a newcomer would get wrong: nothing may be concluded from a path that was looked at before; after each link the
//! walk starts anew from the root.

use crate::path::{close, create_child, mkdir, open_child, open_in_root, read_link, stat};
use crate::{Errno, Fd, NewFd, Result};
use core::ffi::CStr;

/// The longest path the kernel takes, with its NUL.
const PATH_MAX: usize = libc::PATH_MAX as usize;

/// As many links as the kernel follows in one path (path_resolution(7)).
const LINKS: usize = 40;

/// What to make where a path's last component is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Create {
    /// Nothing: it must exist.
    No,
    /// A directory, with these permission bits; missing parents get 0o755.
    Directory(u32),
    /// An empty file, 0o644; missing parents get 0o755.
    File,
}

/// A parent's path as long as this fits where nearly every one is: on the page of the stack that is in use anyway.
const SHORT: usize = 256;

/// Resolves `path` below `root` to an `O_PATH` descriptor, making what is missing as `create` says.
///
/// # Errors
/// Those of openat2(2) and mkdirat(2); ENOENT for a missing path with [`Create::No`].
pub fn resolve(root: Fd, path: &CStr, create: Create) -> Result<NewFd> {
    match open_in_root(root, path, libc::O_PATH) {
        Err(Errno(libc::ENOENT)) if create != Create::No => {}
        other => return other,
    }
    match create_last(root, path, create)? {
        Some(made) => Ok(made),
        None => create_along(root, path, create),
    }
}

/// The usual case: only the last component is missing. Its parent is resolved in-root as [`walk`] would resolve it, by the
/// whole prefix, and pinned. `None`: the walk must look closer.
fn create_last(root: Fd, path: &CStr, create: Create) -> Result<Option<NewFd>> {
    let bytes = path.to_bytes();
    let split = bytes.iter().rposition(|byte| *byte == b'/');
    // What follows the slash, with the NUL that ends the path.
    let start = split.map_or(0, |slash| slash.saturating_add(1));
    let name = path.to_bytes_with_nul().get(start..).unwrap_or_default();
    let name = CStr::from_bytes_with_nul(name).map_err(|_| Errno(libc::EINVAL))?;
    if matches!(name.to_bytes(), b"" | b"." | b"..") {
        return Ok(None);
    }
    let Some(slash) = split else { return make(root, name, create) };
    let before = bytes.get(..slash).unwrap_or_default();
    let mut buffer = [0; SHORT];
    match buffer.get_mut(..before.len()) {
        Some(place) if before.len() < SHORT => place.copy_from_slice(before),
        _ => return Ok(None),
    }
    let prefix = CStr::from_bytes_until_nul(&buffer).map_err(|_| Errno(libc::EINVAL))?;
    let parent = match open_in_root(root, prefix, libc::O_PATH) {
        Err(Errno(libc::ENOENT)) => return Ok(None),
        other => other?.into_raw(),
    };
    let made = make(parent, name, create);
    close(parent);
    made
}

/// Walks the path, and again along each link that leads nowhere yet. Its paths take 24 KiB of stack, whose pages are
/// touched, and copied, at its start; so it is a function of its own, for whom it takes.
#[cold]
#[inline(never)]
fn create_along(root: Fd, path: &CStr, create: Create) -> Result<NewFd> {
    let mut route = Route { bytes: [0; PATH_MAX], length: 0 };
    route.push(path.to_bytes())?;
    for _ in 0..LINKS {
        match walk(root, &route, create)? {
            Walked::There(fd) => return Ok(fd),
            Walked::Link(parent, name) => {
                let followed = route.follow(parent.unwrap_or(root), name);
                if let Some(parent) = parent {
                    close(parent);
                }
                route = followed?;
            }
        }
    }
    Err(Errno(libc::ELOOP))
}

/// Where a walk ended.
enum Walked {
    /// At the end of the path.
    There(NewFd),
    /// At a link to nowhere: its directory (`None` is the root), and where its name lies in the path.
    Link(Option<Fd>, Name),
}

/// A component: its first byte, and the one behind its last.
#[derive(Clone, Copy)]
struct Name {
    start: usize,
    end: usize,
}

/// What exists of a path is resolved in-root by its prefixes, what is missing is made in the pinned parent.
fn walk(root: Fd, route: &Route, create: Create) -> Result<Walked> {
    let mut parent: Option<Fd> = None;
    let mut from = 0;
    while let Some(name) = route.next(from) {
        let prefix = route.text(0, name.end)?;
        let next = match open_in_root(root, prefix.as_c_str()?, libc::O_PATH) {
            Err(Errno(libc::ENOENT)) => {
                let last = route.next(name.end).is_none();
                let what = if last { create } else { Create::Directory(0o755) };
                let text = route.text(name.start, name.end)?;
                match make(parent.unwrap_or(root), text.as_c_str()?, what)? {
                    Some(made) => made,
                    None => return Ok(Walked::Link(parent, name)),
                }
            }
            other => other?,
        };
        if let Some(old) = parent.replace(next.into_raw()) {
            close(old);
        }
        from = name.end;
    }
    match parent {
        Some(fd) => Ok(Walked::There(NewFd(fd))),
        None => open_in_root(root, c".", libc::O_PATH).map(Walked::There),
    }
}

/// Makes one name in a pinned directory, and opens it whatever is there by then, a symbolic link too.
///
/// # Errors
/// As openat2(2) and mkdirat(2).
pub(crate) fn make_here(dir: Fd, name: &CStr, create: Create) -> Result<NewFd> {
    match make(dir, name, create)? {
        Some(made) => Ok(made),
        None => open_child(dir, name, libc::O_PATH),
    }
}

/// Makes one name in a pinned directory and opens what was made; somebody else's directory of that name is as good.
/// `None`: a symbolic link is there.
fn make(dir: Fd, name: &CStr, create: Create) -> Result<Option<NewFd>> {
    let made = match create {
        Create::File => create_child(dir, name, 0o644).map(|fd| close(fd.into_raw())),
        Create::Directory(mode) => mkdir(dir, name, mode),
        Create::No => Err(Errno(libc::ENOENT)),
    };
    match made {
        Ok(()) | Err(Errno(libc::EEXIST)) => {}
        Err(errno) => return Err(errno),
    }
    if let Create::Directory(_) = create {
        // Neither a link nor a file can be opened so: one call tells what it is, too.
        match open_child(dir, name, libc::O_PATH | libc::O_DIRECTORY) {
            Err(Errno(libc::ENOTDIR)) => {}
            other => return other.map(Some),
        }
    }
    let there = open_child(dir, name, libc::O_PATH)?.into_raw();
    if stat(there)?.mode & libc::S_IFMT == libc::S_IFLNK {
        close(there);
        return Ok(None);
    }
    Ok(Some(NewFd(there)))
}

/// A path below the root.
struct Route {
    bytes: [u8; PATH_MAX],
    length: usize,
}

impl Route {
    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        let end = self.length.saturating_add(bytes.len());
        // One byte stays for the NUL.
        let room = self.bytes.get_mut(self.length..end).filter(|_| end < PATH_MAX);
        room.ok_or(Errno(libc::ENAMETOOLONG))?.copy_from_slice(bytes);
        self.length = end;
        Ok(())
    }

    fn part(&self, start: usize, end: usize) -> &[u8] {
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// The component at or after `from`.
    fn next(&self, from: usize) -> Option<Name> {
        let rest = self.part(from, self.length);
        let slashes = rest.iter().take_while(|byte| **byte == b'/').count();
        let name = rest.iter().skip(slashes).take_while(|byte| **byte != b'/').count();
        let start = from.saturating_add(slashes);
        (name > 0).then(|| Name { start, end: start.saturating_add(name) })
    }

    /// A part of it, with a NUL behind.
    fn text(&self, start: usize, end: usize) -> Result<Self> {
        let mut text = Self { bytes: [0; PATH_MAX], length: 0 };
        text.push(self.part(start, end))?;
        Ok(text)
    }

    fn as_c_str(&self) -> Result<&CStr> {
        CStr::from_bytes_until_nul(&self.bytes).map_err(|_| Errno(libc::EINVAL))
    }

    /// The path with a link in it replaced by where that leads.
    fn follow(&self, parent: Fd, link: Name) -> Result<Self> {
        let mut buffer = [0; PATH_MAX];
        let name = self.text(link.start, link.end)?;
        let target = read_link(parent, name.as_c_str()?, &mut buffer)?;
        let before = if target.first() == Some(&b'/') { 0 } else { link.start };
        let mut followed = self.text(0, before)?;
        followed.push(target)?;
        followed.push(b"/")?;
        followed.push(self.part(link.end, self.length))?;
        Ok(followed)
    }
}
