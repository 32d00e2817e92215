//! Engines that let systemd make cgroups: containerd as a kubelet would ask it, `ctr`, podman and docker.
//!
//! Knows what each calls its scopes. Refuses what engines do without systemd, which their own files ask. A newcomer would
//! give an engine processes of its own, as rooms do elsewhere: systemd is told pids, and they must mean the same to both.

use crate::unit::{Unit, cgroup_of};
use rrun_harness::engines::{Containerd, Docker, Image, Podman, Set, cri_client};
use rrun_harness::{Must, Output, eventually, requires};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Ends at once when it is asked to.
const SLEEPER: &str = "trap 'exit 0' TERM; while :; do sleep 0.1; done";

/// A slice of this test's own, ended with the test.
struct Slice(String);

impl Slice {
    fn new(of: &str) -> Self {
        Slice(format!("rrun{of}{}", std::process::id()))
    }

    /// One in it.
    fn below(&self, name: &str) -> String {
        format!("{}-{name}.slice", self.0)
    }

    /// Its cgroup, or that of one in it.
    fn cgroup(&self, below: Option<&str>) -> PathBuf {
        let top = Path::new("/sys/fs/cgroup").join(format!("{}.slice", self.0));
        below.map_or(top.clone(), |name| top.join(self.below(name)))
    }

    /// Asserts that there is no scope in it.
    #[track_caller]
    fn assert_empty(&self) {
        let mut left = Vec::new();
        let empty = eventually(|| {
            left.clear();
            scopes_in(&self.cgroup(None), &mut left);
            left.is_empty()
        });
        assert!(empty, "{left:?} are left");
    }
}

impl Drop for Slice {
    fn drop(&mut self) {
        // One that nothing was ever in is not there.
        drop(Command::new("systemctl").args(["stop", &format!("{}.slice", self.0)]).status());
    }
}

fn scopes_in(at: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(at).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if path.extension().is_some_and(|extension| extension == "scope") {
                found.push(path.clone());
            }
            scopes_in(&path, found);
        }
    }
}

fn read(at: &Path, name: &str) -> String {
    fs::read_to_string(at.join(name)).must(&format!("read {name}")).trim().to_owned()
}

/// Asserts that systemd and the kernel agree on a container of 64 MiB, half a processor and 50 processes.
#[track_caller]
fn assert_limited(unit: &Unit, cgroup: &Path) {
    for (property, value) in [
        ("ActiveState", "active"),
        ("Delegate", "yes"),
        ("MemoryMax", "67108864"),
        ("CPUQuotaPerSecUSec", "500ms"),
        ("TasksMax", "50"),
    ] {
        assert_eq!(unit.show(property), value, "{property} of {}", unit.name);
    }
    for (file, value) in
        [("memory.max", "67108864"), ("cpu.max", "50000 100000"), ("pids.max", "50")]
    {
        assert_eq!(read(cgroup, file), value, "{file} of {}", cgroup.display());
    }
    assert!(unit.show("ControlGroup").ends_with(&unit.name), "{}", unit.show("ControlGroup"));
}

/// The cgroups of the processes whose command line has `mark`.
fn cgroups_of(all: &[(i32, String)], mark: &str) -> Vec<PathBuf> {
    let marked = all.iter().filter(|(_, line)| line.starts_with(mark));
    marked.map(|(pid, _)| cgroup_of((*pid).into())).collect()
}

/// What a kubelet would say to a containerd.
struct Kubelet<'a> {
    containerd: &'a Containerd,
    client: PathBuf,
}

impl Kubelet<'_> {
    #[track_caller]
    fn ask(&self, method: &str, request: &Value) -> Output {
        let mut command = self.containerd.room().command(&self.client);
        command.arg(self.containerd.socket()).args(["call", method, &request.to_string()]);
        self.containerd.room().finish(command)
    }

    #[track_caller]
    fn call(&self, method: &str, request: &Value) -> Value {
        self.ask(method, request).success().json()
    }

    /// A pod in a slice, and a limited container that runs in it; their ids.
    #[track_caller]
    fn pod(&self, handler: &str, slice: &str, image: &str) -> (Value, Value) {
        let namespaces = json!({ "network": "NODE", "pid": "CONTAINER" });
        let pod = json!({
            "metadata": { "name": handler, "uid": handler, "namespace": "default" },
            "log_directory": self.containerd.room().path().join(handler),
            "linux": {
                "cgroup_parent": slice,
                "security_context": { "namespace_options": namespaces },
            },
        });
        let asked = json!({ "config": pod, "runtime_handler": handler });
        let pod_id = self.call("RunPodSandbox", &asked)["pod_sandbox_id"].take();
        let container = json!({
            "metadata": { "name": "one" },
            "image": { "image": image },
            "command": ["sh", "-c", SLEEPER],
            "linux": {
                "resources": {
                    "memory_limit_in_bytes": 64 << 20, "cpu_quota": 50_000, "cpu_period": 100_000,
                    "unified": { "pids.max": "50" },
                },
                "security_context": { "namespace_options": namespaces },
            },
        });
        let asked = json!({ "pod_sandbox_id": pod_id, "config": container, "sandbox_config": pod });
        let id = self.call("CreateContainer", &asked)["container_id"].take();
        self.call("StartContainer", &json!({ "container_id": id }));
        (pod_id, id)
    }
}

#[test]
fn pods_of_containerd_are_scopes_in_the_kubelets_slice() {
    requires!(root, busybox, systemd, rrun, engines(Set::Own));
    let containerd = Containerd::with(Set::Own, |config| {
        (config.cri, config.systemd) = (true, true);
    });
    let pause = Image::busybox("localhost/pause:1").config("Cmd", json!(["sleep", "1000000"]));
    containerd.import_to("k8s.io", &pause);
    let image = containerd.import_to("k8s.io", &Image::busybox("localhost/bb:1"));
    let kubelet = Kubelet { containerd: &containerd, client: cri_client() };
    let answers = || kubelet.ask("Status", &json!({})).exit_code() == 0;
    assert!(eventually(answers), "it does not answer");
    for handler in ["rrun-shim", "rrun"] {
        a_pods_life(&kubelet, handler, &image);
    }
}

#[track_caller]
fn a_pods_life(kubelet: &Kubelet<'_>, handler: &str, image: &str) {
    let slice = Slice::new("cri");
    let (pod_id, id) = kubelet.pod(handler, &slice.below("pod1"), image);
    let name = |id: &Value| format!("cri-containerd-{}.scope", id.as_str().must("an id"));
    let unit = Unit::named(name(&id));
    let cgroup = slice.cgroup(Some("pod1")).join(&unit.name);
    assert_limited(&unit, &cgroup);
    assert_eq!(unit.show("Slice"), slice.below("pod1"));
    let sandbox = Unit::named(name(&pod_id));
    assert_eq!(sandbox.show("ActiveState"), "active");

    let exec = |words: Value| {
        let asked = json!({ "container_id": id, "cmd": words, "timeout": 60 });
        kubelet.call("ExecSync", &asked)
    };
    let code = exec(json!(["sh", "-c", "cat /sys/fs/cgroup/memory.max; exit 4"]));
    assert_eq!((&code["exit_code"], &code["stdout"]), (&json!(4), &json!("67108864\n")));
    let inside = exec(json!(["cat", "/proc/self/cgroup"]));
    assert_eq!(inside["stdout"], "0::/\n");

    let more = json!({ "memory_limit_in_bytes": 96 << 20 });
    kubelet.call("UpdateContainerResources", &json!({ "container_id": id, "linux": more }));
    assert_eq!(unit.show("MemoryMax"), (96 << 20).to_string());
    assert_eq!(read(&cgroup, "memory.max"), (96 << 20).to_string());
    crate::unit::reload();
    assert_eq!(read(&cgroup, "memory.max"), (96 << 20).to_string());

    kubelet.call("StopContainer", &json!({ "container_id": id, "timeout": 20 }));
    kubelet.call("RemoveContainer", &json!({ "container_id": id }));
    unit.assert_unknown();
    kubelet.call("StopPodSandbox", &json!({ "pod_sandbox_id": pod_id }));
    kubelet.call("RemovePodSandbox", &json!({ "pod_sandbox_id": pod_id }));
    sandbox.assert_unknown();
    slice.assert_empty();
}

/// `ctr` has no options for a shim of another name but a file of them.
#[test]
#[ignore = "minutes more in a guest: cargo xtask vm --systemd TEST --ignored"]
fn ctr_names_the_scope_in_both_shims() {
    requires!(root, busybox, systemd, rrun, engines(Set::Own));
    let containerd = Containerd::with(Set::Own, |config| config.systemd = true);
    let image = containerd.import(&Image::busybox("bb"));
    let options = containerd.room().path().join("shim.toml").to_string_lossy().into_owned();
    let slice = Slice::new("ctr");
    for (way, flags) in [
        ("ours", [containerd.by_our_shim(), vec!["--runtime-config-path".into(), options]]),
        ("runcs", [containerd.by_runcs_shim(), vec!["--runc-systemd-cgroup".into()]]),
    ] {
        let path = format!("{}.slice:made:{way}", slice.0);
        let flags: Vec<String> = flags.concat();
        let mut words = vec!["run", "--detach", "--cgroup", &path];
        words.extend(flags.iter().map(String::as_str));
        words.extend(["--memory-limit", "67108864", "--cpu-quota", "50000"]);
        words.extend(["--cpu-period", "100000", &image, way, "sh", "-c", SLEEPER]);
        containerd.call(&words).success();
        let unit = Unit::named(format!("made-{way}.scope"));
        let cgroup = slice.cgroup(None).join(&unit.name);
        assert_eq!(unit.show("MemoryMax"), "67108864");
        assert_eq!(read(&cgroup, "memory.max"), "67108864");
        assert_eq!(read(&cgroup, "cpu.max"), "50000 100000");
        let said = containerd.call(&["tasks", "exec", "--exec-id", "e", way, "sh", "-c", "exit 3"]);
        said.code(3);
        containerd.call(&["tasks", "pause", way]).success();
        assert!(read(&cgroup, "cgroup.events").contains("frozen 1"));
        containerd.call(&["tasks", "resume", way]).success();
        assert!(containerd.call(&["tasks", "metrics", way]).success().stdout().contains("memory"));
        containerd.call(&["tasks", "kill", "--signal", "SIGKILL", way]).success();
        assert!(eventually(|| containerd.call(&["tasks", "list"]).stdout().contains("STOPPED")));
        containerd.call(&["tasks", "delete", way]).success().stderr_has("exit code 137");
        containerd.call(&["containers", "delete", way]).success();
        unit.assert_unknown();
        slice.assert_empty();
    }
}

#[test]
fn containers_of_podman_are_scopes_in_the_machines_slice() {
    requires!(root, busybox, systemd, engines(Set::Own));
    let image = "localhost/tests:1";
    let podman = Podman::under_systemd();
    podman.load(&Image::busybox(image));
    let limits = ["--memory", "64m", "--cpus", "0.5", "--pids-limit", "50"];
    let words = ["run", "--detach", "--name", "one", "--network", "none"];
    let rest = [image, "/bin/sh", "-c", SLEEPER];
    let id = podman.call(&[&words[..], &limits, &rest].concat()).success().stdout();
    let unit = Unit::named(format!("libpod-{}.scope", id.trim()));
    let cgroup = Path::new("/sys/fs/cgroup/machine.slice").join(&unit.name);
    let own = unit.show("ControlGroup");
    assert_limited(&unit, &cgroup);
    assert_eq!(own, format!("/machine.slice/{}", unit.name));
    podman.call(&["exec", "one", "/bin/sh", "-c", "exit 3"]).code(3);
    podman.call(&["stats", "--no-stream", "one"]).success().stdout_has("67.11MB");
    podman.call(&["pause", "one"]).success();
    assert!(read(&cgroup, "cgroup.events").contains("frozen 1"));
    podman.call(&["unpause", "one"]).success();
    podman.call(&["update", "--memory", "96m", "one"]).success();
    assert_eq!(unit.show("MemoryMax"), (96 << 20).to_string());
    assert_eq!(read(&cgroup, "memory.max"), (96 << 20).to_string());
    podman.call(&["stop", "--time", "20", "one"]).success();
    podman.call(&["inspect", "--format", "{{.State.ExitCode}}", "one"]).success().stdout_is("0\n");
    podman.call(&["rm", "one"]).success();
    unit.assert_unknown();
    Unit::named(format!("libpod-conmon-{}.scope", id.trim())).assert_unknown();
    assert!(cgroups_of(&podman.room().processes(), "conmon").is_empty());
}

#[test]
#[ignore = "minutes more in a guest: cargo xtask vm --systemd TEST --ignored"]
fn containers_of_docker_are_scopes_in_its_slice() {
    requires!(root, busybox, systemd, engines(Set::Own));
    let slice = Slice::new("docker");
    let docker = Docker::under_systemd(Set::Own, &format!("{}.slice", slice.0));
    let image = docker.load(&Image::busybox("bb"));
    let limits = ["--memory", "64m", "--cpus", "0.5", "--pids-limit", "50"];
    // The guest's kernel has AppArmor, and nothing that would compile docker's profile for it.
    let apart = ["--network", "none", "--security-opt", "apparmor=unconfined"];
    let words = ["run", "--detach", "--name", "one"];
    let rest = [&*image, "sh", "-c", SLEEPER];
    let id = docker.call(&[&words[..], &limits, &apart, &rest].concat()).success().stdout();
    let unit = Unit::named(format!("docker-{}.scope", id.trim()));
    let cgroup = slice.cgroup(None).join(&unit.name);
    assert_limited(&unit, &cgroup);
    docker.call(&["exec", "one", "sh", "-c", "exit 3"]).code(3);
    docker.call(&["update", "--memory", "96m", "--memory-swap", "-1", "one"]).success();
    assert_eq!(unit.show("MemoryMax"), (96 << 20).to_string());
    assert_eq!(read(&cgroup, "memory.max"), (96 << 20).to_string());
    docker.call(&["stop", "--time", "20", "one"]).success();
    docker.call(&["inspect", "--format", "{{.State.ExitCode}}", "one"]).success().stdout_is("0\n");
    docker.call(&["rm", "one"]).success();
    unit.assert_unknown();
    slice.assert_empty();
}
