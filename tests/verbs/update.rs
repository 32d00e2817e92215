//! Limits of a container that runs are changed: up, down, in any order, all or none.
//!
//! Knows what stands in the kernel's files in either version. Refuses to know how rrun orders its writes: the tests go up
//! and down in ways that the kernel refuses when they are ordered wrongly. A newcomer would test one change of a fresh
//! container; the second one, against what the first left, is where the mistakes are.
use crate::group::Group;
use rrun_harness::{Bundle, Leftovers, Must, Output, requires};
use serde_json::{Value, json};
use std::fs;

const MIB: u64 = 1 << 20;

fn up(resources: Value) -> (Bundle, Group) {
    let bundle = Bundle::new().args(["probe", "sleep"]).set("/linux/resources", resources);
    bundle.up();
    let group = Group::of(&bundle);
    (bundle, group)
}

fn update(bundle: &Bundle, flags: &[&str]) -> Output {
    let words = ["update"].iter().chain(flags).copied().chain([bundle.id()]);
    bundle.runtime().call(words)
}

/// The same through a file, as podman has it.
fn update_by(bundle: &Bundle, resources: &Value) -> Output {
    let file = bundle.path().join("resources.json");
    fs::write(&file, resources.to_string()).must("write the resources");
    update(bundle, &["--resources", &file.to_string_lossy()])
}

fn end(bundle: &Bundle) {
    bundle.delete_force().success();
    Leftovers::assert_none(bundle);
}

#[test]
fn memory_goes_up_and_down_with_its_swap() {
    requires!(root, cgroup("memory"));
    let (bundle, group) = up(json!({ "memory": { "limit": 64 * MIB, "swap": 64 * MIB } }));
    let limit = || group.read("memory", "memory.max", "memory.limit_in_bytes");
    let both = |limit: u64, both: u64| match group.is_v2("memory") {
        true => (both - limit).to_string(),
        false => both.to_string(),
    };
    let swap = || group.read("memory", "memory.swap.max", "memory.memsw.limit_in_bytes");
    for (memory, with_swap) in [(256, 512), (32, 48), (128, 128), (32, 32), (33, 4096)] {
        let flags = [&format!("--memory={memory}m")[..], "--memory-swap", &format!("{with_swap}M")];
        update(&bundle, &flags).success().stdout_is("");
        assert_eq!(limit(), (memory * MIB).to_string());
        assert_eq!(swap(), both(memory * MIB, with_swap * MIB), "{memory} {with_swap}");
    }
    // Swap alone: memory stays, and is counted in.
    update(&bundle, &["--memory-swap", "96m"]).success();
    assert_eq!((limit(), swap()), ((33 * MIB).to_string(), both(33 * MIB, 96 * MIB)));
    // No limit is none for swap either.
    update(&bundle, &["--memory", "-1"]).success();
    let none = ["max", "9223372036854771712"];
    assert!(none.contains(&&*limit()) && none.contains(&&*swap()), "{} {}", limit(), swap());
    end(&bundle);
}

#[test]
fn quota_and_period_are_changed_one_by_one_and_together() {
    requires!(root, cgroup("cpu"));
    let (bundle, group) = up(json!({ "cpu": { "quota": 50_000, "period": 100_000 } }));
    let pair = || match group.is_v2("cpu") {
        true => group.read("cpu", "cpu.max", ""),
        false => {
            let one = |file: &str| group.read("cpu", "", file);
            format!("{} {}", one("cpu.cfs_quota_us"), one("cpu.cfs_period_us"))
        }
    };
    for (flags, expected) in [
        (&["--cpu-quota", "20000"][..], "20000 100000"),
        (&["--cpu-period", "40000"], "20000 40000"),
        (&["--cpu-quota", "2000", "--cpu-period", "2000"], "2000 2000"),
        (&["--cpu-quota", "900000", "--cpu-period", "1000000"], "900000 1000000"),
        (&["--cpu-quota", "90000", "--cpu-burst", "80000"], "90000 1000000"),
        (&["--cpu-quota", "50000", "--cpu-burst", "10000"], "50000 1000000"),
    ] {
        update(&bundle, flags).success();
        assert_eq!(pair(), expected, "{flags:?}");
    }
    assert_eq!(group.read("cpu", "cpu.max.burst", "cpu.cfs_burst_us"), "10000");
    update(&bundle, &["--cpu-burst=0", "--cpu-quota=-1"]).success();
    assert!(["max 1000000", "-1 1000000"].contains(&&*pair()), "{}", pair());
    end(&bundle);
}

#[test]
fn shares_processes_and_idleness_are_changed_by_a_file() {
    requires!(root, cgroup("cpu"), cgroup("pids"), kernel(5, 15));
    let (bundle, group) = up(json!({ "pids": { "limit": 50 } }));
    update_by(&bundle, &json!({ "cpu": { "shares": 512, "idle": 1 }, "pids": { "limit": 20 } }))
        .success();
    assert_eq!(group.read("pids", "pids.max", "pids.max"), "20");
    assert_eq!(group.read("cpu", "cpu.idle", "cpu.idle"), "1");
    update_by(&bundle, &json!({ "cpu": { "shares": 2048, "idle": 0 }, "pids": { "limit": -1 } }))
        .success();
    assert_eq!(
        group.read("cpu", "cpu.weight", "cpu.shares"),
        if group.is_v2("cpu") { "174" } else { "2048" }
    );
    assert_eq!(group.read("pids", "pids.max", "pids.max"), "max");
    end(&bundle);
}

#[test]
fn standard_input_is_read_in_both_spellings() {
    requires!(root, cgroup("pids"));
    let (bundle, group) = up(json!({}));
    for (spelling, limit) in
        [(&["--resources", "-"][..], "31"), (&["--resources=-"], "32"), (&["-r", "-"], "33")]
    {
        let words = ["update"].iter().chain(spelling).copied().chain([bundle.id()]);
        let mut command = bundle.runtime().command(words);
        let file = bundle.path().join("stdin");
        fs::write(&file, json!({ "pids": { "limit": limit.parse::<u64>().unwrap() } }).to_string())
            .unwrap();
        let output = command.stdin(fs::File::open(&file).unwrap()).output().unwrap();
        assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
        assert_eq!(group.read("pids", "pids.max", "pids.max"), limit);
    }
    end(&bundle);
}

/// The kernel has no processor 8191: what was written before that is put back.
#[test]
fn a_refused_change_leaves_nothing_of_itself() {
    requires!(root, rrun, cgroup("cpu"), cgroup("cpuset"));
    let (bundle, group) =
        up(json!({ "cpu": { "shares": 1024, "quota": 50_000 }, "pids": { "limit": 40 } }));
    let weight = || group.read("cpu", "cpu.weight", "cpu.shares");
    let quota = || group.read("cpu", "cpu.max", "cpu.cfs_quota_us");
    let before = (weight(), quota());
    update(&bundle, &["--cpu-share", "2048", "--cpu-quota", "20000", "--cpuset-mems", "1023"])
        .failure()
        .stderr_has("--cpuset-mems");
    assert_eq!((weight(), quota()), before);
    for (flags, part) in [
        (&["--cpu-period", "5"][..], "--cpu-period"),
        (&["--cpu-share", "2048", "--memory", "64m", "--memory-swap", "32m"], "--memory-swap"),
        (&["--cpu-idle", "7"], "--cpu-idle"),
    ] {
        update(&bundle, flags).code(1).stderr_has(part);
    }
    assert_eq!((weight(), quota()), before);
    update_by(&bundle, &json!({ "cpu": { "period": 5 } })).failure().stderr_has("/cpu/period");
    end(&bundle);
}

/// On a hybrid host the container has no cpuset before: its processes, also those of `exec`, are moved to one.
#[test]
fn processors_are_changed_for_those_who_run_and_who_come() {
    requires!(root, cgroup("cpuset"));
    let (bundle, _) = up(json!({}));
    update(&bundle, &["--cpuset-cpus", "0", "--cpuset-mems", "0"]).success();
    let group = Group::of(&bundle);
    assert_eq!(group.read("cpuset", "cpuset.cpus", "cpuset.cpus"), "0");
    let allowed = |pid: &str| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).must("read its status");
        let line = status.lines().find(|line| line.starts_with("Cpus_allowed_list:"));
        line.must("a list").split_whitespace().nth(1).must("a value").to_owned()
    };
    assert_eq!(allowed(&bundle.state()["pid"].to_string()), "0");
    let pid_file = bundle.path().join("second.pid");
    let file = pid_file.to_string_lossy().into_owned();
    bundle.exec(&["--detach", "--pid-file", &file], &["probe", "sleep"]).success();
    assert_eq!(allowed(fs::read_to_string(&pid_file).must("a pid").trim()), "0");
    let directory = group.directory("cpuset").to_owned();
    end(&bundle);
    assert!(!directory.exists(), "{} was left", directory.display());
}

#[test]
fn devices_that_are_given_replace_those_before() {
    requires!(root);
    let deny = json!({ "allow": false, "access": "rwm" });
    let fuse = json!({ "allow": true, "type": "c", "major": 10, "minor": 229, "access": "rwm" });
    let bundle = Bundle::new()
        .args(["probe", "sleep"])
        .set("/linux/resources/devices", json!([deny, fuse]))
        .push(
            "/linux/devices",
            json!({ "path": "/dev/f", "type": "c", "major": 10, "minor": 229 }),
        );
    bundle.up();
    // Without the driver there is another errno, but not that of a refusal.
    let tried = || bundle.exec(&[], &["probe", "try", "r", "/dev/f"]).success().stdout().to_owned();
    assert!(!tried().contains("EPERM"), "{}", tried());
    update_by(&bundle, &json!({ "devices": [deny] })).success();
    assert!(tried().contains("EPERM"), "{}", tried());
    // Other limits leave them alone.
    update(&bundle, &["--pids-limit", "77"]).success();
    assert!(tried().contains("EPERM"), "{}", tried());
    update_by(&bundle, &json!({ "devices": [{ "allow": true, "access": "rwm" }] })).success();
    assert!(!tried().contains("EPERM"), "{}", tried());
    end(&bundle);
}

#[test]
fn a_limit_below_what_is_used_is_refused_when_that_is_asked() {
    requires!(root, rrun, cgroup("memory"));
    let (bundle, group) = up(json!({ "memory": { "limit": 64 * MIB } }));
    let check =
        json!({ "memory": { "limit": 4096, "checkBeforeUpdate": true }, "pids": { "limit": 9 } });
    update_by(&bundle, &check).failure().stderr_has("in use");
    assert_eq!(group.read("memory", "memory.max", "memory.limit_in_bytes"), (64 * MIB).to_string());
    assert_eq!(bundle.status(), "running");
    end(&bundle);
}

/// An engine that cannot leave a number out sends zeros, and may send everything again of which it changed one field.
#[test]
fn zeros_of_an_engine_leave_the_other_limits_alone() {
    requires!(root, cgroup("memory"), cgroup("cpu"), cgroup("pids"));
    let (bundle, group) = up(json!({
        "memory": { "limit": 64 * MIB },
        "cpu": { "shares": 512, "quota": 50_000, "period": 100_000 },
        "pids": { "limit": 40 },
    }));
    let all = || {
        [
            group.read("cpu", "cpu.weight", "cpu.shares"),
            group.read("cpu", "cpu.max", "cpu.cfs_quota_us"),
            group.read("pids", "pids.max", "pids.max"),
            group.read("memory", "memory.low", "memory.soft_limit_in_bytes"),
        ]
    };
    let before = all();
    let sent = json!({
        "devices": null,
        "memory": {
            "limit": 96 * MIB, "reservation": 0, "swap": 96 * MIB, "kernel": 0, "kernelTCP": 0,
            "disableOOMKiller": false,
        },
        "cpu": {
            "shares": 0, "quota": 0, "period": 0, "realtimeRuntime": 0, "realtimePeriod": 0, "cpus": "",
            "mems": "",
        },
        "blockIO": { "weight": 0 },
    });
    update_by(&bundle, &sent).success().stdout_is("");
    assert_eq!(all(), before);
    let limit = || group.read("memory", "memory.max", "memory.limit_in_bytes");
    assert_eq!(limit(), (96 * MIB).to_string());
    let mut whole = bundle.config()["linux"]["resources"].clone();
    whole["memory"]["limit"] = json!(80 * MIB);
    update_by(&bundle, &whole).success().stdout_is("");
    assert_eq!((all(), limit()), (before, (80 * MIB).to_string()));
    end(&bundle);
}

/// Huge pages are not counted for a container without a limit; the controller comes with the first one.
#[test]
fn a_controller_is_enabled_when_it_is_first_asked_for() {
    requires!(root, cgroup("hugetlb"));
    let (bundle, group) = up(json!({}));
    let limits = |limit: u64| json!({ "hugepageLimits": [{ "pageSize": "2MB", "limit": limit }] });
    for limit in [4 * MIB, 2 * MIB] {
        update_by(&bundle, &limits(limit)).success();
        let value = group.read("hugetlb", "hugetlb.2MB.max", "hugetlb.2MB.limit_in_bytes");
        assert_eq!(value, limit.to_string());
    }
    end(&bundle);
}

#[test]
fn limits_of_cgroup2_alone_are_changed_by_their_file() {
    requires!(root, cgroup_v2("memory"));
    let (bundle, group) = up(json!({}));
    update_by(&bundle, &json!({ "unified": { "memory.high": "33554432" } })).success();
    assert_eq!(group.read("memory", "memory.high", ""), "33554432");
    let error = update_by(&bundle, &json!({ "unified": { "memory.high": "x" } })).failure();
    error.stderr_has("memory.high");
    assert_eq!(group.read("memory", "memory.high", ""), "33554432");
    end(&bundle);
}

#[test]
fn what_was_changed_while_it_is_paused_or_not_started_yet_holds() {
    requires!(root, cgroup("pids"));
    let bundle = Bundle::new().args(["probe", "sleep"]);
    bundle.create().success();
    let group = Group::of(&bundle);
    update(&bundle, &["--pids-limit", "21"]).success();
    assert_eq!(group.read("pids", "pids.max", "pids.max"), "21");
    bundle.start().success();
    bundle.runtime().call(["pause", bundle.id()]).success();
    update(&bundle, &["--pids-limit", "22"]).success();
    assert_eq!(group.read("pids", "pids.max", "pids.max"), "22");
    assert_eq!(bundle.status(), "paused");
    end(&bundle);
}
