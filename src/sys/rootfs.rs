//! The steps that build a rootfs: each takes a place, resolves it once, and works on the descriptor.
//!
//! What a newcomer would get wrong: the rootfs is hostile. Its `/proc`, `/dev` or a mount's destination may be a symbolic
//! link, or become one while we work; a mount is attached to the descriptor that was resolved, and what was resolved is
//! looked at before it is trusted (CVE-2023-27561, CVE-2026-41579).

use crate::create::{Create, resolve};
use crate::interpret::{At, Done, Fault, State};
use crate::mount::{Attr, Reach, clone_tree, set_attr as mount_setattr};
use crate::script::{Call, Changes, FileSystem, Handle, Place, Slot, Source};
use crate::{Errno, Fd, NewFd, mount as api, path};
use core::ffi::CStr;

/// `mount_setattr("/")`: what later mounts are cut off from.
pub(crate) fn propagation(mode: u64, reach: Reach) -> Done {
    let attr = Attr { propagation: mode, ..Attr::default() };
    mount_setattr(libc::AT_FDCWD, c"/", reach, &attr).at(Call::MountSetattr)
}

/// The rootfs becomes a mount of its own, on itself, because pivot_root(2) wants one.
pub(crate) fn open_rootfs(
    state: &mut State,
    rootfs: &CStr,
    isolate_parent: bool,
    out: Slot,
) -> Done {
    let place = path::open_path(rootfs).at(Call::Openat2Target)?.into_raw();
    if !path::stat(place).at(Call::Stat)?.is_directory() {
        return Err(Fault { call: Call::NotADirectory, errno: libc::ENOTDIR, detail: 0 });
    }
    if isolate_parent {
        make_parent_private(place)?;
    }
    let tree = clone_tree(place, c"", Reach::Tree).at(Call::OpenTree)?.into_raw();
    api::attach(tree, place).at(Call::MoveMount)?;
    path::close(place);
    state.keep(out, NewFd(tree));
    Ok(())
}

/// Climbs to the root of the mount that a directory lies on, and makes it private: pivot_root(2) refuses a shared parent,
/// and what is attached below one appears in its peers.
fn make_parent_private(directory: Fd) -> Done {
    let private = Attr { propagation: libc::MS_PRIVATE, ..Attr::default() };
    let mut here =
        path::open_child(directory, c".", libc::O_PATH).at(Call::Openat2Target)?.into_raw();
    while !path::is_mount_root(here).at(Call::Stat)? {
        let above = path::open_parent(here).at(Call::Openat2Target)?.into_raw();
        path::close(here);
        here = above;
    }
    let result = mount_setattr(here, c"", Reach::One, &private).at(Call::MountSetattr);
    path::close(here);
    result
}

pub(crate) fn open_directory(state: &mut State, directory: &CStr, out: Slot) -> Done {
    let fd = path::open_path(directory).at(Call::Openat2Target)?;
    state.keep(out, fd);
    Ok(())
}

/// A place's descriptor; made as `create` says when it is missing.
fn target(state: &State, place: &Place<'_>, create: Create) -> Result<Fd, Fault> {
    let call = if create == Create::No { Call::Openat2Target } else { Call::CreateTarget };
    resolve(state.fd(place.root), place.path, create).at(call).map(NewFd::into_raw)
}

/// fsopen, fsconfig…, fsmount. A refused parameter is named by its index.
fn new_mount(fs: &FileSystem<'_>, mode: Option<u32>) -> Result<Fd, Fault> {
    let context = api::fs_open(fs.fs_type).at(Call::Fsopen)?.into_raw();
    for (index, (key, value)) in fs.parameters.iter().enumerate() {
        api::fs_set(context, key, *value).map_err(|Errno(errno)| Fault {
            call: Call::Fsconfig,
            errno,
            detail: index as u32,
        })?;
    }
    if let Some(mode) = mode {
        let text = octal(mode);
        let text = CStr::from_bytes_until_nul(&text).map_err(|_| Errno(libc::EINVAL));
        text.and_then(|text| api::fs_set(context, c"mode", Some(text))).at(Call::Fsconfig)?;
    }
    api::fs_create(context).at(Call::FsconfigCreate)?;
    let tree = api::fs_mount(context, fs.attrs).at(Call::Fsmount)?.into_raw();
    path::close(context);
    if let Some(label) = fs.label {
        let root = path::open_child(tree, c".", libc::O_RDONLY).at(Call::Stat)?.into_raw();
        let value = label.to_bytes();
        // A policy that doesn't label queues takes none: a container without its label is no container that was asked for.
        crate::xattr::set(root, c"security.selinux", value).at(Call::SetLabel)?;
        path::close(root);
    }
    Ok(tree)
}

/// Four octal digits and a NUL.
pub(crate) fn octal(mode: u32) -> [u8; 5] {
    let digit = |shift: u32| b'0'.saturating_add(((mode >> shift) & 7) as u8);
    [digit(9), digit(6), digit(3), digit(0), 0]
}

fn change(tree: Fd, changes: &Changes) -> Done {
    if !changes.own.is_empty() {
        mount_setattr(tree, c"", Reach::One, &changes.own).at(Call::MountSetattr)?;
    }
    if !changes.tree.is_empty() {
        mount_setattr(tree, c"", Reach::Tree, &changes.tree).at(Call::MountSetattr)?;
    }
    Ok(())
}

/// The directory a new file system goes on. A procfs or sysfs goes only where the path itself names a directory, not
/// through a link at its end, because later steps trust what lies there (CVE-2019-19921).
fn directory_for(state: &State, fs: &FileSystem<'_>, place: &Place<'_>) -> Result<Fd, Fault> {
    let strict = fs.fs_type == c"proc" || fs.fs_type == c"sysfs";
    let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_DIRECTORY;
    if strict && let Ok(fd) = path::open_in_root(state.fd(place.root), place.path, flags) {
        return Ok(fd.into_raw());
    }
    // A tmpfs takes its mode from the directory; one on a directory that nobody made has the kernel's own.
    let mode = if fs.inherit_mode { 0o1777 } else { 0o755 };
    let fd = target(state, place, Create::Directory(mode))?;
    if strict {
        path::close(fd);
        return path::open_in_root(state.fd(place.root), place.path, flags)
            .at(Call::NotADirectory)
            .map(NewFd::into_raw);
    }
    Ok(fd)
}

pub(crate) fn mount(
    state: &State,
    fs: &FileSystem<'_>,
    changes: &Changes,
    place: &Place<'_>,
) -> Done {
    let place = directory_for(state, fs, place)?;
    let mode = if fs.inherit_mode { Some(path::stat(place).at(Call::Stat)?.mode) } else { None };
    let unchanged = fs.label.is_none() && *changes == Changes::default();
    if fs.may_enter && unchanged && crate::classic::mount(place, fs, mode) {
        path::close(place);
        return Ok(());
    }
    let tree = new_mount(fs, mode)?;
    change(tree, changes)?;
    api::attach(tree, place).at(Call::MoveMount)?;
    path::close(tree);
    path::close(place);
    Ok(())
}

/// `tmpcopyup`: the tmpfs is attached, then filled from the directory that it covers, which the first descriptor still
/// reaches.
pub(crate) fn mount_copy_up(
    state: &State,
    fs: &FileSystem<'_>,
    changes: &Changes,
    place: &Place<'_>,
) -> Done {
    let covered = directory_for(state, fs, place)?;
    let mode = if fs.inherit_mode { Some(path::stat(covered).at(Call::Stat)?.mode) } else { None };
    let tree = new_mount(&FileSystem { attrs: 0, ..*fs }, mode)?;
    crate::copy::tree(covered, tree).at(Call::CopyUp)?;
    let own = Attr { set: changes.own.set | fs.attrs, ..changes.own };
    change(tree, &Changes { own, ..*changes })?;
    api::attach(tree, covered).at(Call::MoveMount)?;
    path::close(tree);
    path::close(covered);
    Ok(())
}

/// A copy of a source, attached to a place of the source's own kind: a directory, or a file.
pub(crate) fn bind(
    state: &State,
    source: &Source<'_>,
    changes: &Changes,
    place: &Place<'_>,
) -> Done {
    let tree = match *source {
        Source::Detached(fd) => fd,
        Source::Path(source, reach) => {
            clone_tree(libc::AT_FDCWD, source, reach).at(Call::OpenTree)?.into_raw()
        }
    };
    let is_directory = path::stat(tree).at(Call::Stat)?.is_directory();
    let create = if is_directory { Create::Directory(0o755) } else { Create::File };
    let place = target(state, place, create)?;
    change(tree, changes)?;
    api::attach(tree, place).at(Call::MoveMount)?;
    path::close(tree);
    path::close(place);
    Ok(())
}

pub(crate) fn set_attr(state: &State, place: &Place<'_>, changes: &Changes) -> Done {
    if place.path == c"." {
        return change(state.fd(place.root), changes);
    }
    let fd = target(state, place, Create::No)?;
    change(fd, changes)?;
    path::close(fd);
    Ok(())
}

pub(crate) fn directory(state: &State, place: &Place<'_>, mode: u32) -> Done {
    target(state, place, Create::Directory(mode)).map(path::close)
}

pub(crate) fn open(state: &mut State, place: &Place<'_>, out: Slot) -> Done {
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    if let Ok(fd) = path::open_in_root(state.fd(place.root), place.path, flags) {
        state.keep(out, fd);
        return Ok(());
    }
    let fd = target(state, place, Create::Directory(0o755))?;
    if !path::stat(fd).at(Call::Stat)?.is_directory() {
        return Err(Fault { call: Call::NotADirectory, errno: libc::ENOTDIR, detail: 0 });
    }
    state.keep(out, NewFd(fd));
    Ok(())
}

/// mknod with the umask cleared, so that the mode is exact; the node that is there may stay if it is the same one.
pub(crate) fn device(dir: Fd, name: &CStr, mode: u32, device: u64, (uid, gid): (u32, u32)) -> Done {
    match path::mknod(dir, name, mode, device) {
        Ok(()) => {}
        Err(Errno(libc::EEXIST)) => return same_node(dir, name, mode, device),
        Err(errno) => return Err(errno).at(Call::Mknod),
    }
    if (uid, gid) != (0, 0) {
        path::chown(dir, name, uid, gid).at(Call::Chown)?;
    }
    Ok(())
}

fn same_node(dir: Fd, name: &CStr, mode: u32, device: u64) -> Done {
    let fd = path::open_child(dir, name, libc::O_PATH).at(Call::Stat)?.into_raw();
    let stat = path::stat(fd).at(Call::Stat)?;
    path::close(fd);
    if stat.mode & libc::S_IFMT == mode & libc::S_IFMT && stat.rdev == device {
        Ok(())
    } else {
        Err(Fault { call: Call::NotTheDevice, errno: libc::EEXIST, detail: 0 })
    }
}

/// The host's node, proved to be the device wanted, bound over an empty file.
pub(crate) fn bind_device(dir: Fd, name: &CStr, source: &CStr, device: u64, mode: u32) -> Done {
    let tree = clone_tree(libc::AT_FDCWD, source, Reach::One).at(Call::OpenTree)?.into_raw();
    let stat = path::stat(tree).at(Call::Stat)?;
    if stat.rdev != device || stat.mode & libc::S_IFMT != mode & libc::S_IFMT {
        return Err(Fault { call: Call::NotTheDevice, errno: libc::ENODEV, detail: 0 });
    }
    let place = resolve(dir, name, Create::File).at(Call::CreateTarget)?.into_raw();
    api::attach(tree, place).at(Call::MoveMount)?;
    path::close(tree);
    path::close(place);
    Ok(())
}

pub(crate) fn symlink(to: &CStr, dir: Fd, name: &CStr, replace: bool) -> Done {
    match path::symlink(to, dir, name) {
        Err(Errno(libc::EEXIST)) if replace => {
            path::unlink(dir, name).at(Call::Unlink)?;
            path::symlink(to, dir, name).at(Call::Symlink)
        }
        Err(Errno(libc::EEXIST)) => Ok(()),
        other => other.at(Call::Symlink),
    }
}

/// A device of the host, for masks: never the container's, which could be anything by now (CVE-2025-31133).
pub(crate) fn open_device(state: &mut State, device_path: &CStr, device: u64, out: Slot) -> Done {
    let fd = path::open_path(device_path).at(Call::Openat2Source)?;
    let stat = path::stat(fd.0).at(Call::Stat)?;
    if stat.mode & libc::S_IFMT != libc::S_IFCHR || stat.rdev != device {
        return Err(Fault { call: Call::NotTheDevice, errno: libc::ENODEV, detail: 0 });
    }
    state.keep(out, fd);
    Ok(())
}

/// Hides what is at a place. All directories share one empty, read-only tmpfs, made for the first of them.
pub(crate) fn mask(
    state: &mut State,
    place: &Place<'_>,
    null: Handle,
    empty: Slot,
    label: Option<&CStr>,
) -> Done {
    let place = match resolve(state.fd(place.root), place.path, Create::No) {
        Err(Errno(libc::ENOENT | libc::ENOTDIR)) => return Ok(()),
        other => other.at(Call::Openat2Target)?.into_raw(),
    };
    let source = if path::stat(place).at(Call::Stat)?.is_directory() {
        let known = state.fd(Handle::Slot(empty));
        if known < 0 {
            let first = empty_directory(label)?;
            api::attach(first, place).at(Call::MoveMount)?;
            path::close(place);
            // Attached, it belongs to this mount namespace and can be cloned for the next.
            state.keep(empty, NewFd(first));
            return Ok(());
        }
        known
    } else {
        state.fd(null)
    };
    let tree = clone_tree(source, c"", Reach::One).at(Call::OpenTree)?.into_raw();
    api::attach(tree, place).at(Call::MoveMount)?;
    path::close(tree);
    path::close(place);
    Ok(())
}

fn empty_directory(label: Option<&CStr>) -> Result<Fd, Fault> {
    let size: crate::script::Parameter<'_> = (c"size", Some(c"0"));
    let inodes: crate::script::Parameter<'_> = (c"nr_inodes", Some(c"1"));
    let attrs = api::ATTR_RDONLY | api::ATTR_NOSUID | api::ATTR_NODEV | api::ATTR_NOEXEC;
    let with_context = [size, inodes, (c"context", label)];
    let without = [size, inodes];
    let parameters = if label.is_some() { &with_context[..] } else { &without };
    let tmpfs = FileSystem {
        fs_type: c"tmpfs",
        parameters,
        attrs,
        inherit_mode: false,
        label: None,
        may_enter: false,
    };
    new_mount(&tmpfs, Some(0o755))
}

pub(crate) fn read_only(state: &State, place: &Place<'_>) -> Done {
    let place = match resolve(state.fd(place.root), place.path, Create::No) {
        Err(Errno(libc::ENOENT | libc::ENOTDIR)) => return Ok(()),
        other => other.at(Call::Openat2Target)?.into_raw(),
    };
    let tree = clone_tree(place, c"", Reach::Tree).at(Call::OpenTree)?.into_raw();
    let attr = Attr { set: api::ATTR_RDONLY, ..Attr::default() };
    mount_setattr(tree, c"", Reach::One, &attr).at(Call::MountSetattr)?;
    api::attach(tree, place).at(Call::MoveMount)?;
    path::close(tree);
    path::close(place);
    Ok(())
}

/// Writes a file of a private procfs: nothing the container can mount lies on the way.
pub(crate) fn write_proc(proc: Fd, file: &CStr, value: &[u8]) -> Done {
    let fd = path::open_own(proc, file, libc::O_WRONLY).at(Call::Openat2Target)?.into_raw();
    let result = path::write_once(fd, value).at(Call::Write);
    path::close(fd);
    result
}

/// The same, of `/proc/self` as that procfs numbers us.
pub(crate) fn write_own_proc(proc: Fd, file: &CStr, value: &[u8]) -> Done {
    let own = path::open_magic(proc, c"self").at(Call::Openat2Source)?.into_raw();
    let result = write_proc(own, file, value);
    path::close(own);
    result
}

/// Offsets can be written only before the first process enters; entering is setns(2) to what unshare(2) prepared.
pub(crate) fn time_namespace(proc: Fd, offsets: &[u8]) -> Done {
    crate::ns::unshare(libc::CLONE_NEWTIME as u32).at(Call::Unshare)?;
    write_own_proc(proc, c"timens_offsets", offsets)?;
    // A namespace file is a magic link: it is opened as one, from a descriptor that is certainly procfs.
    let ns = path::open_magic(proc, c"self/ns/time_for_children").at(Call::Openat2Source)?;
    let ns = ns.into_raw();
    crate::ns::join(ns, libc::CLONE_NEWTIME as u32).at(Call::SetNs)?;
    path::close(ns);
    Ok(())
}
