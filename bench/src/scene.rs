//! The bundle that everyone runs: what Docker 28 asks for a container, without what belongs to a network or a volume.
//!
//! It refuses to have one configuration per runtime. What a newcomer would get wrong: crun 1.8 refuses a configuration
//! that says it is newer than 1.0, so it says 1.0.2; nothing in it is newer.

use crate::programs::Programs;
use crate::room;
use rrun_harness::{Must, workspace};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// The configuration as Docker wrote it.
pub const DOCKER: &str = "rootfs-fixtures/specs/engines/docker28.5-compose.json";

/// Whether the system calls are filtered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seccomp {
    /// By Docker's default profile.
    Docker,
    /// Not at all.
    None,
}

/// What the container's process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It ends at once.
    Short,
    /// It waits to be killed.
    Long,
}

/// Makes the bundle, called `name`, in the room.
#[must_use]
pub fn bundle(programs: &Programs, name: &str, seccomp: Seccomp, life: Life) -> PathBuf {
    let bundle = room::directory().join("bundles").join(name);
    rootfs(&bundle.join("rootfs"), &programs.payload);
    let mut config = configuration(name, seccomp);
    config["process"]["args"] = match life {
        Life::Short => json!(["/bin/true"]),
        Life::Long => json!(["/bin/true", "pause"]),
    };
    fs::write(bundle.join("config.json"), config.to_string()).must("write config.json");
    bundle
}

/// A rootfs with the payload and the directories that mounts need.
pub fn rootfs(at: &Path, payload: &Path) {
    for directory in ["bin", "dev", "proc", "sys"] {
        fs::create_dir_all(at.join(directory)).must("make the rootfs");
    }
    fs::copy(payload, at.join("bin/true")).must("copy the payload");
}

/// The cgroup of the bundle called `name`.
fn cgroup(name: &str) -> String {
    format!("rrun-bench-{}-{name}", std::process::id())
}

/// Removes the cgroups of this process's scenes. crun leaves that of a container whose first process had ended before
/// it was deleted.
pub fn sweep() {
    sweep_in(Path::new("/sys/fs/cgroup"), &cgroup(""));
}

/// The cgroups of this process's scenes that are there.
#[must_use]
pub fn cgroups() -> Vec<String> {
    let prefix = cgroup("");
    let all = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
    let names = all.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(&prefix)).collect()
}

/// A cgroup is removed once it is empty, and rmdir(2) says so itself: what can't be removed is still somebody's.
fn sweep_in(at: &Path, prefix: &str) {
    for entry in fs::read_dir(at).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(prefix);
        if ours && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path());
        }
    }
}

fn remove_tree(cgroup: &Path) {
    for entry in fs::read_dir(cgroup).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    drop(fs::remove_dir(cgroup));
}

/// Docker's configuration of a container called `name`, whose root is `rootfs` in its bundle.
#[must_use]
pub fn configuration(name: &str, seccomp: Seccomp) -> Value {
    let text = fs::read_to_string(workspace().join(DOCKER)).must("read Docker's configuration");
    let mut config: Value = serde_json::from_str(&text).must("parse Docker's configuration");
    config["ociVersion"] = json!("1.0.2");
    config["root"]["path"] = json!("rootfs");
    let mounts = config["mounts"].as_array_mut().must("find the mounts");
    mounts.retain(|mount| mount["type"] != "bind");
    let linux = &mut config["linux"];
    linux["cgroupsPath"] = json!(format!("/{}", cgroup(name)));
    linux["sysctl"] = json!({});
    // The limits would ask for controllers that a hybrid machine has given to cgroup v1; the device rules stay.
    linux["resources"] = json!({ "devices": linux["resources"]["devices"] });
    linux["namespaces"]
        .as_array_mut()
        .must("find the namespaces")
        .push(json!({ "type": "cgroup" }));
    if seccomp == Seccomp::None {
        linux.as_object_mut().must("find linux").remove("seccomp");
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cgroups_of_our_own_scenes_are_swept() {
        let at = std::env::temp_dir().join(format!("rrun-bench-sweep-{}", std::process::id()));
        for directory in ["ours-a/inner", "ours-b", "theirs-a"] {
            fs::create_dir_all(at.join(directory)).must("make a directory");
        }
        sweep_in(&at, "ours-");
        let left = fs::read_dir(&at).must("look").flatten().map(|entry| entry.file_name());
        assert_eq!(left.collect::<Vec<_>>(), ["theirs-a"]);
        fs::remove_dir_all(&at).must("clean up");
    }
}
