//! Id maps: of a new user namespace, and of idmapped mounts.
//!
//! What a newcomer would get wrong: without privileges only one's own id can be mapped directly, and only after giving
//! up setgroups(2); more takes newuidmap(1) and newgidmap(1) with entries in /etc/subuid and /etc/subgid.

use crate::error::{Error, Kind, Result, ResultExt};
use crate::host::Host;
use crate::plan::DetachedTree;
use crate::spec::{IdMap, IdMaps};
use rrun_sys::mount::{self, ATTR_IDMAP, Attr, Reach};
use rrun_sys::{clone, pidfd, reap, signal};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;

/// Writes the maps of `pid`'s user namespace.
///
/// # Errors
/// [`Kind::Denied`] when the caller may not map these ids, with the fix.
pub fn write(pid: i32, maps: &IdMaps, host: &Host) -> Result<()> {
    if host.may_map_any_id() {
        return write_directly(pid, maps);
    }
    if IdMap::is_only(&maps.gid, host.egid) {
        write_file(pid, "setgroups", "deny")?;
        write_file(pid, "gid_map", &lines(&maps.gid))?;
    } else {
        program("newgidmap", pid, &maps.gid, "/linux/gidMappings")?;
    }
    if IdMap::is_only(&maps.uid, host.euid) {
        write_file(pid, "uid_map", &lines(&maps.uid))
    } else {
        program("newuidmap", pid, &maps.uid, "/linux/uidMappings")
    }
}

fn write_directly(pid: i32, maps: &IdMaps) -> Result<()> {
    write_file(pid, "uid_map", &lines(&maps.uid))?;
    write_file(pid, "gid_map", &lines(&maps.gid))
}

fn lines(maps: &[IdMap]) -> String {
    maps.iter().map(|m| format!("{} {} {}\n", m.container_id, m.host_id, m.size)).collect()
}

fn write_file(pid: i32, name: &str, text: &str) -> Result<()> {
    let path = format!("/proc/{pid}/{name}");
    std::fs::write(&path, text)
        .map_err(|error| Error::from(error).hint("check linux.uidMappings and linux.gidMappings"))
        .context(|| format!("write {:?} to {path}", text.trim_end()))
}

/// newuidmap PID (inside outside count)…
fn program(name: &str, pid: i32, maps: &[IdMap], pointer: &str) -> Result<()> {
    let mut command = Command::new(name);
    command.arg(pid.to_string());
    for map in maps {
        command.args([map.container_id, map.host_id, map.size].map(|id| id.to_string()));
    }
    let output = signal::start_clean(&mut command).output().map_err(|error| {
        Error::new(Kind::Denied, format!("run {name}: {error}"))
            .at(pointer)
            .hint("install it (Debian: uidmap), or map only your own id")
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let file = if name == "newuidmap" { "/etc/subuid" } else { "/etc/subgid" };
    Err(Error::new(Kind::Denied, format!("{name}: {said}"))
        .at(pointer)
        .hint(format!("give your user these ids in {file}")))
}

/// Clones the tree of a mount, and maps it if asked.
///
/// # Errors
/// As open_tree(2) and mount_setattr(2), with the mount's pointer.
pub fn detach(tree: &DetachedTree) -> Result<OwnedFd> {
    let reach = |recursive| if recursive { Reach::Tree } else { Reach::One };
    let source = tree.source.to_string_lossy();
    let clone = mount::clone_link(&tree.source, reach(tree.recursive), tree.keeps_link)
        .map_err(|errno| Error::kernel(format!("open_tree({source:?}, OPEN_TREE_CLONE)"), errno.0))
        .map_err(|error| error.at(format!("{}/source", tree.pointer)).with_kind(Kind::Spec))?;
    let clone = OwnedFd::from(clone);
    if tree.propagation != 0 {
        let cut = Attr { propagation: tree.propagation, ..Attr::default() };
        mount::set_attr(clone.as_raw_fd(), c"", Reach::Tree, &cut)
            .map_err(|errno| Error::kernel("mount_setattr(AT_RECURSIVE, propagation)", errno.0))?;
    }
    if let Some((uid, gid, recursive)) = &tree.idmap {
        let namespace = user_namespace(&IdMaps { uid: uid.clone(), gid: gid.clone() })?;
        let attr = Attr {
            set: ATTR_IDMAP,
            user_ns: u64::from(namespace.as_raw_fd().unsigned_abs()),
            ..Attr::default()
        };
        mount::set_attr(clone.as_raw_fd(), c"", reach(*recursive), &attr).map_err(|errno| {
            Error::kernel(format!("mount_setattr({source:?}, MOUNT_ATTR_IDMAP)"), errno.0)
                .at(format!("{}/options", tree.pointer))
                .hint("the file system of the source must support idmapped mounts")
        })?;
    }
    Ok(clone)
}

/// A user namespace with these maps and nobody in it.
fn user_namespace(maps: &IdMaps) -> Result<OwnedFd> {
    let idle = clone::spawn_idle_in_user_namespace()?;
    let handle = OwnedFd::from(idle.pidfd);
    let namespace = write_directly(idle.pid, maps).and_then(|()| {
        let path = format!("/proc/{}/ns/user", idle.pid);
        Ok(OwnedFd::from(std::fs::File::open(&path).context(|| format!("open {path}"))?))
    });
    let ended = pidfd::pidfd_send_signal(handle.as_raw_fd(), libc::SIGKILL)
        .and_then(|()| reap::wait(handle.as_raw_fd()));
    let namespace = namespace?;
    ended.context(|| "end the process that held a user namespace")?;
    Ok(namespace)
}
