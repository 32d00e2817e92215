//! Memory: who is killed when there is no more, and which number stands in which file.
//!
//! Knows both spellings of each limit. Refuses to measure how much a container needs. A newcomer would let `run` end
//! before reading the count of kills: it is in the cgroup, and that goes with the container.

use std::fs;
use std::process::Command;

use rrun_harness::{Bundle, Leftovers, Must, harness_binary, requires};
use serde_json::json;

use crate::group::{Group, read, unified_mount};

const MIB: u64 = 1 << 20;
const EVENTS: (&str, &str) = ("memory.events", "memory.oom_control");

fn limited(memory: serde_json::Value) -> Bundle {
    Bundle::new().args(["probe", "sleep"]).set("/linux/resources/memory", memory)
}

/// Swap is forbidden where it can be, or a hog would only grow slower.
fn small() -> serde_json::Value {
    json!({ "limit": 32 * MIB })
}

#[test]
fn a_process_that_wants_more_memory_than_allowed_is_killed_and_nobody_else() {
    requires!(root, cgroup("memory"));
    let neighbour = limited(small());
    neighbour.up();
    let hog = limited(small()).args(["probe", "alloc", "268435456"]);
    hog.run().code(137).stdout_is("");
    Leftovers::assert_none(&hog);
    assert_eq!(neighbour.status(), "running");
    let kills = Group::of(&neighbour).count("memory", EVENTS, "oom_kill");
    assert_eq!(kills, 0, "the neighbour has nothing to do with it");
}

#[test]
fn a_hog_brought_in_by_exec_is_killed_counted_and_the_container_lives_on() {
    requires!(root, cgroup("memory"));
    let bundle = limited(small());
    bundle.up();
    let group = Group::of(&bundle);
    bundle.exec(&[], &["probe", "alloc", &MIB.to_string()]).success().stdout_has("touched 1048576");
    assert_eq!(group.count("memory", EVENTS, "oom_kill"), 0);
    bundle.exec(&[], &["probe", "alloc", "268435456"]).code(137);
    assert_eq!(group.count("memory", EVENTS, "oom_kill"), 1);
    assert_eq!(bundle.status(), "running");
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn limits_of_memory_are_in_the_files_of_the_kernel() {
    requires!(root, cgroup("memory"));
    let (limit, reservation, both) = (64 * MIB, 16 * MIB, 96 * MIB);
    let bundle = limited(json!({ "limit": limit, "reservation": reservation, "swap": both }));
    bundle.up();
    let group = Group::of(&bundle);
    let value = |v2: &str, v1: &str| group.read("memory", v2, v1);
    assert_eq!(value("memory.max", "memory.limit_in_bytes"), limit.to_string());
    assert_eq!(value("memory.low", "memory.soft_limit_in_bytes"), reservation.to_string());
    // v1 limits memory and swap together, cgroup2 swap alone.
    let swap = if group.is_v2("memory") { both - limit } else { both };
    assert_eq!(value("memory.swap.max", "memory.memsw.limit_in_bytes"), swap.to_string());
}

#[test]
fn swap_equal_to_memory_means_no_swap_and_minus_one_means_no_limit() {
    requires!(root, cgroup_v2("memory"));
    for (memory, max, swap) in [
        (json!({ "limit": 64 * MIB, "swap": 64 * MIB }), "67108864", "0"),
        (json!({ "limit": 64 * MIB, "swap": -1 }), "67108864", "max"),
        (json!({ "limit": -1 }), "max", "max"),
    ] {
        let bundle = limited(memory.clone());
        bundle.create().success();
        let group = Group::of(&bundle);
        let value = |file: &str| read(&group.unified().join(file));
        assert_eq!([value("memory.max"), value("memory.swap.max")], [max, swap], "{memory}");
    }
}

/// The charge of a file in a tmpfs outlives the process that wrote it, so a cgroup without any process can be full.
#[test]
fn a_limit_below_what_is_used_already_is_refused_on_request() {
    requires!(root, cgroup_v2("memory"));
    let bundle = limited(json!({ "limit": MIB, "checkBeforeUpdate": true }));
    let name = format!("{}-used", bundle.id());
    let (path, file) = (unified_mount().join(&name), format!("/dev/shm/{name}"));
    let bundle = bundle.set("/linux/cgroupsPath", json!(format!("/{name}")));
    fs::create_dir(&path).must("make a cgroup");
    let script = "echo $$ > $0/cgroup.procs && head -c 8388608 /dev/zero > $1";
    let charged = Command::new("sh").args(["-c", script]).arg(&path).arg(&file).status();
    assert!(charged.must("charge the cgroup").success());
    assert!(read(&path.join("memory.current")).parse::<u64>().must("a number") >= 8 * MIB);

    let refused = bundle.create().failure();
    if bundle.runtime().is_rrun() {
        refused.stderr_has("/linux/resources/memory/checkBeforeUpdate").stderr_has("in use");
    }
    fs::remove_file(&file).must("remove the file");
    if bundle.runtime().is_rrun() {
        // It was there before, so it is not ours to remove; runc removes it.
        fs::remove_dir(&path).must("remove the cgroup");
    }
    Leftovers::assert_none(&bundle);
}

/// Too little even for the set-up: who did it is said, and nothing is left.
#[test]
fn a_set_up_that_is_killed_for_want_of_memory_says_so() {
    requires!(root, cgroup("memory"), rrun);
    let bundle = limited(json!({ "limit": 4096 }));
    let refused = bundle.create().code(1);
    refused.stderr_has("for want of memory (at /linux/resources/memory/limit)");
    Leftovers::assert_none(&bundle);
}

/// What the set-up needs is counted in the container's cgroup, too; runc 1.1 takes several megabytes there.
#[test]
fn a_container_with_a_megabyte_of_memory_starts() {
    requires!(root, cgroup("memory"), rrun);
    assert!(harness_binary("probe").is_file());
    let bundle = limited(json!({ "limit": MIB })).args(["probe", "say", "hello"]);
    bundle.run().success().stdout_is("hello\n");
}
