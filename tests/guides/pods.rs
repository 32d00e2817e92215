//! A node that was configured as its guide says, asked for pods as a kubelet asks.
//!
//! Knows the two handlers of the guide and where it says that their containers' state is. Refuses a network: a pod of
//! the host's needs none, and the tests of CRI have one. What a newcomer would get wrong: a configuration that
//! containerd reads may still run no pod.

use std::fs;

use rrun_harness::engines::cri_client;
use rrun_harness::{Must, Output};
use serde_json::{Value, json};

use crate::machine::Machine;
use crate::page;

const SOCKET: &str = "/run/containerd/containerd.sock";

/// A root without CAP_SYS_RESOURCE may not spare a pod's first process from the kernel, as containerd would.
#[track_caller]
pub fn allow(machine: &Machine, configuration: &str) {
    // [plugins.NAME.containerd.runtimes.HANDLER] becomes [plugins.NAME]
    let lines = format!(
        "table=$(sed -n 's/\\.containerd\\.runtimes.*/]/p' {configuration} | head -n 1)\n\
         printf '%s\\n  restrict_oom_score_adj = true\\n' \"$table\" >> {configuration}\n"
    );
    machine.paste(&lines).success();
}

/// A pod by each handler, and none by another.
#[track_caller]
pub fn run(machine: &Machine) {
    // `sandbox_image = "NAME"` of the first version, `sandbox = 'NAME'` of the second.
    let image =
        "containerd config dump | sed -n 's/^ *sandbox\\(_image\\)\\{0,1\\} = .\\(.*\\).$/\\2/p'";
    let image = machine.paste(image).success().stdout().trim().to_owned();
    machine.give_to_pods(&image);
    pod(machine, "rrun", "/run/containerd/rrun/k8s.io");
    pod(machine, "rrun-by-runc-shim", "/run/containerd/runc/k8s.io");

    let request = json!({ "config": config("nope"), "runtime_handler": "nope" });
    let refused = ask(machine, "RunPodSandbox", &request).failure();
    let page = fs::read_to_string(page::at("kubernetes")).must("read the guide");
    refused.stderr_has("no runtime for \"nope\" is configured");
    assert!(page.contains("`no runtime for \"rrun\" is configured`"), "it is not explained");
}

fn config(name: &str) -> Value {
    json!({
        "metadata": { "name": name, "uid": name, "namespace": "default" },
        "log_directory": format!("/var/log/pods/{name}"),
        "linux": { "security_context": { "namespace_options": { "network": "NODE", "pid": "CONTAINER" } } },
    })
}

#[track_caller]
fn pod(machine: &Machine, handler: &str, state: &str) {
    let call = |method: &str, request: Value| ask(machine, method, &request).success().json();
    let pod =
        call("RunPodSandbox", json!({ "config": config(handler), "runtime_handler": handler }));
    let pod = &pod["pod_sandbox_id"];
    let container = json!({
        "metadata": { "name": "one" },
        "image": { "image": "docker.io/library/busybox:latest" },
        "command": ["sh", "-c", "echo started; exec sleep 1000"],
        "log_path": "one.log",
        "linux": { "security_context": { "namespace_options": { "network": "NODE", "pid": "CONTAINER" } } },
    });
    let request =
        json!({ "pod_sandbox_id": pod, "config": container, "sandbox_config": config(handler) });
    let made = call("CreateContainer", request);
    let id = made["container_id"].as_str().must("the container's id").to_owned();
    call("StartContainer", json!({ "container_id": id }));
    let exec = json!({ "container_id": id, "cmd": ["cat", "/proc/1/comm"], "timeout": 60 });
    assert_eq!(call("ExecSync", exec)["stdout"], "sleep\n", "of the handler {handler}");
    machine.paste(&format!("rrun --root {state} list")).success().stdout_has(&id);
    machine
        .paste(&format!("cat /var/log/pods/{handler}/one.log"))
        .success()
        .stdout_has(" stdout F started");
    call("StopPodSandbox", json!({ "pod_sandbox_id": pod }));
    call("RemovePodSandbox", json!({ "pod_sandbox_id": pod }));
}

fn ask(machine: &Machine, method: &str, request: &Value) -> Output {
    machine.paste(&format!("{} {SOCKET} call {method} '{request}'", cri_client().display()))
}
