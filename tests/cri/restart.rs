//! containerd goes and comes back: pods do not notice.
//!
//! What a newcomer would get wrong: the interesting container is the one that ends while nobody is there to hear it.

use super::Way;
use super::cases::{sh, sleeper};
use super::node::Node;
use rrun_harness::engines::{Containerd, Set};
use rrun_harness::eventually;
use serde_json::{Value, json};

type Case = fn(&mut Containerd, Way, &str);

pub const ALL: &[(&str, Case)] = &[
    ("shims", a_pod_has_one_shim),
    ("first process", a_pod_whose_first_process_dies_is_not_ready),
    ("restart", containers_outlive_the_daemon),
];

fn a_pod_has_one_shim(containerd: &mut Containerd, way: Way, image: &str) {
    let node = Node::new(containerd, way.handler);
    // A case that failed may have left a pod with its shim.
    let before = containerd.shims(way.shim).len();
    let pod = node.pod("one-shim", &json!({ "pid": "CONTAINER" }));
    for name in ["a", "b", "c"] {
        pod.start(name, &sleeper(image));
    }
    assert_eq!(containerd.shims(way.shim).len() - before, 1);
    let other = node.pod("another", &json!({ "pid": "CONTAINER" }));
    assert_eq!(containerd.shims(way.shim).len() - before, 2);
    other.end();
    pod.end();
    assert!(eventually(|| containerd.shims(way.shim).len() == before), "a shim outlived its pod");
}

fn a_pod_whose_first_process_dies_is_not_ready(containerd: &mut Containerd, way: Way, image: &str) {
    if way.set == Set::Sid && way.shim == "runc" {
        // containerd 2.1 asks runc's shim to go once, when the pod's first process ends; where the container's end is
        // told at the same moment, the shim still has it, stays, and is never asked again.
        return;
    }
    let node = Node::new(containerd, way.handler);
    let pod = node.pod("first", &json!({ "pid": "POD" }));
    let inside = pod.start("inside", &sleeper(image));
    assert_eq!(pod.status()["state"], "SANDBOX_READY");
    // With the first process of a pid namespace all others go.
    node.kill(&pod.id);
    assert!(eventually(|| pod.status()["state"] == "SANDBOX_NOTREADY"), "{}", pod.status());
    assert_eq!(inside.ended()["exit_code"], 137);
    pod.end();
}

fn containers_outlive_the_daemon(containerd: &mut Containerd, way: Way, image: &str) {
    let (kept, gone, pod) = {
        let node = Node::new(containerd, way.handler);
        let pod = node.pod("outlives", &json!({ "pid": "CONTAINER" }));
        let kept = pod.start("kept", &sleeper(image));
        let gone = pod.start(
            "gone",
            &sh(image, "echo up; until [ -e /tmp/go ]; do sleep 0.02; done; exit 6"),
        );
        gone.expect_log("up");
        // It ends as soon as nobody is there to hear it.
        gone.sh("(sleep 2; touch /tmp/go) > /dev/null 2>&1 &");
        (kept.id, gone.id, pod.id)
    };
    containerd.crash();
    let waits = |containerd: &Containerd| {
        containerd.room().processes().iter().any(|(_, line)| line.contains("/tmp/go"))
    };
    assert!(eventually(|| !waits(containerd)), "it never ended");
    containerd.restart();

    let node = Node::new(containerd, way.handler);
    node.ready();
    let status =
        |id: &str| node.call("ContainerStatus", &json!({ "container_id": id }))["status"].take();
    let running = status(&kept);
    assert_eq!(running["state"], "CONTAINER_RUNNING", "{running}");
    let echo = json!({ "container_id": kept, "cmd": ["echo", "still here"], "timeout": 60 });
    assert_eq!(node.call("ExecSync", &echo)["stdout"], "still here\n");
    let mut ended = Value::Null;
    eventually(|| {
        ended = status(&gone);
        ended["state"] == "CONTAINER_EXITED"
    });
    assert_eq!(ended["state"], "CONTAINER_EXITED", "{ended}");
    // containerd 2.1 takes a shim whose task has no processes for a leak, and clears it away with what it knows; runc's
    // shim has none to show, whichever runtime it calls.
    if way.set == Set::Own || way.shim != "runc" {
        assert_eq!(ended["exit_code"], 6, "{ended}");
    }
    for method in ["StopPodSandbox", "RemovePodSandbox"] {
        node.call(method, &json!({ "pod_sandbox_id": pod }));
    }
    let left = || node.remains(&[&kept, &gone, &pod]);
    assert!(eventually(|| left().is_empty()), "{:?}", left());
}
