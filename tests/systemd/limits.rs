//! Limits, in the cgroup and in the unit.
//!
//! Knows systemd's units: microseconds a second, bit masks. Refuses to ask what the kernel does with a limit, which
//! tests/cgroup.rs asks. A newcomer would forget the reload, at which systemd writes its own idea of every value.

use crate::unit::{Unit, file, reload, scoped, without_reloads};
use rrun_harness::{Leftovers, requires};
use serde_json::json;

const MIB: u64 = 1 << 20;

/// A file, what is in it, a property, what is in that.
type Row = (&'static str, &'static str, &'static str, &'static str);

#[track_caller]
fn check(bundle: &rrun_harness::Bundle, rows: &[Row]) {
    let unit = Unit::of(bundle);
    for (name, value, property, told) in rows {
        if !name.is_empty() {
            assert_eq!(file(bundle, name), *value, "{name}");
        }
        if !property.is_empty() {
            assert_eq!(unit.show(property), *told, "{property}");
        }
    }
}

#[test]
fn every_limit_is_in_the_kernel_and_in_the_unit_and_outlives_a_reload() {
    requires!(root, systemd, cgroup_v2("memory"), cgroup_v2("cpu"), cgroup_v2("pids"), rrun);
    let bundle = scoped().set(
        "/linux/resources",
        json!({
            "memory": {"limit": 64 * MIB, "reservation": 16 * MIB, "swap": 96 * MIB},
            "cpu": {"shares": 512, "quota": 50_000, "period": 100_000, "burst": 10_000, "cpus": "0", "mems": "0"},
            "pids": {"limit": 77},
            "unified": {"memory.high": "33554432"},
        }),
    );
    bundle.up();
    let rows: [Row; 10] = [
        ("memory.max", "67108864", "MemoryMax", "67108864"),
        ("memory.low", "16777216", "MemoryLow", "16777216"),
        ("memory.high", "33554432", "MemoryHigh", "33554432"),
        ("memory.swap.max", "33554432", "MemorySwapMax", "33554432"),
        ("cpu.weight", "59", "CPUWeight", "59"),
        ("cpu.max", "50000 100000", "CPUQuotaPerSecUSec", "500ms"),
        ("cpu.max.burst", "10000", "CPUQuotaPeriodUSec", "100ms"),
        ("cpuset.cpus", "0", "AllowedCPUs", "0"),
        ("cpuset.mems", "0", "AllowedMemoryNodes", "0"),
        ("pids.max", "77", "TasksMax", "77"),
    ];
    check(&bundle, &rows);
    reload();
    check(&bundle, &rows);
    assert_eq!(Unit::of(&bundle).show("NeedDaemonReload"), "no");
    bundle.delete_force().success();
    Unit::of(&bundle).assert_gone(&bundle);
}

/// systemd keeps whole percents: the exact value is the kernel's, and a reload never makes it less.
#[test]
fn a_quota_between_two_percents_is_exact() {
    requires!(root, systemd, cgroup_v2("cpu"), rrun);
    let bundle = scoped().set("/linux/resources/cpu", json!({"quota": 33_333, "period": 100_000}));
    let exact = without_reloads();
    bundle.up();
    check(&bundle, &[("cpu.max", "33333 100000", "CPUQuotaPerSecUSec", "340ms")]);
    drop(exact);
    reload();
    let after = file(&bundle, "cpu.max");
    assert!(["33333 100000", "34000 100000"].contains(&&*after), "{after}");
}

#[test]
fn an_idle_container_is_idle_after_a_reload_too() {
    requires!(root, systemd, cgroup_v2("cpu"), rrun);
    let bundle = scoped().set("/linux/resources/cpu", json!({"shares": 512, "idle": 1}));
    bundle.up();
    let rows: [Row; 1] = [("cpu.idle", "1", "CPUWeight", "idle")];
    check(&bundle, &rows);
    reload();
    check(&bundle, &rows);
}

#[test]
fn devices_of_blocks_are_limited_by_number() {
    requires!(root, systemd, cgroup_v2("io"), block_device, rrun);
    let (major, minor) = block_device();
    let rate = |rate: u64| json!([{"major": major, "minor": minor, "rate": rate}]);
    let bundle = scoped().set(
        "/linux/resources/blockIO",
        json!({"throttleReadBpsDevice": rate(MIB), "throttleWriteIOPSDevice": rate(30)}),
    );
    bundle.up();
    let expected = format!("{major}:{minor} rbps=1048576 wbps=max riops=max wiops=30");
    assert_eq!(file(&bundle, "io.max"), expected);
    let told = Unit::of(&bundle).show("IOReadBandwidthMax");
    assert_eq!(told, format!("/dev/block/{major}:{minor} 1048576"));
    reload();
    assert_eq!(file(&bundle, "io.max"), expected);
}

/// Whole devices only: the kernel limits no partition.
fn block_device() -> (u32, u32) {
    let mut names: Vec<_> =
        std::fs::read_dir("/sys/block").into_iter().flatten().flatten().collect();
    names.sort_by_key(std::fs::DirEntry::file_name);
    let numbers =
        names.iter().find_map(|entry| std::fs::read_to_string(entry.path().join("dev")).ok());
    let numbers = numbers.unwrap_or_default();
    let (major, minor) = numbers.trim().split_once(':').unwrap_or(("0", "0"));
    (major.parse().unwrap_or(0), minor.parse().unwrap_or(0))
}

#[test]
fn an_update_changes_kernel_and_unit() {
    requires!(root, systemd, cgroup_v2("memory"), cgroup_v2("pids"), cgroup_v2("cpu"));
    let bundle = scoped()
        .set("/linux/resources", json!({"memory": {"limit": 64 * MIB}, "pids": {"limit": 50}}));
    bundle.up();
    let flags = ["--memory", "33554432", "--pids-limit", "60", "--cpu-quota", "20000"];
    let words = ["update"].into_iter().chain(flags).chain([bundle.id()]);
    bundle.runtime().call(words).success();
    let rows: [Row; 3] = [
        ("memory.max", "33554432", "MemoryMax", "33554432"),
        ("pids.max", "60", "TasksMax", "60"),
        ("cpu.max", "20000 100000", "CPUQuotaPerSecUSec", "200ms"),
    ];
    check(&bundle, &rows);
    reload();
    check(&bundle, &rows);
    assert_eq!(Unit::of(&bundle).show("NeedDaemonReload"), "no");
}

#[test]
fn an_update_that_is_refused_changes_neither() {
    requires!(root, systemd, cgroup_v2("memory"), cgroup_v2("pids"), cgroup_v2("cpuset"), rrun);
    let resources =
        json!({"memory": {"limit": 64 * MIB}, "pids": {"limit": 50}, "cpu": {"quota": 33_333}});
    let bundle = scoped().set("/linux/resources", resources);
    // systemd's own idea of the quota is coarser, and a reload writes that.
    let _exact = without_reloads();
    bundle.up();
    // The last is no processor of this machine.
    let flags = ["--memory", "33554432", "--cpu-quota", "20000", "--cpuset-cpus", "4000"];
    let words = ["update"].into_iter().chain(flags).chain([bundle.id()]);
    bundle.runtime().call(words).failure().stderr_has("cpuset");
    let rows: [Row; 3] = [
        ("memory.max", "67108864", "MemoryMax", "67108864"),
        ("cpuset.cpus", "", "AllowedCPUs", ""),
        ("cpu.max", "33333 100000", "CPUQuotaPerSecUSec", "340ms"),
    ];
    check(&bundle, &rows);
}

#[test]
fn a_limit_that_the_kernel_refuses_leaves_no_unit() {
    requires!(root, systemd, cgroup_v2("cpuset"), cgroup_v2("memory"));
    let resources = json!({"memory": {"limit": 64 * MIB}, "cpu": {"cpus": "4000"}});
    let bundle = scoped().set("/linux/resources", resources);
    let refused = bundle.create().failure();
    if bundle.runtime().is_rrun() {
        refused.stderr_has("/linux/resources/cpu/cpus");
    }
    Unit::of(&bundle).assert_gone(&bundle);
}

#[test]
fn memory_that_runs_out_ends_the_container_and_its_unit() {
    requires!(root, systemd, cgroup_v2("memory"));
    let memory = json!({"limit": 32 * MIB, "swap": 32 * MIB});
    let bundle = scoped().set("/linux/resources/memory", memory.clone());
    let bundle = bundle.args(["probe", "alloc", "268435456"]);
    bundle.run().code(137);
    Unit::of(&bundle).assert_gone(&bundle);

    let survivor = scoped().set("/linux/resources/memory", memory);
    survivor.up();
    survivor.exec(&[], &["probe", "alloc", "268435456"]).code(137);
    assert_eq!(survivor.status(), "running", "only the one that wanted too much was killed");
    survivor.delete_force().success();
    Unit::of(&survivor).assert_gone(&survivor);
}

#[test]
fn a_container_that_may_have_no_process_is_not_started() {
    requires!(root, systemd, cgroup_v2("pids"), rrun);
    let bundle = scoped().set("/linux/resources/pids", json!({"limit": 0}));
    bundle.create().failure().stderr_has("/linux/resources/pids/limit");
    Unit::of(&bundle).assert_gone(&bundle);
    Leftovers::assert_none(&bundle);
}
