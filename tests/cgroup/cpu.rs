//! The processor: how much time, on which processors, with which weight.
//!
//! Knows the kernel's own accounts: time used, periods begun, periods in which it was held back. Refuses to race a clock:
//! both ends of a measurement are read where a period begins, and a window in which the machine itself was too busy to
//! give the container its quota says nothing about the limit. A newcomer would compare two instants anywhere in a
//! period, and find a quota too much or too little.

use std::time::{Duration, Instant};

use rrun_harness::{Bundle, Leftovers, Must, eventually, requires};
use serde_json::{Value, json};

use crate::group::{Group, read};

fn limited(cpu: Value) -> Bundle {
    Bundle::new().args(["probe", "sleep"]).set("/linux/resources/cpu", cpu)
}

/// The kernel's account at the beginning of a period.
struct Account {
    used: Duration,
    periods: u64,
    throttled: u64,
    at: Instant,
}

impl Account {
    fn now(group: &Group) -> Account {
        let stat = |key| group.count("cpu", ("cpu.stat", "cpu.stat"), key);
        let used = if group.is_v2("cpu") {
            Duration::from_micros(stat("usage_usec"))
        } else {
            let nanoseconds = read(&group.directory("cpuacct").join("cpuacct.usage"));
            Duration::from_nanos(nanoseconds.parse().must("a number of nanoseconds"))
        };
        let (periods, throttled) = (stat("nr_periods"), stat("nr_throttled"));
        Account { used, periods, throttled, at: Instant::now() }
    }

    /// At the beginning of the first period that is at least `distance` periods after `earlier`.
    fn after(group: &Group, earlier: &Account, distance: u64) -> Account {
        let mut now = Account::now(group);
        let begun = eventually(|| {
            let before = now.periods;
            now = Account::now(group);
            now.periods != before && now.periods >= earlier.periods + distance
        });
        assert!(begun, "no period begins: {} of {distance}", now.periods - earlier.periods);
        now
    }
}

/// Quota over period as it was given between two accounts; `None` when the quota was not what held the container back.
fn share(earlier: &Account, later: &Account) -> Option<f64> {
    let held_back = later.throttled - earlier.throttled == later.periods - earlier.periods;
    let share = (later.used - earlier.used).as_secs_f64() / (later.at - earlier.at).as_secs_f64();
    held_back.then_some(share)
}

#[test]
fn a_quota_is_what_a_busy_process_gets_within_three_percent() {
    requires!(root, cgroup("cpu"));
    const WINDOWS: usize = 3;
    let quota = 0.25;
    let bundle =
        limited(json!({ "quota": 25_000, "period": 100_000 })).args(["probe", "spin", "600"]);
    bundle.up();
    let group = Group::of(&bundle);
    let mut shares = Vec::new();
    let mut earlier = Account::after(&group, &Account::now(&group), 5);
    let measured = eventually(|| {
        let later = Account::after(&group, &earlier, 20);
        shares.extend(share(&earlier, &later));
        earlier = later;
        shares.len() >= WINDOWS
    });
    assert!(measured, "the machine was too busy to measure: {shares:?}");
    shares.sort_by(f64::total_cmp);
    let median = shares[WINDOWS / 2];
    eprintln!(
        "cpu.max {quota}: measured {shares:?}, median off by {:.2} %",
        (median / quota - 1.0) * 100.0
    );
    assert!((median / quota - 1.0).abs() <= 0.03, "{quota} allowed, given {shares:?}");
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn shares_quota_and_period_are_in_the_files_of_the_kernel() {
    requires!(root, cgroup("cpu"));
    let bundle = limited(json!({ "shares": 512, "quota": 50_000, "period": 200_000 }));
    bundle.up();
    let group = Group::of(&bundle);
    if group.is_v2("cpu") {
        // The curve through 2 → 1, 1024 → 100 and 262144 → 10000; runc before 1.3.2 draws a line.
        let weight = if bundle.runtime().is_rrun() { "59" } else { "20" };
        assert_eq!(read(&group.unified().join("cpu.weight")), weight);
        assert_eq!(read(&group.unified().join("cpu.max")), "50000 200000");
    } else {
        let value = |file: &str| read(&group.directory("cpu").join(file));
        assert_eq!(value("cpu.shares"), "512");
        assert_eq!([value("cpu.cfs_quota_us"), value("cpu.cfs_period_us")], ["50000", "200000"]);
    }
}

/// runc 1.1 knows neither.
#[test]
fn burst_and_idle_are_in_the_files_of_the_kernel() {
    requires!(root, cgroup("cpu"), rrun);
    let bundle = limited(json!({ "quota": 50_000, "burst": 10_000, "idle": 1 }));
    bundle.create().success();
    let group = Group::of(&bundle);
    assert_eq!(group.read("cpu", "cpu.max.burst", "cpu.cfs_burst_us"), "10000");
    assert_eq!(group.read("cpu", "cpu.idle", "cpu.idle"), "1");
}

#[test]
fn a_cpuset_is_all_that_the_process_may_run_on() {
    requires!(root, cgroup("cpuset"));
    let bundle = limited(json!({ "cpus": "0", "mems": "0" }));
    let facts = bundle.args(["probe", "facts", "status"]).run().success().json();
    assert_eq!(facts["status"]["cpus"], "0");
    assert_eq!(facts["status"]["memory_nodes"], "0");
}

/// The kernel's own refusal, when cgroups have been made in several hierarchies already: all of them go again.
#[test]
fn a_processor_that_is_not_there_is_refused_and_what_was_made_is_undone() {
    requires!(root, cgroup("cpuset"));
    let bundle = limited(json!({ "cpus": "7000" }));
    let refused = bundle.create().failure().stderr_has("cpuset.cpus");
    if bundle.runtime().is_rrun() {
        refused.stderr_has("/linux/resources/cpu/cpus");
    }
    Leftovers::assert_none(&bundle);
}
