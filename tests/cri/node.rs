//! A node as its kubelet sees it: pods and containers, by the container runtime interface.
//!
//! Knows how to ask (through `rrun-cri`, which speaks the protocol) and the configuration that a kubelet would send.
//! Refuses to wait for what the interface answers at once. What a newcomer would get wrong: 64-bit numbers come as text,
//! and a pod's configuration goes along with each of its containers.

use nix::sys::signal::{Signal, kill};
pub use rrun_harness::engines::cri_client as client;
use rrun_harness::engines::{Containerd, Room};
use rrun_harness::{Must, Output, eventually};
use serde_json::{Value, json};
use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Where a node's runtime keeps cgroups of pods, beside the room's name.
pub struct Node<'a> {
    containerd: &'a Containerd,
    client: PathBuf,
    handler: &'static str,
    pods: Cell<u32>,
}

impl<'a> Node<'a> {
    /// The node of this containerd; its pods are run by `handler`.
    #[track_caller]
    pub fn new(containerd: &'a Containerd, handler: &'static str) -> Node<'a> {
        Node { containerd, client: client(), handler, pods: Cell::new(0) }
    }

    pub fn room(&self) -> &'a Room {
        self.containerd.room()
    }

    /// `rrun-cri` in the room, where the streaming server listens.
    pub fn client(&self, words: &[&str]) -> Command {
        let mut command = self.room().command(&self.client);
        command.arg(self.containerd.socket()).args(words);
        command
    }

    /// Waits until the interface answers: it comes after the daemon's other services.
    #[track_caller]
    pub fn ready(&self) {
        let answers = || self.try_call("Status", &json!({})).exit_code() == 0;
        assert!(eventually(answers), "the interface does not answer");
    }

    pub fn try_call(&self, method: &str, request: &Value) -> Output {
        self.room().finish(self.client(&["call", method, &request.to_string()]))
    }

    #[track_caller]
    pub fn call(&self, method: &str, request: &Value) -> Value {
        self.try_call(method, request).success().json()
    }

    /// A pod that has its own namespaces; `options` are those of its processes' and users' namespaces.
    #[track_caller]
    pub fn pod(&'a self, name: &str, options: &Value) -> Pod<'a> {
        self.labelled_pod(name, options, &json!({}))
    }

    #[track_caller]
    pub fn labelled_pod(&'a self, name: &str, options: &Value, labels: &Value) -> Pod<'a> {
        let number = self.pods.get();
        self.pods.set(number + 1);
        let logs = self.room().path().join(format!("logs-{name}-{number}"));
        let config = json!({
            "metadata": { "name": name, "uid": format!("{name}-{number}"), "namespace": "default" },
            "hostname": name,
            "log_directory": logs,
            "labels": labels,
            "linux": {
                "cgroup_parent": format!("/{}", self.room().name()),
                "security_context": { "namespace_options": options },
            },
        });
        let request = json!({ "config": config, "runtime_handler": self.handler });
        let answer = self.call("RunPodSandbox", &request);
        let id = answer["pod_sandbox_id"].as_str().must("the pod's id").to_owned();
        Pod { node: self, id, config, logs }
    }

    /// Kills the first process of a pod or container, from outside: the kernel protects it from its own namespace.
    #[track_caller]
    pub fn kill(&self, id: &str) {
        // Its cgroup bears the id; the first in the list is the oldest.
        let of_it = |pid: &i32| {
            let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
            cgroups.contains(id)
        };
        let mut pids = self.room().processes().into_iter().map(|(pid, _)| pid);
        let pid = pids.find(of_it).must(&format!("find a process of {id}"));
        kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL).must("kill it");
    }

    /// Whatever in the room still bears one of these ids.
    pub fn remains(&self, ids: &[&str]) -> Vec<String> {
        let bears = |line: &str| ids.iter().any(|id| line.contains(id));
        let at = self.room().path().display();
        let files = format!(
            "cat /proc/self/mountinfo; find /run {at}/state {at}/root/io.containerd.grpc* -xdev"
        );
        let inside = self.room().sh(&format!("{files} 2>/dev/null; true")).stdout();
        let mut found: Vec<String> =
            inside.lines().filter(|line| bears(line)).map(str::to_owned).collect();
        let processes =
            self.room().processes().into_iter().map(|(pid, line)| format!("{pid} {line}"));
        found.extend(processes.filter(|line| bears(line)));
        let cgroups = self.room().cgroups().into_iter().map(|at| at.display().to_string());
        found.extend(cgroups.filter(|at| bears(at)));
        found
    }
}

/// A pod that runs; it is ended by [`Pod::end`].
pub struct Pod<'a> {
    pub node: &'a Node<'a>,
    pub id: String,
    config: Value,
    logs: PathBuf,
}

impl<'a> Pod<'a> {
    /// A container as `fields` of its configuration say, created; its id.
    #[track_caller]
    pub fn create(&self, name: &str, attempt: u32, fields: &Value) -> String {
        let mut config = json!({
            "metadata": { "name": name, "attempt": attempt },
            "log_path": format!("{name}-{attempt}.log"),
        });
        for (field, value) in fields.as_object().must("a container's fields") {
            config[field] = value.clone();
        }
        let security = &mut config["linux"]["security_context"];
        security["namespace_options"] =
            self.config["linux"]["security_context"]["namespace_options"].clone();
        security["seccomp"] = json!({ "profile_type": "RuntimeDefault" });
        let request =
            json!({ "pod_sandbox_id": self.id, "config": config, "sandbox_config": self.config });
        let answer = self.node.call("CreateContainer", &request);
        answer["container_id"].as_str().must("the container's id").to_owned()
    }

    #[track_caller]
    pub fn start(&self, name: &str, fields: &Value) -> Container<'a> {
        self.restart(name, 0, fields)
    }

    /// The same container again, as a kubelet counts it.
    #[track_caller]
    pub fn restart(&self, name: &str, attempt: u32, fields: &Value) -> Container<'a> {
        let id = self.create(name, attempt, fields);
        self.node.call("StartContainer", &json!({ "container_id": id }));
        Container { node: self.node, id, log: self.logs.join(format!("{name}-{attempt}.log")) }
    }

    #[track_caller]
    pub fn status(&self) -> Value {
        self.node.call("PodSandboxStatus", &json!({ "pod_sandbox_id": self.id }))["status"].take()
    }

    #[track_caller]
    pub fn address(&self) -> String {
        self.status()["network"]["ip"].as_str().must("the pod's address").to_owned()
    }

    /// Stops and removes it, with all its containers; nothing of it may remain.
    #[track_caller]
    pub fn end(self) {
        let named = json!({ "pod_sandbox_id": self.id });
        let inside = self.node.call("ListContainers", &json!({ "filter": named }));
        let inside = inside["containers"].as_array().cloned().unwrap_or_default();
        let mut ids: Vec<&str> = inside.iter().filter_map(|one| one["id"].as_str()).collect();
        ids.push(&self.id);
        self.node.call("StopPodSandbox", &named);
        self.node.call("RemovePodSandbox", &named);
        let mut left = Vec::new();
        eventually(|| {
            left = self.node.remains(&ids);
            left.is_empty()
        });
        assert!(left.is_empty(), "a removed pod left\n  {}", left.join("\n  "));
    }
}

/// A container that was started.
pub struct Container<'a> {
    pub node: &'a Node<'a>,
    pub id: String,
    log: PathBuf,
}

impl Container<'_> {
    /// Runs a command in it: code, stdout and stderr.
    #[track_caller]
    pub fn exec(&self, command: &[&str]) -> (i64, String, String) {
        let answer = self
            .node
            .call("ExecSync", &json!({ "container_id": self.id, "cmd": command, "timeout": 60 }));
        let text = |field: &str| answer[field].as_str().unwrap_or_default().to_owned();
        (answer["exit_code"].as_i64().must("its code"), text("stdout"), text("stderr"))
    }

    /// What a line of shell in it prints, which must succeed.
    #[track_caller]
    pub fn sh(&self, line: &str) -> String {
        let (code, stdout, stderr) = self.exec(&["sh", "-c", line]);
        assert!(code == 0, "`{line}` ended with {code}: {stderr}");
        stdout
    }

    #[track_caller]
    pub fn status(&self) -> Value {
        self.node.call("ContainerStatus", &json!({ "container_id": self.id }))["status"].take()
    }

    /// Waits until it has ended; its status then.
    #[track_caller]
    pub fn ended(&self) -> Value {
        let mut status = Value::Null;
        eventually(|| {
            status = self.status();
            status["state"] == "CONTAINER_EXITED"
        });
        assert_eq!(status["state"], "CONTAINER_EXITED", "{status}");
        status
    }

    #[track_caller]
    pub fn stop(&self, grace: u32) {
        self.node.call("StopContainer", &json!({ "container_id": self.id, "timeout": grace }));
    }

    #[track_caller]
    pub fn remove(&self) {
        self.node.call("RemoveContainer", &json!({ "container_id": self.id }));
    }

    /// What it wrote: the lines of its log, `TIME STREAM TAG WORDS`, without their times.
    pub fn log(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().filter_map(|line| Some(line.split_once(' ')?.1.to_owned())).collect()
    }

    /// Waits until its log has this line.
    #[track_caller]
    pub fn expect_log(&self, line: &str) {
        let has = || self.log().iter().any(|logged| logged.contains(line));
        assert!(eventually(has), "{line:?} is not in its log: {:#?}", self.log());
    }

    #[track_caller]
    pub fn stats(&self) -> Value {
        self.node.call("ContainerStats", &json!({ "container_id": self.id }))["stats"].take()
    }
}

/// A number of the interface, which comes as text.
#[track_caller]
pub fn number(value: &Value) -> u64 {
    let text = value["value"].as_str().or(value.as_str());
    text.and_then(|text| text.parse().ok()).must(&format!("read {value} as a number"))
}
