//! Limits that cannot be enforced: an error that names the field and the way out, before anything is made.
//!
//! Knows what each kind of host lacks. Refuses to accept a container that runs without a limit it was given. A newcomer
//! would check the message alone; what matters as much is that no cgroup, process or state is left.

use rrun_harness::requires::{Need, missing};
use rrun_harness::{Bundle, Leftovers, requires};
use serde_json::{Value, json};

#[track_caller]
fn assert_refused(resources: Value, words: &[&str]) {
    let bundle = Bundle::new().set("/linux/resources", resources);
    let refused = bundle.create().failure();
    let refused = words.iter().fold(refused, |refused, word| refused.stderr_has(word));
    assert_eq!(refused.stdout(), "");
    Leftovers::assert_none(&bundle);
}

/// On a host with the controller it is the device that is missing, elsewhere the controller.
#[test]
fn a_limit_of_rdma_names_what_is_missing_and_what_to_do() {
    requires!(root, rrun);
    let limits = json!({ "rdma": { "mlx5_1": { "hcaHandles": 3, "hcaObjects": 10000 } } });
    let pointer = "/linux/resources/rdma/mlx5_1";
    match missing(Need::Cgroup("rdma")) {
        None => assert_refused(limits, &[pointer, "rdma.max", "name a device that exists"]),
        Some(_) => assert_refused(
            limits,
            &[pointer, "the rdma controller is not on this host", "cgroup_disable=rdma"],
        ),
    }
}

/// A controller that a hybrid host keeps in v1 is missing from cgroup2, and the other way round.
#[test]
fn a_file_of_a_controller_that_cgroup2_does_not_have_is_refused_by_name() {
    requires!(root, rrun);
    assert_refused(
        json!({ "unified": { "perf_event.max": "1" } }),
        &[
            "/linux/resources/unified/perf_event.max",
            "no perf_event controller",
            "remove the entry",
        ],
    );
    if std::path::Path::new("/sys/fs/cgroup/unified").is_dir() {
        assert_refused(
            json!({ "unified": { "memory.high": "1000000" } }),
            &["/linux/resources/unified/memory.high", "no memory controller"],
        );
    }
}

#[test]
fn names_in_unified_cannot_leave_the_cgroup_or_take_the_runtimes_own_files() {
    requires!(root, rrun);
    for (name, pointer) in [
        ("../memory.max", "..~1memory.max"),
        ("memory", "memory"),
        ("cgroup.procs", "cgroup.procs"),
        ("cgroup.freeze", "cgroup.freeze"),
    ] {
        assert_refused(
            json!({ "unified": { name: "1" } }),
            &[&format!("/linux/resources/unified/{pointer}")],
        );
    }
}

#[test]
fn fields_that_only_v1_knows_are_refused_by_name_on_cgroup2() {
    requires!(root, cgroup_v2("memory"), rrun);
    for (resources, field) in [
        (json!({ "memory": { "swappiness": 10 } }), "memory/swappiness"),
        (json!({ "memory": { "disableOOMKiller": true } }), "memory/disableOOMKiller"),
        (json!({ "cpu": { "realtimeRuntime": 1000 } }), "cpu/realtimeRuntime"),
        (json!({ "network": { "classID": 1 } }), "network/classID"),
        (
            json!({ "network": { "priorities": [{ "name": "lo", "priority": 1 }] } }),
            "network/priorities",
        ),
    ] {
        let words = [&*format!("/linux/resources/{field}"), "cgroup v1 only", "remove the field"];
        assert_refused(resources, &words);
    }
}

#[test]
fn swap_below_memory_is_refused() {
    requires!(root, cgroup("memory"), rrun);
    assert_refused(
        json!({ "memory": { "limit": 64 << 20, "swap": 32 << 20 } }),
        &["/linux/resources/memory/swap", "less than the limit"],
    );
}

/// Natively the v1 controllers are in the way, in a plain guest there is no systemd; under systemd, tests/systemd.rs asks.
#[test]
fn without_a_systemd_to_ask_nothing_is_made() {
    requires!(root, rrun);
    if missing(Need::Systemd).is_none() {
        return;
    }
    let runtime = rrun_harness::Runtime::under_test().with_globals(["--systemd-cgroup"]);
    let bundle = Bundle::in_runtime(&runtime);
    let refused = bundle.create().failure();
    let (v1, none) = ("systemd's cgroups need cgroup v2 alone", "systemd can't be reached");
    let said = refused.stderr();
    assert!((said.contains(v1) || said.contains(none)) && said.contains("cgroupfs"), "{said}");
    Leftovers::assert_none(&bundle);
}
