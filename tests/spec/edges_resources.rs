//! Edge cases of `linux.resources`.

use super::Case;
use super::Outcome::{Fails, Parses, Warns};
use rrun::spec::{DeviceNumber, Limit, Spec};

const RESOURCES: &[Case] = &[
    (
        "mem",
        &[(
            "/linux/resources",
            r#"{"memory": {"limit": -1, "reservation": 1, "swap": -1, "kernel": 0, "kernelTCP": 0, "swappiness": 60, "disableOOMKiller": true, "useHierarchy": true, "checkBeforeUpdate": true}}"#,
        )],
        Parses(|s| {
            let memory = s.resources.memory;
            memory.limit == Some(Limit::Unlimited)
                && memory.reservation == Some(Limit::Max(1))
                && memory.disable_oom_killer
        }),
    ),
    (
        "mem-kernel",
        &[("/linux/resources", r#"{"memory": {"kernel": 5}}"#)],
        Warns(
            "ignored: Linux 5.16 and later do not limit kernel memory apart (at /linux/resources/memory/kernel)",
            |_| true,
        ),
    ),
    (
        "mem-zero",
        &[("/linux/resources", r#"{"memory": {"limit": 0, "swap": 0}}"#)],
        Parses(|s| s.resources.memory.limit.is_none()),
    ),
    (
        "mem-negative",
        &[("/linux/resources", r#"{"memory": {"reservation": -2}}"#)],
        Fails(
            "-2 is no limit (at /linux/resources/memory/reservation); use -1 for no limit, or a number that is not negative",
        ),
    ),
    (
        "mem-swap-below-limit",
        &[("/linux/resources", r#"{"memory": {"limit": 10, "swap": 5}}"#)],
        Fails(
            r#"5 for memory and swap is less than the limit 10 (at /linux/resources/memory/swap); raise it: it counts memory and swap together"#,
        ),
    ),
    (
        "cpu",
        &[(
            "/linux/resources",
            r#"{"cpu": {"shares": 2, "quota": -1, "burst": 5, "period": 100000, "realtimeRuntime": 1, "realtimePeriod": 2, "cpus": "0", "mems": "0", "idle": 1}}"#,
        )],
        Parses(|s| {
            let cpu = &s.resources.cpu;
            (cpu.shares, cpu.quota, cpu.idle) == (Some(2), Some(Limit::Unlimited), Some(true))
        }),
    ),
    (
        "cpu-cpus",
        &[("/linux/resources", r#"{"cpu": {"cpus": "3-1"}}"#)],
        Fails(r#""3-1" is no list of numbers (at /linux/resources/cpu/cpus); write it as 0-3,7"#),
    ),
    (
        "pids-nolimit",
        &[("/linux/resources", r#"{"pids": {}}"#)],
        Parses(|s| s.resources.pids.is_none()),
    ),
    (
        "pids-zero",
        &[("/linux/resources", r#"{"pids": {"limit": 0}}"#)],
        Parses(|s| s.resources.pids == Some(Limit::Max(0))),
    ),
    (
        "pids",
        &[("/linux/resources", r#"{"pids": {"limit": -1}}"#)],
        Parses(|s| s.resources.pids == Some(Limit::Unlimited)),
    ),
    (
        "blockIO",
        &[(
            "/linux/resources",
            r#"{"blockIO": {"weight": 10, "weightDevice": [{"major": 8, "minor": 0, "weight": 5}]}}"#,
        )],
        Fails(
            "5 is out of range (at /linux/resources/blockIO/weightDevice/0/weight); use 10 to 1000",
        ),
    ),
    (
        "blockIO-leaf",
        &[(
            "/linux/resources",
            r#"{"blockIO": {"weight": 10, "leafWeight": 5, "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 600}], "throttleWriteIOPSDevice": [{"major": 8, "minor": 0, "rate": 600}]}}"#,
        )],
        Warns(
            "ignored: Linux 5.0 and later have no leaf weights (at /linux/resources/blockIO/leafWeight)",
            |s| {
                let block_io = &s.resources.block_io;
                (block_io.weight, block_io.read_bps[0].rate, block_io.write_iops.len())
                    == (Some(10), 600, 1)
            },
        ),
    ),
    (
        "hugepages",
        &[(
            "/linux/resources",
            r#"{"hugepageLimits": [{"pageSize": "2MB", "limit": 9223372036854772000}]}"#,
        )],
        Parses(|s| s.resources.huge_pages[0].limit == 9_223_372_036_854_772_000),
    ),
    (
        "hugepages-size",
        &[("/linux/resources", r#"{"hugepageLimits": [{"pageSize": "2M", "limit": 1}]}"#)],
        Fails(
            r#""2M" is no size of huge pages (at /linux/resources/hugepageLimits/0/pageSize); write it as 64KB, 2MB or 1GB"#,
        ),
    ),
    (
        "network",
        &[(
            "/linux/resources",
            r#"{"network": {"classID": 1, "priorities": [{"name": "eth0", "priority": 5}]}}"#,
        )],
        Parses(|s| s.resources.network.class_id == Some(1)),
    ),
    (
        "unified",
        &[("/linux/resources", r#"{"unified": {"memory.max": "1"}}"#)],
        Parses(|s| s.resources.unified["memory.max"] == "1"),
    ),
    (
        "unified-path",
        &[("/linux/resources", r#"{"unified": {"../memory.max": "1"}}"#)],
        Fails(
            r#""../memory.max" is no file of a cgroup (at /linux/resources/unified/..~1memory.max); name one file, such as memory.high"#,
        ),
    ),
    (
        "rdma",
        &[("/linux/resources", r#"{"rdma": {"mlx": {"hcaHandles": 3, "hcaObjects": 4}}}"#)],
        Parses(|s| s.resources.rdma["mlx"].hca_objects == Some(4)),
    ),
    (
        "rdma-nothing",
        &[("/linux/resources", r#"{"rdma": {"mlx": {}}}"#)],
        Fails(
            r#"neither hcaHandles nor hcaObjects is given (at /linux/resources/rdma/mlx); add one of them, or remove the device"#,
        ),
    ),
    (
        "devices",
        &[(
            "/linux/resources",
            r#"{"devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": -1, "minor": 3, "access": "rw"}, {"allow": true, "type": "a"}]}"#,
        )],
        Parses(|s: &Spec| {
            let [all, one, open] = s.resources.devices.as_slice() else { return false };
            all.kind.is_none()
                && (one.major, one.minor) == (DeviceNumber::Any, DeviceNumber::Is(3))
                && !one.access.mknod
                && open.access.mknod
        }),
    ),
];

#[test]
fn resources_mean_what_was_decided() {
    super::check(RESOURCES);
}
