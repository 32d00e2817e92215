//! How containers end, and what is known of it afterwards.
//!
//! What a newcomer would get wrong: a code of 137 is no proof of a lack of memory; the reason is an event that must have
//! arrived before the container's end was told.

use super::cases::{Case, sh};
use super::node::Node;
use rrun_harness::engines::Ability::{self, Delete, ExitCodes, Kill, OutOfMemory, Restart};
use serde_json::json;

pub const ALL: &[(&str, &[Ability], Case)] = &[
    ("exit codes", &[ExitCodes], codes_and_reasons_are_told),
    ("start error", &[ExitCodes], a_program_that_is_not_there_is_a_start_error),
    ("out of memory", &[OutOfMemory], a_lack_of_memory_is_the_reason),
    ("stop", &[Kill, Delete], a_stop_gives_grace_and_then_kills),
    ("restarts", &[Restart], a_container_made_again_counts_its_attempts),
];

fn codes_and_reasons_are_told(node: &Node<'_>, image: &str) {
    let pod = node.pod("codes", &json!({ "pid": "CONTAINER" }));
    for (script, code, reason) in
        [("exit 0", 0, "Completed"), ("exit 7", 7, "Error"), ("kill -KILL $$", 137, "Error")]
    {
        // The kernel spares the first process of a pid namespace from its own signals.
        let script = if code == 137 { "sh -c 'kill -KILL $$'; exit $?" } else { script };
        let ended = pod.start(&format!("code{code}"), &sh(image, script)).ended();
        assert_eq!(
            (&ended["exit_code"], &ended["reason"]),
            (&json!(code), &json!(reason)),
            "{ended}"
        );
    }
    pod.end();
}

fn a_program_that_is_not_there_is_a_start_error(node: &Node<'_>, image: &str) {
    let pod = node.pod("nope", &json!({ "pid": "CONTAINER" }));
    let fields = json!({ "image": { "image": image }, "command": ["/bin/nope"] });
    let id = pod.create("nope", 0, &fields);
    let start = node.try_call("StartContainer", &json!({ "container_id": id })).failure();
    start.stderr_has("no such file or directory");
    let status = node.call("ContainerStatus", &json!({ "container_id": id }));
    assert_eq!(status["status"]["reason"], "StartError", "{status}");
    assert_eq!(status["status"]["exit_code"], 128, "{status}");
    pod.end();
}

fn a_lack_of_memory_is_the_reason(node: &Node<'_>, image: &str) {
    let pod = node.pod("memory", &json!({ "pid": "CONTAINER" }));
    // Without a line's end in sight, tail keeps everything.
    let mut fields = sh(image, "exec tail /dev/zero");
    fields["linux"]["resources"] =
        json!({ "memory_limit_in_bytes": 16 << 20, "memory_swap_limit_in_bytes": 16 << 20 });
    let ended = pod.start("greedy", &fields).ended();
    assert_eq!(
        (&ended["exit_code"], &ended["reason"]),
        (&json!(137), &json!("OOMKilled")),
        "{ended}"
    );
    pod.end();
}

fn a_stop_gives_grace_and_then_kills(node: &Node<'_>, image: &str) {
    let pod = node.pod("stop", &json!({ "pid": "CONTAINER" }));
    let polite = pod.start(
        "polite",
        &sh(image, "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done"),
    );
    let stubborn =
        pod.start("stubborn", &sh(image, "trap '' TERM; echo up; while :; do sleep 0.05; done"));
    polite.expect_log("up");
    stubborn.expect_log("up");
    polite.stop(60);
    assert_eq!(polite.status()["exit_code"], 3);
    polite.expect_log("bye");
    stubborn.stop(1);
    assert_eq!(stubborn.status()["exit_code"], 137);
    // What has ended may be stopped again, and what is gone is no error to remove.
    polite.stop(0);
    polite.remove();
    polite.remove();
    assert_eq!(node.remains(&[&polite.id]), Vec::<String>::new());
    pod.end();
}

fn a_container_made_again_counts_its_attempts(node: &Node<'_>, image: &str) {
    let pod = node.pod("again", &json!({ "pid": "CONTAINER" }));
    for attempt in 0..3 {
        let one = pod.restart(
            "one",
            attempt,
            &sh(image, &format!("echo attempt {attempt}; exit {attempt}")),
        );
        assert_eq!(one.ended()["exit_code"], attempt);
        one.expect_log(&format!("attempt {attempt}"));
    }
    let all = node.call("ListContainers", &json!({ "filter": { "pod_sandbox_id": pod.id } }));
    let mut attempts: Vec<u64> = all["containers"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["metadata"]["attempt"].as_u64())
        .collect();
    attempts.sort_unstable();
    assert_eq!(attempts, [0, 1, 2]);
    pod.end();
}
