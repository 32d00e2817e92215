//! Limits whose effect a test machine cannot show: block devices, huge pages, and files by name.
//!
//! Knows what the kernel shows when a limit is set. Refuses to generate load on disks. A newcomer would expect the words
//! that were written: `io.max` comes back with every key of a device on one line.

use std::fs;

use rrun_harness::{Bundle, Leftovers, Must, requires};
use serde_json::{Value, json};

use crate::group::{Group, read};

fn limited(resources: Value) -> Bundle {
    Bundle::new().args(["probe", "sleep"]).set("/linux/resources", resources)
}

/// Some whole block device of this machine: a limit is set on it, nothing is read or written.
fn block_device() -> (u32, u32) {
    let mut names: Vec<_> = fs::read_dir("/sys/block")
        .must("list block devices")
        .flatten()
        .map(|entry| entry.path())
        .collect();
    names.sort();
    let first = names.first().must("find a block device");
    let number = read(&first.join("dev"));
    let (major, minor) = number.split_once(':').must("read its number");
    (major.parse().must("read its major number"), minor.parse().must("read its minor number"))
}

#[test]
fn rates_of_a_block_device_are_in_the_files_of_the_kernel() {
    requires!(root, cgroup("io"), block_device);
    let (major, minor) = block_device();
    let rate = |rate: u64| json!([{ "major": major, "minor": minor, "rate": rate }]);
    let bundle = limited(json!({ "blockIO": {
        "throttleReadBpsDevice": rate(1 << 20), "throttleWriteIOPSDevice": rate(100),
    } }));
    bundle.create().success();
    let group = Group::of(&bundle);
    if group.is_v1("blkio") {
        let value = |file: &str| read(&group.directory("blkio").join(file));
        assert_eq!(value("blkio.throttle.read_bps_device"), format!("{major}:{minor} 1048576"));
        assert_eq!(value("blkio.throttle.write_iops_device"), format!("{major}:{minor} 100"));
    } else {
        let expected = format!("{major}:{minor} rbps=1048576 wbps=max riops=max wiops=100");
        assert_eq!(read(&group.unified().join("io.max")), expected);
    }
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_block_device_that_is_not_there_is_refused_and_nothing_is_left() {
    requires!(root, cgroup("io"), rrun);
    let rates = json!([{ "major": 4000, "minor": 7, "rate": 1 }]);
    let bundle = limited(json!({ "blockIO": { "throttleReadBpsDevice": rates } }));
    bundle.create().failure().stderr_has("/linux/resources/blockIO/throttleReadBpsDevice/0");
    Leftovers::assert_none(&bundle);
}

/// Which of the two kinds of weight a kernel has, or none, is its builder's choice; silence is not among the answers.
#[test]
fn a_weight_of_block_io_is_set_or_refused_by_name() {
    requires!(root, cgroup("io"), rrun);
    let bundle = limited(json!({ "blockIO": { "weight": 500 } }));
    let created = bundle.create();
    if created.exit_code() == 0 {
        let directory = Group::of(&bundle).directory("blkio").to_owned();
        let value = |file: &str| fs::read_to_string(directory.join(file)).unwrap_or_default();
        let set = [
            value("io.bfq.weight").starts_with("default 500"),
            value("io.weight").starts_with("default 4950"),
            value("blkio.bfq.weight").starts_with("500"),
        ];
        assert!(set.contains(&true), "no file in {} has it", directory.display());
    } else {
        created.stderr_has("/linux/resources/blockIO/weight").stderr_has("remove the field");
        Leftovers::assert_none(&bundle);
    }
}

/// In use and reserved are limited both. runc leaves the controller alone on hybrid hosts.
#[test]
fn huge_pages_are_limited_twice() {
    requires!(root, rrun);
    let limits = json!([{ "pageSize": "2MB", "limit": 4 << 20 }]);
    let bundle = limited(json!({ "hugepageLimits": limits }));
    bundle.create().success();
    let group = Group::of(&bundle);
    for (v2, v1) in [
        ("hugetlb.2MB.max", "hugetlb.2MB.limit_in_bytes"),
        ("hugetlb.2MB.rsvd.max", "hugetlb.2MB.rsvd.limit_in_bytes"),
    ] {
        assert_eq!(group.read("hugetlb", v2, v1), "4194304", "{v2}");
    }
}

#[test]
fn files_of_cgroup2_are_set_by_name_and_overrule_the_other_fields() {
    requires!(root, cgroup_v2("memory"), cgroup_v2("pids"));
    let bundle = limited(json!({
        "pids": { "limit": 100 },
        "unified": { "memory.high": "50331648", "pids.max": "5", "cgroup.max.depth": "3" },
    }));
    // runc calls everything that starts with "cgroup." a controller that is not there.
    let bundle = match bundle.runtime().is_rrun() {
        true => bundle,
        false => bundle.edit(|config| {
            let unified = config["linux"]["resources"]["unified"].as_object_mut();
            unified.must("find it").remove("cgroup.max.depth");
        }),
    };
    bundle.create().success();
    let group = Group::of(&bundle);
    let value = |file: &str| read(&group.unified().join(file));
    assert_eq!(value("memory.high"), "50331648");
    assert_eq!(value("pids.max"), "5");
    if bundle.runtime().is_rrun() {
        assert_eq!(value("cgroup.max.depth"), "3");
    }
}
