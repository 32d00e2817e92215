//! The room that everything is measured in: a mount namespace of our own with cgroup2 alone on /sys/fs/cgroup, as on a
//! machine of today, and a tmpfs on /run, where runtimes keep their state.
//!
//! It refuses to touch the host: the namespace takes its mounts with it. What a newcomer would get wrong: the cgroups
//! made in here are real and seen outside; each subject removes its own.

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::geteuid;
use rrun_harness::Must;
use std::path::Path;

/// Enters the room with this thread, whose children will be in it.
///
/// # Errors
/// A sentence for the user when we are not root.
pub fn enter() -> Result<(), String> {
    namespace()?;
    place("cgroup2", "/sys/fs/cgroup", "cgroup2", MsFlags::empty());
    place("tmpfs", "/run", "tmpfs", MsFlags::empty());
    Ok(())
}

/// Enters a room whose cgroups are the host's as they are: what limits processors and memory may be in hierarchies of
/// cgroup v1, and not in cgroup2.
///
/// # Errors
/// As [`enter`].
pub fn enter_with_hosts_cgroups() -> Result<(), String> {
    namespace()?;
    place("tmpfs", "/run", "tmpfs", MsFlags::empty());
    Ok(())
}

fn namespace() -> Result<(), String> {
    if !geteuid().is_root() {
        return Err("starting containers is measured as root: nothing was measured".to_owned());
    }
    unshare(CloneFlags::CLONE_NEWNS).map_err(|errno| format!("a mount namespace: {errno}"))?;
    place("none", "/", "", MsFlags::MS_PRIVATE | MsFlags::MS_REC);
    Ok(())
}

fn place(source: &str, target: &str, kind: &str, flags: MsFlags) {
    let kind = (!kind.is_empty()).then_some(kind);
    mount(Some(source), target, kind, flags, None::<&str>).must(&format!("mount {target}"));
}

/// Where the scenes are, in the room's tmpfs.
#[must_use]
pub fn directory() -> &'static Path {
    Path::new("/run/rrun-bench")
}
