//! The room that everything is measured in: a mount namespace of our own with cgroup2 alone on /sys/fs/cgroup, as on a
//! machine of today, and a tmpfs on /run, where runtimes keep their state.
//!
//! It refuses to touch the host: the namespace takes its mounts with it. What a newcomer would get wrong: the cgroups
//! made in here are real and seen outside; each subject removes its own.

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};
use nix::unistd::geteuid;
use rrun_harness::Must;
use std::path::Path;

/// Enters the room with this thread, whose children will be in it.
///
/// # Errors
/// A sentence for the user when we are not root.
pub fn enter() -> Result<(), String> {
    enter_beside_cgroups()?;
    let there = statfs("/sys/fs/cgroup").map_err(|errno| format!("/sys/fs/cgroup: {errno}"))?;
    // The kernel refuses a file system on itself (EBUSY), and where it is alone already there is nothing to do.
    if there.filesystem_type() != CGROUP2_SUPER_MAGIC {
        place("cgroup2", "/sys/fs/cgroup", "cgroup2", MsFlags::empty());
    }
    Ok(())
}

/// Enters a room that has the machine's cgroups as they are: what counts or limits memory, processors or processes is
/// on a hybrid machine in none of version 2's.
///
/// # Errors
/// As [`enter`].
pub fn enter_beside_cgroups() -> Result<(), String> {
    if !geteuid().is_root() {
        return Err("starting containers is measured as root: nothing was measured".to_owned());
    }
    unshare(CloneFlags::CLONE_NEWNS).map_err(|errno| format!("a mount namespace: {errno}"))?;
    place("none", "/", "", MsFlags::MS_PRIVATE | MsFlags::MS_REC);
    place("tmpfs", "/run", "tmpfs", MsFlags::empty());
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
