//! Where the cgroup is, `linux.cgroupsPath` against our own place, and whose.
//!
//! It knows only text. What a newcomer would get wrong: relative means *beside* our cgroup in cgroup2, because the
//! kernel gives controllers only to cgroups whose parent holds no process, and *below* it in v1, where that is the
//! custom; so does runc.

use crate::error::{Error, Result};
use crate::host::Unified;
use crate::host::cgroup::clean;
use crate::id::ContainerId;
use crate::spec::{CgroupPath, FsType, Namespace, Spec};

/// The cgroup in the unified hierarchy. A `slice:prefix:name` of systemd's is a plain name here.
pub fn unified(path: Option<&CgroupPath>, host: &Unified, id: &ContainerId) -> Result<String> {
    resolve(path, host.parent(), id)
}

/// The cgroup in a v1 hierarchy in which ours is `own`.
pub fn v1(path: Option<&CgroupPath>, own: &str, id: &ContainerId) -> Result<String> {
    resolve(path, own, id)
}

/// Cleaned lexically before it is joined: `..` stops at the base of a relative path, too.
fn resolve(path: Option<&CgroupPath>, base: &str, id: &ContainerId) -> Result<String> {
    let (base, given) = match path {
        None => (base, id.as_str()),
        Some(CgroupPath::Relative(path)) => (base, path.as_str()),
        Some(CgroupPath::Absolute(path)) => ("/", path.as_str()),
    };
    let given_clean = clean(given);
    if given_clean == "/" || given.contains('\0') {
        return Err(Error::spec(
            "/linux/cgroupsPath",
            format!("{given:?} names no cgroup of its own"),
        )
        .hint("name one below the root, such as \"/rrun/web\", or leave the field out"));
    }
    Ok(clean(&format!("{base}/{given_clean}")))
}

/// Whether `path` lies below what is delegated to us.
pub fn is_ours(path: &str, host: &Unified) -> bool {
    let parent = host.parent().trim_end_matches('/');
    host.delegated && path.strip_prefix(parent).is_some_and(|rest| rest.starts_with('/'))
}

/// The host uid to own the cgroup, so that the container's user can make cgroups below: by the runtime-spec, when it has
/// a cgroup namespace of its own and its cgroup mount is writable. `None`: it stays root's.
pub fn owner(spec: &Spec) -> Option<u32> {
    const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY;
    let writable = spec.mounts.iter().any(|mount| {
        mount.kind == FsType::Cgroup
            && mount.destination.as_str() == "/sys/fs/cgroup"
            && (mount.attrs.set | mount.recursive_attrs.set) & READ_ONLY == 0
    });
    if spec.namespaces.cgroup != Namespace::New || !writable {
        return None;
    }
    let inside = spec.process.as_ref()?.user.uid;
    let outside = match spec.namespaces.user {
        Namespace::Inherit => inside,
        // The map is whoever's made it.
        Namespace::Join(_) => return None,
        Namespace::New => spec.id_maps.uid.iter().find_map(|map| {
            let offset =
                inside.checked_sub(map.container_id).filter(|offset| *offset < map.size)?;
            map.host_id.checked_add(offset)
        })?,
    };
    (outside != 0).then_some(outside)
}
