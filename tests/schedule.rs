//! When and where the process of a container runs, and from which nodes its memory comes.
//!
//! Runc has the scheduler and I/O priorities since 1.2, the affinity of an exec since 1.3 and memory policies since 1.4; the
//! tests are written so that those pass.

use rrun_harness::{Bundle, Leftovers, Must, Running, Stdio, requires};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;

/// CAP_SYS_NICE, linux/capability.h.
const CAP_SYS_NICE: u32 = 23;

const DEADLINE: &str = "SCHED_DEADLINE";

fn scheduled(scheduler: Value) -> Bundle {
    with_real_time(Bundle::new()).set("/process/scheduler", scheduler)
}

/// Under cgroup v1 a group has no real-time runtime unless it is given some (`CONFIG_RT_GROUP_SCHED`).
fn with_real_time(bundle: Bundle) -> Bundle {
    if fs::metadata("/sys/fs/cgroup/cpu/cpu.rt_runtime_us").is_err() {
        return bundle;
    }
    let path = format!("/{}", bundle.id());
    let bundle = bundle.set("/linux/cgroupsPath", json!(path));
    bundle.set("/linux/resources/cpu/realtimeRuntime", json!(1000))
}

/// A process.json: the container's own with changes.
fn process_file(bundle: &Bundle, change: impl FnOnce(&mut Value)) -> String {
    let mut process = bundle.config()["process"].clone();
    change(&mut process);
    let path = bundle.path().join("process.json");
    fs::write(&path, process.to_string()).must("write process.json");
    path.to_string_lossy().into_owned()
}

fn running() -> Bundle {
    let bundle = Bundle::new().args(["probe", "sleep"]);
    bundle.up();
    bundle
}

/// The processors that we may use.
fn ours() -> Value {
    let status = fs::read_to_string("/proc/self/status").must("read our status");
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    json!(list.must("find our processors").trim())
}

/// The same command, called on processor 0 alone.
fn on_the_first(command: &Command) -> Command {
    let mut narrow = Command::new("taskset");
    narrow.args(["--cpu-list", "0"]).arg(command.get_program()).args(command.get_args());
    narrow
}

#[test]
fn every_policy_is_the_processes_own() {
    requires!(root, rrun, capability(CAP_SYS_NICE));
    let (runtime, deadline, period) = (1_000_000, 5_000_000, 10_000_000);
    for (scheduler, policy, priority, nice) in [
        (json!({ "policy": "SCHED_OTHER", "nice": -7 }), 0, 0, Some(-7)),
        (json!({ "policy": "SCHED_BATCH", "nice": 5 }), 3, 0, Some(5)),
        (json!({ "policy": "SCHED_IDLE" }), 5, 0, None),
        (json!({ "policy": "SCHED_FIFO", "priority": 7 }), 1, 7, None),
        (json!({ "policy": "SCHED_RR", "priority": 9 }), 2, 9, None),
        (
            json!({ "policy": DEADLINE, "runtime": runtime, "deadline": deadline, "period": period }),
            6,
            0,
            None,
        ),
    ] {
        let facts = scheduled(scheduler.clone()).args(["probe", "facts", "schedule"]).facts();
        let seen = &facts["schedule"];
        assert_eq!((&seen["policy"], &seen["priority"]), (&json!(policy), &json!(priority)));
        if let Some(nice) = nice {
            assert_eq!(seen["nice"], nice, "{scheduler}");
        }
    }
}

#[test]
fn flags_reach_the_kernel() {
    requires!(root, rrun, capability(CAP_SYS_NICE));
    let fifo =
        json!({ "policy": "SCHED_FIFO", "priority": 1, "flags": ["SCHED_FLAG_RESET_ON_FORK"] });
    // sched_getscheduler(2): SCHED_FIFO with SCHED_RESET_ON_FORK.
    let bundle = scheduled(fifo).args(["probe", "syscall", "145", "0"]);
    bundle.run().success().stdout_is(&format!("{}\n", 0x4000_0000 | 1));
    // Policy and parameters kept are those of whoever calls the runtime: ours.
    let flags = ["SCHED_FLAG_KEEP_POLICY", "SCHED_FLAG_KEEP_PARAMS"];
    let kept = scheduled(json!({ "policy": "SCHED_RR", "flags": flags }));
    assert_eq!(kept.args(["probe", "facts", "schedule"]).facts()["schedule"]["policy"], 0);
}

#[test]
fn a_clamp_is_set_or_the_kernel_has_none_and_that_is_said() {
    requires!(root, rrun, capability(CAP_SYS_NICE));
    let flags = ["SCHED_FLAG_UTIL_CLAMP_MIN", "SCHED_FLAG_UTIL_CLAMP_MAX"];
    let bundle = scheduled(json!({ "policy": "SCHED_OTHER", "flags": flags }));
    let sched = fs::read_to_string("/proc/self/sched").unwrap_or_default();
    let bundle = bundle.args(["probe", "facts", "schedule"]);
    let output = bundle.run();
    if sched.contains("uclamp.max") {
        assert_eq!(output.success().json()["schedule"]["more"]["uclamp.max"], "0");
    } else {
        output.failure().stderr_has("(at /process/scheduler); this kernel was built without");
    }
}

#[test]
fn root_of_a_user_namespace_gets_a_policy_that_only_the_machines_root_may_give() {
    requires!(root, rrun, capability(CAP_SYS_NICE));
    let fifo = json!({ "policy": "SCHED_FIFO", "priority": 3 });
    let io = json!({ "class": "IOPRIO_CLASS_RT", "priority": 1 });
    let bundle = with_real_time(Bundle::new()).mapped(&[(0, 100_000, 65_536)]);
    let bundle = bundle.set("/process/scheduler", fifo).set("/process/ioPriority", io);
    let facts = bundle.args(["probe", "facts", "schedule"]).facts();
    assert_eq!(facts["schedule"]["priority"], 3);
}

#[test]
fn a_container_that_waits_for_start_has_it_and_so_has_an_exec_with_its_own() {
    requires!(root, rrun, capability(CAP_SYS_NICE));
    let bundle = scheduled(json!({ "policy": "SCHED_BATCH", "nice": 3 }));
    let bundle = bundle.args(["probe", "sleep"]);
    bundle.up();
    let facts = bundle.exec(&[], &["probe", "facts", "schedule"]).success().json();
    assert_eq!((&facts["schedule"]["policy"], &facts["schedule"]["nice"]), (&json!(3), &json!(3)));
    let file = process_file(&bundle, |process| {
        process["args"] = json!(["probe", "facts", "schedule"]);
        process["scheduler"] = json!({ "policy": "SCHED_RR", "priority": 4 });
    });
    let facts = bundle.exec(&["--process", &file], &[]).success().json();
    assert_eq!(facts["schedule"]["priority"], 4);
}

#[test]
fn a_policy_that_the_kernel_refuses_is_one_error_and_leaves_nothing() {
    requires!(root, rrun, capability(CAP_SYS_NICE));
    // Longer than /proc/sys/kernel/sched_deadline_period_max_us, some four seconds.
    let period = 60_000_000_000_u64;
    let bundle = scheduled(json!({ "policy": DEADLINE, "runtime": 2000, "deadline": period }));
    bundle.run().failure().stderr_has("(at /process/scheduler)").stderr_has("sched_setattr");
    bundle.create().failure();
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_deadline_that_would_forbid_the_hooks_to_start_is_refused_before_anything_is_made() {
    requires!(root, rrun);
    let deadline = json!({ "policy": DEADLINE, "runtime": 1_000_000, "deadline": 5_000_000 });
    let bundle = scheduled(deadline).push("/hooks/startContainer", json!({ "path": "/bin/probe" }));
    bundle.run().failure().stderr_has("(at /process/scheduler); add SCHED_FLAG_RESET_ON_FORK");
    Leftovers::assert_none(&bundle);
}

#[test]
fn io_priorities_are_as_configured() {
    requires!(root, rrun, capability(CAP_SYS_NICE));
    for (class, number) in
        [("IOPRIO_CLASS_RT", 1), ("IOPRIO_CLASS_BE", 2), ("IOPRIO_CLASS_IDLE", 3)]
    {
        for priority in [0, 7] {
            let io = json!({ "class": class, "priority": priority });
            // ioprio_get(IOPRIO_WHO_PROCESS, 0)
            let bundle = Bundle::new().set("/process/ioPriority", io);
            let bundle = bundle.args(["probe", "syscall", "252", "1", "0"]);
            bundle.run().success().stdout_is(&format!(
                "{}
",
                number << 13 | priority
            ));
        }
    }
}

#[test]
fn a_narrow_affinity_of_the_caller_is_not_the_containers() {
    // Runc since 1.3.1.
    requires!(root, rrun, program("taskset"));
    let bundle = Bundle::new().args(["probe", "facts", "status"]);
    // It is for execs only.
    let bundle = bundle.set("/process/execCPUAffinity", json!({ "initial": "0", "final": "0" }));
    bundle.write_config();
    let words = ["run", "--bundle", &bundle.path().to_string_lossy(), bundle.id()];
    let command = on_the_first(&bundle.runtime().command(words));
    let output = Running::start(command, &Stdio::Kept, bundle.path()).wait().success();
    assert_eq!(output.json()["status"]["cpus"], ours());
}

#[test]
fn an_exec_runs_where_its_affinity_says_and_without_one_wherever_the_container_may() {
    requires!(root, rrun, program("taskset"));
    let bundle = running();
    let seen = |affinity: Value, narrow: bool| {
        let file = process_file(&bundle, |process| {
            process["args"] = json!(["probe", "facts", "status"]);
            process["execCPUAffinity"] = affinity;
        });
        let words = ["exec", "--process", &file, bundle.id()];
        let command = bundle.runtime().command(words);
        let command = if narrow { on_the_first(&command) } else { command };
        let output = Running::start(command, &Stdio::Kept, bundle.path()).wait().success();
        output.json()["status"]["cpus"].clone()
    };
    assert_eq!(seen(json!(null), true), ours());
    assert_eq!(seen(json!({ "initial": "", "final": "" }), true), ours());
    // A final one, also where it is not among the initial ones.
    assert_eq!(seen(json!({ "final": "0" }), false), "0");
    assert_eq!(seen(json!({ "initial": "0", "final": "0,1" }), false), "0-1");
    assert_eq!(seen(json!({ "initial": "0", "final": "1" }), true), "1");
    // Without a final one it stays where it was sent.
    assert_eq!(seen(json!({ "initial": "1" }), false), "1");
    // Beyond 1024, and processors that are not there, beside one that is.
    assert_eq!(seen(json!({ "final": "1,1500-1600" }), false), "1");
}

#[test]
fn an_exec_sent_to_processors_that_are_not_there_is_one_error() {
    requires!(root, rrun);
    let bundle = running();
    for key in ["initial", "final"] {
        let file = process_file(&bundle, |process| {
            process["execCPUAffinity"] = json!({ key: "1500" });
        });
        let output = bundle.exec(&["--process", &file], &[]).code(255);
        output.stderr_has(&format!("(at /process/execCPUAffinity/{key}); name processors"));
    }
    bundle.expect_status("running");
}

#[test]
fn the_initial_processors_may_be_outside_the_containers_cpuset() {
    requires!(root, rrun, cgroup("cpuset"));
    let bundle = Bundle::new().args(["probe", "sleep"]);
    let bundle = bundle.set("/linux/resources/cpu", json!({ "cpus": "1" }));
    bundle.up();
    let file = process_file(&bundle, |process| {
        process["args"] = json!(["probe", "facts", "status"]);
        process["execCPUAffinity"] = json!({ "initial": "0" });
    });
    let facts = bundle.exec(&["--process", &file], &[]).success().json();
    assert_eq!(facts["status"]["cpus"], "1");
}

#[test]
fn memory_comes_from_the_nodes_of_the_policy_in_the_container_and_in_an_exec() {
    requires!(root, rrun);
    for (policy, seen) in [
        (json!({ "mode": "MPOL_DEFAULT", "nodes": "" }), "default"),
        (json!({ "mode": "MPOL_BIND", "nodes": "0" }), "bind:0"),
        (
            json!({ "mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"] }),
            "bind=static:0",
        ),
        (
            json!({ "mode": "MPOL_INTERLEAVE", "nodes": "0", "flags": ["MPOL_F_RELATIVE_NODES"] }),
            "interleave=relative:0",
        ),
        (json!({ "mode": "MPOL_PREFERRED", "nodes": "0" }), "prefer:0"),
        (json!({ "mode": "MPOL_PREFERRED_MANY", "nodes": "0" }), "prefer (many):0"),
        (json!({ "mode": "MPOL_LOCAL" }), "local"),
    ] {
        let bundle = Bundle::new().set("/linux/memoryPolicy", policy.clone());
        let bundle = bundle.args(["probe", "facts", "memory_policy"]);
        let facts = bundle.run().success().json();
        let first = seen.split(' ').next().unwrap_or(seen);
        assert_eq!(facts["memory_policy"], first, "{policy}");
    }
    let bundle = Bundle::new().args(["probe", "sleep"]);
    let policy = json!({ "mode": "MPOL_BIND", "nodes": "0" });
    let bundle = bundle.set("/linux/memoryPolicy", policy);
    bundle.up();
    let facts = bundle.exec(&[], &["probe", "facts", "memory_policy"]).success().json();
    assert_eq!(facts["memory_policy"], "bind:0");
}

#[test]
fn nodes_that_are_not_there_are_one_error_and_leave_nothing() {
    requires!(root, rrun);
    let policy = json!({ "mode": "MPOL_BIND", "nodes": "900" });
    let bundle = Bundle::new().set("/linux/memoryPolicy", policy);
    let output = bundle.run().failure().stderr_has("(at /linux/memoryPolicy)");
    output.stderr_has("set_mempolicy").stderr_has("name nodes that have memory");
    Leftovers::assert_none(&bundle);
}
