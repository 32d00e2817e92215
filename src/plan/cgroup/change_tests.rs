//! Changes of limits: what is written, and in which order.

use super::*;
use crate::plan::cgroup::Write;
use crate::spec::{Cpu, Memory};

const MIB: u64 = 1 << 20;

fn memory(limit: Option<Limit>, swap: Option<Limit>) -> Resources {
    Resources { memory: Memory { limit, swap, ..Memory::default() }, ..Resources::default() }
}

fn hybrid() -> Host {
    Host::hybrid_fixture()
}

fn files(settings: &[Setting]) -> Vec<String> {
    let line = |one: &Setting| match one {
        Setting::Write(Write { file, value, .. }) => format!("{file}={value}"),
        Setting::RefuseIfUsed { file, .. } => format!("check {file}"),
    };
    settings.iter().map(line).collect()
}

/// The writes to v1's memory after they were sorted against what stands there.
fn sorted(mut settings: Vec<Setting>, stands: &[(&str, &str)]) -> Vec<String> {
    sort(&mut settings, |file| {
        let found = stands.iter().find(|(name, _)| *name == file);
        found.map(|(_, text)| (*text).to_owned())
    });
    files(&settings)
}

#[test]
fn memory_grows_from_the_outer_limit_and_shrinks_from_the_inner_one() {
    let max = |mib: u64| Some(Limit::Max(mib * MIB));
    let stands =
        [("memory.limit_in_bytes", "67108864\n"), ("memory.memsw.limit_in_bytes", "67108864\n")];
    let order = |limit, swap| {
        let settings = v1::memory(&memory(limit, swap)).unwrap();
        sorted(settings, &stands).iter().map(|line| line.starts_with("memory.memsw")).collect()
    };
    let memsw_first: Vec<bool> = order(max(128), max(256));
    assert_eq!(memsw_first, [true, false]);
    let memsw_first: Vec<bool> = order(max(32), max(48));
    assert_eq!(memsw_first, [false, true]);
    let memsw_first: Vec<bool> = order(Some(Limit::Unlimited), Some(Limit::Unlimited));
    assert_eq!(memsw_first, [true, false]);
}

#[test]
fn a_shorter_period_comes_after_its_quota_and_a_smaller_burst_before() {
    let cpu = |quota: u64, period, burst| Resources {
        cpu: Cpu { quota: Some(Limit::Max(quota)), period, burst, ..Cpu::default() },
        ..Resources::default()
    };
    let stands = [
        ("cpu.cfs_period_us", "100000\n"),
        ("cpu.cfs_quota_us", "50000\n"),
        ("cpu.cfs_burst_us", "40000\n"),
        ("cpu.max", "50000 100000\n"),
        ("cpu.max.burst", "40000\n"),
    ];
    let v1 = |resources| sorted(v1::cpu(&resources).unwrap(), &stands);
    assert_eq!(
        v1(cpu(5000, Some(10_000), None)),
        ["cpu.cfs_quota_us=5000", "cpu.cfs_period_us=10000"]
    );
    assert_eq!(
        v1(cpu(100_000, Some(200_000), Some(90_000))),
        ["cpu.cfs_period_us=200000", "cpu.cfs_quota_us=100000", "cpu.cfs_burst_us=90000"]
    );
    assert_eq!(
        v1(cpu(20_000, None, Some(10_000))),
        ["cpu.cfs_burst_us=10000", "cpu.cfs_quota_us=20000"]
    );
    let v2 = |resources| sorted(v2::cpu(&resources).unwrap(), &stands);
    assert_eq!(
        v2(cpu(20_000, Some(100_000), Some(10_000))),
        ["cpu.max.burst=10000", "cpu.max=20000 100000"]
    );
    assert_eq!(
        v2(cpu(90_000, Some(100_000), Some(60_000))),
        ["cpu.max=90000 100000", "cpu.max.burst=60000"]
    );
}

#[test]
fn who_wakes_from_idleness_gets_its_weight_afterwards() {
    let cpu = |idle| Resources {
        cpu: Cpu { shares: Some(1024), idle: Some(idle), ..Cpu::default() },
        ..Resources::default()
    };
    let order = |idle| sorted(v2::cpu(&cpu(idle)).unwrap(), &[("cpu.idle", "1\n")]);
    assert_eq!(order(false), ["cpu.idle=0", "cpu.weight=100"]);
    assert_eq!(order(true), ["cpu.weight=100", "cpu.idle=1"]);
}

#[test]
fn the_other_half_of_a_pair_is_what_stands() {
    let standing = Standing {
        memory: Some(Limit::Max(64 * MIB)),
        quota: Some(Limit::Max(50_000)),
        period: Some(20_000),
    };
    let quota = Resources {
        cpu: Cpu { quota: Some(Limit::Max(9000)), ..Cpu::default() },
        ..Resources::default()
    };
    assert_eq!(standing.complete(&quota).cpu.period, Some(20_000));
    let period =
        Resources { cpu: Cpu { period: Some(10_000), ..Cpu::default() }, ..Resources::default() };
    assert_eq!(standing.complete(&period).cpu.quota, Some(Limit::Max(50_000)));
    let swap = standing.complete(&memory(None, Some(Limit::Max(96 * MIB))));
    assert_eq!(files(&v2::memory(&swap).unwrap())[0], format!("memory.swap.max={}", 32 * MIB));
    let unlimited = standing.complete(&memory(Some(Limit::Unlimited), None));
    assert_eq!(unlimited.memory.swap, Some(Limit::Unlimited));
    assert_eq!(standing.complete(&Resources::default()), Resources::default());
}

#[test]
fn only_what_is_asked_is_written_where_the_container_is() {
    let made = [PathBuf::from("/sys/fs/cgroup/memory/process/web")];
    let own = Path::new("/sys/fs/cgroup/unified/web");
    let change = |resources: &Resources| change(resources, &hybrid(), Some(own), &made).unwrap();
    let nothing = change(&Resources::default());
    assert!(nothing.v1.is_empty() && nothing.devices.is_none());
    assert!(
        nothing.unified.is_some_and(|place| place.settings.is_empty() && place.enable.is_empty())
    );
    let limited = change(&memory(Some(Limit::Max(MIB)), None));
    let [v1] = &limited.v1[..] else { panic!("{limited:?}") };
    assert_eq!((v1.place.path.as_str(), v1.inherits_cpuset), ("/process/web", false));
    assert_eq!(files(&v1.place.settings), ["memory.limit_in_bytes=1048576"]);
    // Where it has none, it would be beside the others.
    let cpus = Cpu { cpus: Some("0".into()), ..Cpu::default() };
    let pinned = change(&Resources { cpu: cpus, ..Resources::default() });
    let [v1] = &pinned.v1[..] else { panic!("{pinned:?}") };
    assert_eq!((v1.place.path.as_str(), v1.inherits_cpuset), ("/web", true));
}

#[test]
fn a_container_without_a_cgroup_has_no_limits_to_change() {
    let host = Host::fixture();
    assert!(change(&Resources::default(), &host, None, &[]).is_ok());
    let error = change(&memory(Some(Limit::Max(MIB)), None), &host, None, &[]).unwrap_err();
    assert_eq!(
        (error.kind(), error.pointer()),
        (Kind::Host, Some("/linux/resources/memory/limit"))
    );
}

#[test]
fn rules_that_allow_every_device_replace_a_program_too() {
    let allow = crate::spec::DeviceRule {
        allow: true,
        kind: None,
        major: crate::spec::DeviceNumber::Any,
        minor: crate::spec::DeviceNumber::Any,
        access: crate::spec::DeviceAccess { read: true, write: true, mknod: true },
    };
    let own = Path::new("/sys/fs/cgroup/web");
    let resources = Resources { devices: vec![allow], ..Resources::default() };
    let with = change(&resources, &Host::fixture(), Some(own), &[]).unwrap();
    assert!(with.devices.is_some());
    let rootless = Host { euid: 1000, ..Host::fixture() };
    let unguarded = change(&resources, &rootless, Some(own), &[]).unwrap();
    assert!(unguarded.devices.is_none() && unguarded.warnings.is_empty());
}
