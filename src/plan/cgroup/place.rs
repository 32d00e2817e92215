//! Where the cgroup is: `linux.cgroupsPath` against our own place.
//!
//! It knows only text. What a newcomer would get wrong: relative means *beside* our cgroup in cgroup2, because the
//! kernel gives controllers only to cgroups whose parent holds no process, and *below* it in v1, where that is the
//! custom; so does runc.

use crate::error::{Error, Result};
use crate::host::Unified;
use crate::host::cgroup::clean;
use crate::id::ContainerId;
use crate::spec::CgroupPath;

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
