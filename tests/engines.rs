//! The configurations that docker, containerd, its CRI plugin and podman wrote, run for real: what a process sees inside
//! is what the configuration says.
//!
//! Only what belongs to the machine that wrote them is changed, in `engines/adapt.rs`; what is seen is held against the
//! configuration as it then stands, in `engines/compare.rs`. What a newcomer would get wrong: a configuration that runs
//! proves little, for a runtime that ignores a field runs it too.

#[path = "engines/adapt.rs"]
mod adapt;
#[path = "engines/compare.rs"]
mod compare;

use adapt::{adapted, joined_to};
use rrun_harness::{Bundle, Leftovers, Must, Terminal, requires};
use serde_json::{Value, json};
use std::fs;

/// A configuration of the fixtures.
fn written_by(engine: &str) -> Value {
    let path =
        rrun_harness::workspace().join(format!("rootfs-fixtures/specs/engines/{engine}.json"));
    let text = fs::read(&path).must(&format!("read {}", path.display()));
    serde_json::from_slice(&text).must("read JSON")
}

/// Runs it with the probe in place of its program, and holds what that sees against the configuration.
#[track_caller]
fn runs_as_configured(engine: &str) {
    let bundle = adapted(&written_by(engine));
    let facts = bundle.run().success().json();
    compare::assert_as_configured(bundle.config(), &facts);
    Leftovers::assert_none(&bundle);
}

#[test]
fn docker_20_with_ports_limits_and_its_network_hook() {
    requires!(root, cgroup("memory"), cgroup("cpu"));
    let config = written_by("docker20.10-httpd-ports-limits");
    assert!(config.pointer("/hooks/prestart/0").is_some(), "the fixture lost its hook");
    let bundle = adapted(&config);
    let seen = bundle.path().join("hook-0");
    let facts = bundle.run().success().json();
    compare::assert_as_configured(bundle.config(), &facts);
    let state: Value = serde_json::from_slice(&fs::read(seen).must("read what the hook got"))
        .must("read the hook's JSON");
    assert_eq!(state["id"], bundle.id());
    assert!(state["pid"].as_i64().is_some_and(|pid| pid > 1), "{state}");
    Leftovers::assert_none(&bundle);
}

#[test]
fn docker_28_of_a_compose_file() {
    requires!(root, cgroup("memory"), cgroup("cpu"));
    runs_as_configured("docker28.5-compose");
}

#[test]
fn ctr() {
    requires!(root, cgroup("cpu"));
    runs_as_configured("ctr1.6-plain");
}

#[test]
fn ctr_with_seccomp_and_limits() {
    requires!(root, cgroup("memory"), cgroup("cpu"));
    runs_as_configured("ctr1.6-seccomp-limits");
}

#[test]
fn podman_with_limits_in_a_network_namespace_made_before() {
    requires!(root, cgroup("memory"), cgroup("cpu"), cgroup("pids"));
    let network = Bundle::new().args(["probe", "sleep"]);
    network.up();
    let bundle = joined_to(&network, adapted(&written_by("podman4.3-httpd-limits")));
    let facts = bundle.run().success().json();
    compare::assert_as_configured(bundle.config(), &facts);
    Leftovers::assert_none(&bundle);
}

#[test]
fn podman_with_a_terminal() {
    requires!(root, cgroup("pids"));
    let network = Bundle::new().args(["probe", "sleep"]);
    network.up();
    let bundle = joined_to(&network, adapted(&written_by("podman4.3-tty")));
    let mut terminal = Terminal::open(24, 80);
    let running = bundle.run_on(&mut terminal);
    let shown = terminal.drain();
    running.wait().success();
    let facts: Value = serde_json::from_str(shown.trim()).must("read JSON from the terminal");
    compare::assert_as_configured(bundle.config(), &facts);
    assert_eq!(facts["dev"]["console"]["type"], "char");
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_pod_as_cri_makes_it_a_container_in_the_namespaces_of_its_sandbox() {
    requires!(root, cgroup("memory"), cgroup("cpu"));
    let network = Bundle::new().args(["probe", "sleep"]);
    network.up();
    let sandbox = joined_to(&network, adapted(&written_by("cri-containerd2.1-sandbox")));
    let sandbox = sandbox.args(["/bin/probe", "sleep"]);
    sandbox.up();
    let facts = sandbox.exec(&[], &["/bin/probe", "facts"]).success().json();
    compare::assert_as_configured(sandbox.config(), &facts);

    let container = joined_to(&sandbox, adapted(&written_by("cri-containerd2.1-container")));
    let facts = container.run().success().json();
    compare::assert_as_configured(container.config(), &facts);
    assert_eq!(facts["hostname"], sandbox.config()["hostname"]);
    assert!(facts["ids"]["pid"].as_i64().is_some_and(|pid| pid > 1), "{}", facts["ids"]);
    Leftovers::assert_none(&container);
    assert_eq!(sandbox.status(), "running");
}

/// What a runtime that ignored a field would show, is seen.
#[test]
fn the_comparison_sees_what_a_careless_runtime_forgets() {
    requires!(root, cgroup("memory"), cgroup("cpu"));
    let bundle = adapted(&written_by("docker20.10-httpd-ports-limits"));
    let facts = bundle.run().success().json();
    let ours = fs::read_link("/proc/self/ns/net").must("read our namespace");
    let ours = ours.to_string_lossy().split(['[', ']']).nth(1).must("find an inode").to_owned();
    let ours: u64 = ours.parse().must("read an inode");
    for (pointer, careless) in [
        ("/user/euid", json!(1)),
        ("/user/groups", json!([])),
        ("/caps/bounding", json!(u64::MAX >> 23)),
        ("/status/seccomp", json!(0)),
        ("/status/umask", json!("0000")),
        ("/fds/7", json!("/etc/shadow")),
        ("/rlimits/RLIMIT_NOFILE/hard", json!(1)),
        ("/sysctl/net.ipv4.ping_group_range", json!("1 0")),
        ("/hostname", json!("host")),
        ("/namespaces/net", json!(ours)),
        ("/dev/null/rdev", json!([1, 5])),
        ("/mounts", json!([{ "at": "/", "options": [] }])),
    ] {
        let mut broken = facts.clone();
        let (parent, key) = pointer.rsplit_once('/').must("split a pointer");
        broken.pointer_mut(parent).must(pointer)[key] = careless;
        let seen = compare::differences(bundle.config(), &broken);
        assert!(!seen.is_empty(), "{pointer} was not compared");
    }
}
