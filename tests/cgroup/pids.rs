//! The number of processes, whoever starts them.
//!
//! Knows `pids.max` in both hierarchies. Refuses to count by looking: the kernel's refusal is the proof. A newcomer would
//! expect `limit` children; the process that forks is one of them.

use rrun_harness::{Bundle, Leftovers, requires};
use serde_json::json;

use crate::group::Group;

fn limited(limit: i64) -> Bundle {
    let bundle = Bundle::new().args(["probe", "sleep"]);
    bundle.set("/linux/resources/pids", json!({ "limit": limit }))
}

#[test]
fn a_fork_bomb_stops_at_the_limit() {
    requires!(root, cgroup("pids"));
    let bundle = limited(16).args(["probe", "forkbomb", "100"]);
    bundle.run().success().stdout_has("started 15 refused EAGAIN");
    Leftovers::assert_none(&bundle);
}

#[test]
fn processes_of_exec_count_and_one_too_many_is_refused_while_the_container_lives_on() {
    requires!(root, cgroup("pids"));
    // runc 1.1 is several threads while it enters a container; rrun is one process.
    let limit = if Bundle::new().runtime().is_rrun() { 2 } else { 32 };
    let bundle = limited(limit);
    bundle.up();
    let told = bundle.exec(&[], &["probe", "forkbomb", "100"]).success();
    told.stdout_has(&format!("started {} refused EAGAIN", limit - 2));
    let mut held = Vec::new();
    for _ in 2..=limit {
        let one = bundle.start_exec(&[], &["probe", "sleep"]);
        one.expect_stdout("ready");
        held.push(one);
        if !bundle.runtime().is_rrun() {
            break;
        }
    }
    assert_eq!(
        Group::of(&bundle).read("pids", "pids.current", "pids.current"),
        (held.len() + 1).to_string()
    );
    if bundle.runtime().is_rrun() {
        bundle
            .exec(&[], &["probe", "exit", "0"])
            .failure()
            .stderr_has("/linux/resources/pids/limit");
    }
    assert_eq!(bundle.status(), "running");
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

/// As the specification has it since 1.2; runc 1.1 reads zero as no limit.
#[test]
fn zero_is_a_limit() {
    requires!(root, cgroup("pids"), rrun);
    let bundle = limited(0);
    bundle.run().failure().stderr_has("/linux/resources/pids/limit").stderr_has("raise the limit");
    Leftovers::assert_none(&bundle);
}

#[test]
fn minus_one_is_no_limit() {
    requires!(root, cgroup("pids"));
    let bundle = limited(-1);
    bundle.create().success();
    assert_eq!(Group::of(&bundle).read("pids", "pids.max", "pids.max"), "max");
}
