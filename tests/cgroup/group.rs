//! A container's cgroup as the host sees it, in every hierarchy.
//!
//! Knows /proc/PID/cgroup and where this machine mounts each hierarchy. Refuses to know a runtime's choice of paths: the
//! kernel says where the process is. A newcomer would look under /sys/fs/cgroup/ID, which is only one of the answers.

use std::fs;
use std::path::{Path, PathBuf};

use rrun_harness::{Bundle, Must};

/// The directories of one process, by controller.
#[derive(Debug)]
pub struct Group {
    unified: PathBuf,
    v1: Vec<(String, PathBuf)>,
}

impl Group {
    /// The cgroup of a container that has a process.
    #[track_caller]
    pub fn of(bundle: &Bundle) -> Group {
        let pid = bundle.state()["pid"].to_string();
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup"));
        let text = text.must("read the cgroups of the container's process");
        let lines = text.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
        let mut group = Group { unified: unified_mount(), v1: Vec::new() };
        for (controllers, path) in lines {
            let path = path.trim_start_matches('/');
            match controllers {
                "" => group.unified.push(path),
                names => {
                    let place = Path::new("/sys/fs/cgroup").join(names).join(path);
                    group.v1.push((names.to_owned(), place));
                }
            }
        }
        group
    }

    /// Whether cgroup2 has this controller.
    pub fn is_v2(&self, controller: &str) -> bool {
        !self.is_v1(controller)
    }

    /// Whether a v1 hierarchy has this controller.
    pub fn is_v1(&self, controller: &str) -> bool {
        self.v1_directory(controller).is_some()
    }

    /// The directory in the hierarchy that has this controller.
    pub fn directory(&self, controller: &str) -> &Path {
        self.v1_directory(controller).unwrap_or(&self.unified)
    }

    /// The directory in cgroup2.
    pub fn unified(&self) -> &Path {
        &self.unified
    }

    fn v1_directory(&self, controller: &str) -> Option<&Path> {
        let has = |names: &str| names.split(',').any(|name| name == controller);
        self.v1.iter().find(|(names, _)| has(names)).map(|(_, path)| path.as_path())
    }

    /// What a controller's file holds: the first name is cgroup2's, the second v1's.
    #[track_caller]
    pub fn read(&self, controller: &str, v2: &str, v1: &str) -> String {
        let name = if self.is_v2(controller) { v2 } else { v1 };
        read(&self.directory(controller).join(name))
    }

    /// The number behind `key` in a file of `key value` lines.
    #[track_caller]
    pub fn count(&self, controller: &str, (v2, v1): (&str, &str), key: &str) -> u64 {
        let text = self.read(controller, v2, v1);
        field(&text, key).must(&format!("find {key} in {text:?}"))
    }
}

/// Where cgroup2 is mounted.
pub fn unified_mount() -> PathBuf {
    let hybrid = Path::new("/sys/fs/cgroup/unified");
    if hybrid.is_dir() { hybrid.to_owned() } else { PathBuf::from("/sys/fs/cgroup") }
}

#[track_caller]
pub fn read(path: &Path) -> String {
    let text = fs::read_to_string(path).must(&format!("read {}", path.display()));
    text.trim_end().to_owned()
}

fn field(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}
