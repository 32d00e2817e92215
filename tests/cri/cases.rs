//! What a kubelet asks of a runtime while containers run.
//!
//! What a newcomer would get wrong: a limit that the interface accepted may have reached nobody; it is read where the
//! container sees it.

use super::node::{Container, Node, number};
use rrun_harness::engines::Ability::{self, Exec, Limits, Logs, Run, Stats, Tty, Update};
use rrun_harness::{Terminal, eventually};
use serde_json::{Value, json};

pub type Case = fn(&Node<'_>, &str);

pub const ALL: &[(&str, &[Ability], Case)] = &[
    ("a pod", &[Run], two_containers_of_a_pod_share_what_a_pod_shares),
    ("exec", &[Exec], exec_gives_code_and_streams),
    ("exec on a terminal", &[Tty], exec_on_a_terminal),
    ("attach", &[Tty], attach_to_a_terminal),
    ("logs", &[Logs], logs_are_lines_of_both_streams),
    ("limits", &[Limits, Update], limits_and_their_update_are_seen_inside),
    ("stats", &[Stats], stats_are_those_of_the_container),
];

/// Runs for as long as it is let, and ends at once when it is asked to.
pub fn sleeper(image: &str) -> Value {
    sh(image, "trap 'exit 0' TERM; while :; do sleep 0.1; done")
}

pub fn sh(image: &str, script: &str) -> Value {
    json!({ "image": { "image": image }, "command": ["sh", "-c", script] })
}

fn two_containers_of_a_pod_share_what_a_pod_shares(node: &Node<'_>, image: &str) {
    let pod = node.pod("shared", &json!({ "pid": "POD" }));
    let one = pod.start("one", &sh(image, "sleep 4711"));
    let two = pod.start("two", &sleeper(image));
    let seen = two.sh("ps -o args");
    assert!(seen.contains("sleep 4711"), "two does not see one's process: {seen}");
    for namespace in ["pid", "net", "ipc", "uts"] {
        let link = |of: &Container<'_>| of.sh(&format!("readlink /proc/self/ns/{namespace}"));
        assert_eq!(link(&one), link(&two), "namespace {namespace}");
    }
    let own = |of: &Container<'_>| of.sh("readlink /proc/self/ns/mnt");
    assert_ne!(own(&one), own(&two), "they share their mounts");
    assert_eq!(one.sh("hostname"), "shared\n");
    let address = pod.address();
    assert!(two.sh("ip -4 addr show eth0").contains(&address), "eth0 has not {address}");

    let apart = node.pod("apart", &json!({ "pid": "CONTAINER" }));
    let alone = apart.start("alone", &sleeper(image));
    assert!(alone.sh("cat /proc/1/cmdline").contains("trap"), "it is not its namespace's first");
    apart.end();
    pod.end();
}

fn exec_gives_code_and_streams(node: &Node<'_>, image: &str) {
    let pod = node.pod("exec", &json!({ "pid": "CONTAINER" }));
    let inside = pod.start("inside", &sleeper(image));
    let answer = inside.exec(&["sh", "-c", "echo out; echo err >&2; exit 4"]);
    assert_eq!(answer, (4, "out\n".into(), "err\n".into()));
    let words = ["exec", &inside.id, "sh", "-c", "echo out; echo err >&2; exit 9"];
    let streamed = node.room().finish(node.client(&words)).code(9).stdout_is("out\n");
    assert_eq!(streamed.stderr(), "err\n");
    let request = json!({ "container_id": inside.id, "cmd": ["/bin/nope"] });
    node.try_call("ExecSync", &request).failure().stderr_has("no such file or directory");
    // A probe that takes too long is killed, and its container goes on.
    let slow = json!({ "container_id": inside.id, "cmd": ["sleep", "100"], "timeout": 1 });
    node.try_call("ExecSync", &slow).failure().stderr_has("timeout");
    assert!(!inside.sh("ps -o args").contains("sleep 100"), "the probe still runs");
    pod.end();
}

fn exec_on_a_terminal(node: &Node<'_>, image: &str) {
    let pod = node.pod("terminal", &json!({ "pid": "CONTAINER" }));
    let inside = pod.start("inside", &sleeper(image));
    let mut terminal = Terminal::open(24, 80);
    let running = terminal.start(&node.client(&["exec", "-it", &inside.id, "sh"]));
    // What is typed is shown as well: the sum is not in it.
    terminal.type_in("echo on $(tty) $((40 + 2))\n");
    let shown = terminal.expect(" 42");
    assert!(shown.contains("on /dev/pts/"), "{shown:?}");
    terminal.type_in(
        "until [ \"$(stty size)\" = '24 80' ]; do sleep 0.02; done; echo size $((1 + 1))\n",
    );
    terminal.expect("size 2");
    terminal.resize(40, 120);
    terminal.type_in(
        "until [ \"$(stty size)\" = '40 120' ]; do sleep 0.02; done; echo size $((2 + 1))\n",
    );
    terminal.expect("size 3");
    // Interrupted from the keyboard: the shell goes on.
    terminal.type_in("sleep 1000\n");
    assert!(eventually(|| inside.sh("ps -o args").contains("sleep 1000")), "it never slept");
    terminal.type_in("\u{3}");
    terminal.type_in("exit 5\n");
    terminal.drain();
    running.wait().code(5);
    pod.end();
}

fn attach_to_a_terminal(node: &Node<'_>, image: &str) {
    let pod = node.pod("attach", &json!({ "pid": "CONTAINER" }));
    let fields =
        json!({ "image": { "image": image }, "command": ["sh"], "stdin": true, "tty": true });
    let shell = pod.start("shell", &fields);
    let mut terminal = Terminal::open(24, 80);
    let attached = terminal.start(&node.client(&["attach", "-it", &shell.id]));
    terminal.type_in("echo attached $((40 + 2))\n");
    terminal.expect("attached 42");
    shell.expect_log("attached 42");
    // Who goes away leaves the container as it is, and may come back.
    drop(attached);
    let mut again = Terminal::open(24, 80);
    let attached = again.start(&node.client(&["attach", "-it", &shell.id]));
    again.type_in("echo attached $((41 + 2))\n");
    again.expect("attached 43");
    again.type_in("exit 6\n");
    assert_eq!(shell.ended()["exit_code"], 6);
    drop(attached);
    pod.end();
}

fn logs_are_lines_of_both_streams(node: &Node<'_>, image: &str) {
    let pod = node.pod("logs", &json!({ "pid": "CONTAINER" }));
    let script = "echo one; echo two >&2; head -c 20000 /dev/zero | tr '\\0' x; echo; echo last";
    let inside = pod.start("inside", &sh(image, script));
    inside.ended();
    inside.expect_log("stdout F last");
    let log = inside.log();
    assert!(log.contains(&"stdout F one".to_owned()), "{log:?}");
    assert!(log.contains(&"stderr F two".to_owned()), "{log:?}");
    // A line that is too long comes in parts; none of it may be lost.
    let long: usize = log
        .iter()
        .filter(|line| line.starts_with("stdout") && line.ends_with('x'))
        .map(|line| line.bytes().filter(|&byte| byte == b'x').count())
        .sum();
    assert_eq!(long, 20_000);
    pod.end();
}

/// The first of these files of its cgroup that there is: by name, in cgroup v1 and v2.
fn limit(of: &Container<'_>, v1: &str, v2: &str) -> String {
    of.sh(&format!("cd /sys/fs/cgroup; cat {v1} 2>/dev/null || cat {v2}")).trim().to_owned()
}

fn memory_limit(of: &Container<'_>) -> String {
    limit(of, "memory/memory.limit_in_bytes", "memory.max")
}

fn quota(of: &Container<'_>) -> String {
    // `MAX PERIOD` in v2.
    limit(of, "cpu/cpu.cfs_quota_us", "cpu.max").split(' ').next().unwrap_or_default().to_owned()
}

fn limits_and_their_update_are_seen_inside(node: &Node<'_>, image: &str) {
    let pod = node.pod("limits", &json!({ "pid": "CONTAINER" }));
    let mut fields = sleeper(image);
    fields["linux"]["resources"] = json!({
        "memory_limit_in_bytes": 64 << 20, "cpu_quota": 50_000, "cpu_period": 100_000, "cpu_shares": 512,
        "oom_score_adj": 500,
    });
    let inside = pod.start("inside", &fields);
    assert_eq!(memory_limit(&inside), (64 << 20).to_string());
    assert_eq!(quota(&inside), "50000");
    // What 512 shares are as a weight is the runtime's to say; that they are not the default is not.
    assert!(!["1024", "100"].contains(&limit(&inside, "cpu/cpu.shares", "cpu.weight").as_str()));
    assert_eq!(inside.sh("cat /proc/1/oom_score_adj"), "500\n");

    let more =
        json!({ "memory_limit_in_bytes": 96 << 20, "cpu_quota": 75_000, "cpu_period": 100_000 });
    node.call("UpdateContainerResources", &json!({ "container_id": inside.id, "linux": more }));
    assert_eq!(memory_limit(&inside), (96 << 20).to_string());
    assert_eq!(quota(&inside), "75000");
    let told = inside.status();
    assert_eq!(number(&told["resources"]["linux"]["memory_limit_in_bytes"]), 96 << 20);
    pod.end();
}

fn stats_are_those_of_the_container(node: &Node<'_>, image: &str) {
    let pod = node.pod("stats", &json!({ "pid": "CONTAINER" }));
    // Eight megabytes of a file in memory, and a processor in use.
    let script = "head -c 8388608 /dev/zero > /dev/shm/file; echo written; while :; do :; done";
    let busy = pod.start("busy", &sh(image, script));
    let idle = pod.start("idle", &sleeper(image));
    busy.expect_log("written");
    let used = |of: &Container<'_>| {
        let stats = of.stats();
        let memory = number(&stats["memory"]["working_set_bytes"]);
        (number(&stats["cpu"]["usage_core_nano_seconds"]), memory)
    };
    let mut seen = (0, 0);
    // A fifth of a second of work.
    assert!(eventually(|| {
        seen = used(&busy);
        seen.0 > 200_000_000
    }));
    assert!(seen.1 > 7 << 20 && seen.1 < 64 << 20, "{} bytes are in use", seen.1);
    let (time, memory) = used(&idle);
    assert!(
        time > 0 && memory > 0,
        "an idle container has used nothing: {time} ns, {memory} bytes"
    );
    assert!(memory < 7 << 20, "the idle one has {memory} bytes");
    pod.end();
}
