//! podman, which has no daemon: a room, and configuration files that name rrun.
//!
//! Knows what podman must be told where there is no systemd: cgroups by their files, ulimits that are within this
//! machine's, a seccomp profile and helpers that are not where a package would have put them. Refuses the machine's own
//! storage and configuration: all that podman keeps is on the room's `/run` and goes with it; its locks would otherwise
//! be in `/dev/shm`, and its networks in `/etc`, which are the machine's.
//! A newcomer would look for the state of a container below `--root`; podman passes none, so rrun's is in `/run/rrun`,
//! which is the room's as well.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Image, Room, Set};
use crate::Must;
use crate::bounded::Output;

/// Where podman's containers are when nobody names a parent.
const PARENT: &str = "libpod_parent";

/// podman with rrun as its runtime; dropping it ends its room, and fails the test when something is left.
#[derive(Debug)]
pub struct Podman {
    // Ends first: with the room's last process nothing of ours is in the shared cgroup.
    room: Room,
    _shared: Parent,
}

impl Podman {
    /// With nothing in it.
    #[must_use]
    #[track_caller]
    pub fn start() -> Podman {
        Self::with(Room::new, "cgroupfs")
    }

    /// One that asks the machine's systemd for cgroups.
    #[must_use]
    #[track_caller]
    pub fn under_systemd() -> Podman {
        Self::with(Room::under_systemd, "systemd")
    }

    #[track_caller]
    fn with(room: impl FnOnce(Set) -> Room, cgroup_manager: &str) -> Podman {
        let set = Set::Own;
        set.unpacked().must("unpack the engines");
        let shared = Parent::held();
        let room = room(set);
        configure(&room, cgroup_manager);
        Podman { room, _shared: shared }
    }

    /// Where it runs.
    #[must_use]
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// `podman`, in the room.
    #[must_use]
    pub fn podman(&self) -> Command {
        let mut command = self.at_our_configuration(self.room.command("podman"));
        command.args(["--tmpdir", "/run/podman/tmp"]);
        command
    }

    /// Runs `podman` with these arguments to its end.
    #[track_caller]
    pub fn call(&self, args: &[&str]) -> Output {
        let mut command = self.podman();
        command.args(args);
        self.room.finish(command)
    }

    /// `podman-compose`, the distribution's.
    #[must_use]
    #[track_caller]
    pub fn compose(&self) -> Command {
        let script = self.room.set().program("podman-compose").must("find podman-compose");
        // Debian's modules are for Debian's Python, not for the first on PATH.
        let mut command = self.at_our_configuration(self.room.command("/usr/bin/python3"));
        command.arg(script).arg("--podman-path").arg(self.room.bin("podman-here"));
        command
    }

    /// Makes an image known; returns its name.
    #[track_caller]
    pub fn load(&self, image: &Image) -> String {
        let archive = image.write(self.room.path());
        self.call(&["load", "--quiet", "--input", &archive.to_string_lossy()]).success();
        fs::remove_file(&archive).must("remove the archive");
        image.reference()
    }

    fn at_our_configuration(&self, mut command: Command) -> Command {
        let at = self.room.path();
        command.env("CONTAINERS_CONF", at.join("containers.conf"));
        command.env("CONTAINERS_STORAGE_CONF", at.join("storage.conf"));
        command.env("CONTAINERS_REGISTRIES_CONF", at.join("registries.conf"));
        for name in ["CONTAINER_HOST", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
            command.env_remove(name);
        }
        command
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        // Pods and containers that a failed test has left would hold their cgroups.
        for words in [["pod", "rm", "--all", "--force"], ["rm", "--all", "--force", "--volumes"]] {
            let mut command = self.podman();
            command.args(words).args(["--time", "0"]).stdin(std::process::Stdio::null());
            // That there is nothing to be removed, or no podman, is no concern of this.
            drop(command.output());
        }
    }
}

#[track_caller]
fn configure(room: &Room, cgroup_manager: &str) {
    let (at, set) = (room.path(), room.set());
    let find = |path: &str| set.find(path).must(&format!("find {path} in the packages"));
    let profile = find("usr/share/containers/seccomp.json");
    let (helpers, programs) = (find("usr/lib/podman"), find("usr/bin"));
    let write = |name: &str, text: String| {
        let path = at.join(name);
        fs::create_dir_all(path.parent().unwrap_or(at)).must("make a directory");
        fs::write(&path, text).must(&format!("write {name}"));
    };
    write(
        "containers.conf",
        format!(
            "[containers]\n\
             default_ulimits = [\"nofile=4096:4096\", \"nproc=4000:4000\"]\n\
             seccomp_profile = \"{}\"\n\
             [engine]\n\
             runtime = \"rrun\"\n\
             runtime_supports_json = [\"rrun\"]\n\
             cgroup_manager = \"{cgroup_manager}\"\n\
             lock_type = \"file\"\n\
             events_logger = \"file\"\n\
             conmon_path = [\"{programs}/conmon\"]\n\
             helper_binaries_dir = [\"{}\", \"{programs}\"]\n\
             [engine.runtimes]\n\
             rrun = [\"{}\"]\n\
             [network]\n\
             network_backend = \"netavark\"\n\
             network_config_dir = \"/run/podman/networks\"\n",
            profile.display(),
            helpers.display(),
            room.bin("rrun").display(),
            programs = programs.display(),
        ),
    );
    let storage = "[storage]\ndriver = \"overlay\"\ngraphroot = \"/run/podman/root\"\n\
                   runroot = \"/run/podman/run\"\n";
    write("storage.conf", storage.to_owned());
    write("registries.conf", String::new());
    // podman looks for it below HOME before /etc, and a machine without podman has neither.
    let anything = r#"{"default":[{"type":"insecureAcceptAnything"}]}"#;
    write("lib/.config/containers/policy.json", anything.to_owned());
    // What podman-compose starts knows one word for podman.
    let podman = set.program("podman").must("find podman");
    let script = format!("#!/bin/sh\nexec {} --tmpdir /run/podman/tmp \"$@\"\n", podman.display());
    write("bin/podman-here", script);
    let mode = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
    fs::set_permissions(room.bin("podman-here"), mode).must("make it a program");
}

/// podman's parent cgroup, which all podmans of the machine share: held while one of ours may use it.
#[derive(Debug)]
struct Parent(File);

impl Parent {
    #[track_caller]
    fn held() -> Parent {
        let hierarchies = File::open("/sys/fs/cgroup").must("open /sys/fs/cgroup");
        hierarchies.lock_shared().must("share the lock of podman's parent cgroup");
        Parent(hierarchies)
    }
}

impl Drop for Parent {
    /// Removes it, when nobody else holds it; what has processes stays, as it must.
    fn drop(&mut self) {
        if self.0.unlock().is_err() || self.0.try_lock().is_err() {
            return;
        }
        for hierarchy in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
            remove(&hierarchy.path().join(PARENT));
        }
        remove(&Path::new("/sys/fs/cgroup").join(PARENT));
    }
}

fn remove(at: &Path) {
    let below = fs::read_dir(at).into_iter().flatten().flatten();
    let directories: Vec<PathBuf> =
        below.map(|entry| entry.path()).filter(|at| at.is_dir()).collect();
    for directory in directories {
        remove(&directory);
    }
    // Busy, or not there.
    drop(fs::remove_dir(at));
}
