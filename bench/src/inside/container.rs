//! `workload` as the process of a container: Docker's configuration, and what a metric adds to it.
//!
//! Each start has a bundle, an id and a cgroup of its own, so a subject may run many times at once; the rootfs is
//! everyone's. It refuses to configure runtimes differently: one function writes the file for all of them.

use super::{Running, Task};
use crate::programs::Programs;
use crate::room;
use crate::scene::{self, Seccomp};
use crate::subject::{self, Runtime};
use rrun_harness::Must;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Of this process, so that ids differ.
static STARTS: AtomicU32 = AtomicU32::new(0);

/// A runtime and the configuration of its containers.
#[derive(Debug, Clone)]
pub struct Container {
    /// As rows call it.
    pub name: String,
    /// Who starts it.
    pub runtime: Runtime,
    /// Whether calls are filtered.
    pub seccomp: Seccomp,
    /// The root, with /bin/workload, /tmp and /data.
    pub rootfs: PathBuf,
    /// Further mounts, as config.json has them.
    pub mounts: Vec<Value>,
    /// The network namespace to be entered instead of a new one.
    pub network: Option<PathBuf>,
    /// Limits, added to `linux.resources`: `{"cpu": {…}, "memory": {…}}`.
    pub resources: Value,
    /// Instead of a cgroup of its own below the root.
    pub cgroup: Option<String>,
}

impl Container {
    /// Of this runtime, in the room's [`rootfs`].
    #[must_use]
    pub fn new(runtime: &Runtime, seccomp: Seccomp, rootfs: &Path) -> Self {
        let suffix = if seccomp == Seccomp::None { ", no seccomp" } else { "" };
        Self {
            name: format!("{}{suffix}", runtime.label),
            runtime: runtime.clone(),
            seccomp,
            rootfs: rootfs.to_owned(),
            mounts: Vec::new(),
            network: None,
            resources: json!({}),
            cgroup: None,
        }
    }

    pub(super) fn start(&self, who: &str, task: &Task) -> Result<Running, String> {
        let id = format!("bench-{}-{}", std::process::id(), STARTS.fetch_add(1, Ordering::Relaxed));
        let bundle = room::directory().join("bundles").join(&id);
        let told = |why: std::io::Error| format!("its bundle: {why}");
        fs::create_dir_all(&bundle).map_err(told)?;
        fs::write(bundle.join("config.json"), self.config(&id, task).to_string()).map_err(told)?;
        let command = self.runtime.run(&bundle, &id);
        let runtime = self.runtime.clone();
        let clean_up = Box::new(move || {
            // After an orderly end there is nothing to delete, and the runtime says so to nobody.
            quietly(runtime.command("delete", &["--force", &id]));
            drop(fs::remove_dir_all(&bundle));
        });
        Running::process(who, command, Some(clean_up))
    }

    fn config(&self, id: &str, task: &Task) -> Value {
        let mut config = scene::configuration(id, self.seccomp);
        let program = ["/bin/workload".to_owned(), task.op.clone()];
        let words: Vec<String> = program.into_iter().chain(task.words.iter().cloned()).collect();
        config["process"]["args"] = json!(words);
        config["root"]["path"] = json!(self.rootfs);
        if let Some(mounts) = config["mounts"].as_array_mut() {
            mounts.extend(self.mounts.iter().cloned());
        }
        if let Some(cgroup) = &self.cgroup {
            config["linux"]["cgroupsPath"] = json!(cgroup);
        }
        for (name, limit) in self.resources.as_object().into_iter().flatten() {
            config["linux"]["resources"][name] = limit.clone();
        }
        if let Some(network) = &self.network {
            let namespaces = config["linux"]["namespaces"].as_array_mut().into_iter().flatten();
            for namespace in namespaces.filter(|namespace| namespace["type"] == "network") {
                namespace["path"] = json!(network);
            }
        }
        config
    }
}

fn quietly(mut command: Command) {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    drop(command.status());
}

/// Makes the root of all containers in the room.
#[must_use]
pub fn rootfs(programs: &Programs) -> PathBuf {
    let rootfs = room::directory().join("workload-rootfs");
    scene::rootfs(&rootfs, &programs.payload);
    for directory in ["tmp", "data"] {
        fs::create_dir_all(rootfs.join(directory)).must("make the rootfs");
    }
    fs::copy(&programs.workload, rootfs.join("bin/workload")).must("copy workload");
    rootfs
}

/// A container of each runtime of this machine with Docker's filter, and of each without.
#[must_use]
pub fn containers(programs: &Programs) -> Vec<Container> {
    let probe = scene::bundle(programs, "probe", Seccomp::Docker, scene::Life::Short);
    let rootfs = rootfs(programs);
    let runtimes = subject::runtimes(programs, &probe);
    // Left by a crun that gave up.
    let left = format!("/sys/fs/cgroup/rrun-bench-{}-probe", std::process::id());
    drop(fs::remove_dir(left));
    let mut all = Vec::new();
    for runtime in runtimes {
        for seccomp in [Seccomp::Docker, Seccomp::None] {
            all.push(Container::new(&runtime, seccomp, &rootfs));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_metric_adds_is_in_the_configuration() {
        let runtime =
            Runtime { label: "rrun".to_owned(), program: "/bin/rrun".into(), globals: Vec::new() };
        let mut container = Container::new(&runtime, Seccomp::None, Path::new("/root-of-all"));
        container.resources = json!({ "pids": { "limit": 3 } });
        container.network = Some("/run/netns/x".into());
        container.mounts.push(json!({ "destination": "/data", "type": "bind", "source": "/d" }));
        let config = container.config("id", &Task::new("stat").with("n", 5));
        assert_eq!(container.name, "rrun, no seccomp");
        assert_eq!(config["process"]["args"], json!(["/bin/workload", "stat", "n=5"]));
        assert_eq!(config["root"]["path"], "/root-of-all");
        assert_eq!(config["linux"]["resources"]["pids"]["limit"], 3);
        assert!(config["linux"]["resources"]["devices"].is_array());
        assert!(config["linux"].get("seccomp").is_none());
        let text = config.to_string();
        assert!(text.contains("/run/netns/x") && text.contains(r#""source":"/d""#), "{text}");
    }
}
