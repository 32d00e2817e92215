//! Every field of a Linux configuration that runtime-spec 1.3 has, and how rrun answers it. None is silently ignored.
//!
//! The proof for a field that is read: a value of a wrong type is an error *at that field*. An unknown field would not be
//! looked at.

use super::{base, parse};
use rrun::error::Kind;
use serde_json::{Value, json};

/// Fields that are read, by JSON pointer; `0` is an element of an array, `x` a key of a map.
const READ: &[(&str, &[&str])] = &[
    ("", &["ociVersion", "root", "process", "hostname", "domainname", "mounts", "hooks"]),
    ("", &["annotations", "annotations/x", "linux"]),
    ("/root/", &["path", "readonly"]),
    (
        "/process/",
        &[
            "terminal",
            "consoleSize",
            "consoleSize/height",
            "consoleSize/width",
            "cwd",
            "env",
            "env/0",
            "args",
            "args/0",
            "commandLine",
            "user",
            "user/uid",
            "user/gid",
            "user/umask",
            "user/additionalGids",
            "user/additionalGids/0",
            "user/username",
            "capabilities",
            "capabilities/bounding",
            "capabilities/effective",
            "capabilities/inheritable",
            "capabilities/permitted",
            "capabilities/ambient",
            "rlimits",
            "rlimits/0/type",
            "rlimits/0/soft",
            "rlimits/0/hard",
            "noNewPrivileges",
            "apparmorProfile",
            "oomScoreAdj",
            "selinuxLabel",
            "scheduler",
            "scheduler/policy",
            "scheduler/nice",
            "scheduler/priority",
            "scheduler/flags",
            "scheduler/flags/0",
            "scheduler/runtime",
            "scheduler/deadline",
            "scheduler/period",
            "ioPriority",
            "ioPriority/class",
            "ioPriority/priority",
            "execCPUAffinity",
            "execCPUAffinity/initial",
            "execCPUAffinity/final",
        ],
    ),
    (
        "/mounts/0/",
        &[
            "destination",
            "type",
            "source",
            "options",
            "options/0",
            "uidMappings",
            "gidMappings",
            "uidMappings/0/containerID",
            "uidMappings/0/hostID",
            "uidMappings/0/size",
            "gidMappings/0/containerID",
            "gidMappings/0/hostID",
            "gidMappings/0/size",
        ],
    ),
    ("/hooks/", &["prestart", "createRuntime", "createContainer", "startContainer"]),
    ("/hooks/", &["poststart", "poststop", "prestart/0/path", "prestart/0/args"]),
    ("/hooks/", &["createRuntime/0/env", "poststop/0/timeout", "startContainer/0/path"]),
    (
        "/linux/",
        &[
            "namespaces",
            "namespaces/0/type",
            "namespaces/0/path",
            "uidMappings",
            "gidMappings",
            "uidMappings/0/containerID",
            "uidMappings/0/hostID",
            "uidMappings/0/size",
            "gidMappings/0/containerID",
            "gidMappings/0/hostID",
            "gidMappings/0/size",
            "timeOffsets",
            "timeOffsets/x/secs",
            "timeOffsets/x/nanosecs",
            "devices",
            "devices/0/type",
            "devices/0/path",
            "devices/0/major",
            "devices/0/minor",
            "devices/0/fileMode",
            "devices/0/uid",
            "devices/0/gid",
            "netDevices",
            "netDevices/x",
            "netDevices/x/name",
            "intelRdt",
            "intelRdt/closID",
            "intelRdt/schemata",
            "intelRdt/schemata/0",
            "intelRdt/l3CacheSchema",
            "intelRdt/memBwSchema",
            "intelRdt/enableMonitoring",
            "intelRdt/enableCMT",
            "intelRdt/enableMBM",
            "cgroupsPath",
            "resources",
            "sysctl",
            "sysctl/x",
            "seccomp",
            "rootfsPropagation",
            "maskedPaths",
            "maskedPaths/0",
            "readonlyPaths",
            "readonlyPaths/0",
            "mountLabel",
            "personality",
            "personality/domain",
            "personality/flags",
            "memoryPolicy",
            "memoryPolicy/mode",
            "memoryPolicy/nodes",
            "memoryPolicy/flags",
            "memoryPolicy/flags/0",
        ],
    ),
    (
        "/linux/resources/",
        &[
            "devices",
            "devices/0/allow",
            "devices/0/type",
            "devices/0/major",
            "devices/0/minor",
            "devices/0/access",
            "memory",
            "memory/limit",
            "memory/reservation",
            "memory/swap",
            "memory/kernel",
            "memory/kernelTCP",
            "memory/swappiness",
            "memory/disableOOMKiller",
            "memory/useHierarchy",
            "memory/checkBeforeUpdate",
            "cpu",
            "cpu/shares",
            "cpu/quota",
            "cpu/burst",
            "cpu/period",
            "cpu/realtimeRuntime",
            "cpu/realtimePeriod",
            "cpu/cpus",
            "cpu/mems",
            "cpu/idle",
            "pids",
            "pids/limit",
            "blockIO",
            "blockIO/weight",
            "blockIO/leafWeight",
            "blockIO/weightDevice",
            "blockIO/weightDevice/0/major",
            "blockIO/weightDevice/0/minor",
            "blockIO/weightDevice/0/weight",
            "blockIO/weightDevice/0/leafWeight",
            "blockIO/throttleReadBpsDevice",
            "blockIO/throttleWriteBpsDevice",
            "blockIO/throttleReadIOPSDevice",
            "blockIO/throttleWriteIOPSDevice",
            "blockIO/throttleReadBpsDevice/0/major",
            "blockIO/throttleReadBpsDevice/0/minor",
            "blockIO/throttleReadBpsDevice/0/rate",
            "hugepageLimits",
            "hugepageLimits/0/pageSize",
            "hugepageLimits/0/limit",
            "network",
            "network/classID",
            "network/priorities",
            "network/priorities/0/name",
            "network/priorities/0/priority",
            "rdma",
            "rdma/x/hcaHandles",
            "rdma/x/hcaObjects",
            "unified",
            "unified/x",
        ],
    ),
    (
        "/linux/seccomp/",
        &[
            "defaultAction",
            "defaultErrnoRet",
            "architectures",
            "architectures/0",
            "flags",
            "flags/0",
            "listenerPath",
            "listenerMetadata",
            "syscalls",
            "syscalls/0/names",
            "syscalls/0/action",
            "syscalls/0/errnoRet",
            "syscalls/0/args",
            "syscalls/0/args/0/index",
            "syscalls/0/args/0/value",
            "syscalls/0/args/0/valueTwo",
            "syscalls/0/args/0/op",
        ],
    ),
];

/// Objects that are refused whole, by name, with their fields.
const REFUSED: &[(&str, &[&str])] = &[("/vm", &["hypervisor", "kernel", "image", "hwConfig"])];

/// Objects of other platforms, which get a warning.
const OTHERS: &[&str] = &["/windows", "/solaris", "/freebsd", "/zos"];

/// The base with `value` at a pointer, objects and arrays made on the way.
fn with(pointer: &str, value: Value) -> Value {
    let mut config = base();
    let mut place = &mut config;
    for part in pointer.split('/').skip(1) {
        place = if part == "0" {
            if !place.is_array() {
                *place = json!([{}]);
            }
            &mut place[0]
        } else {
            if !place.is_object() {
                *place = json!({});
            }
            &mut place[part]
        };
    }
    *place = value;
    config
}

#[test]
fn every_field_of_the_runtime_spec_is_read() {
    let mut ignored = Vec::new();
    for (prefix, fields) in READ {
        for field in *fields {
            let pointer =
                if prefix.is_empty() { format!("/{field}") } else { format!("{prefix}{field}") };
            // No field of the runtime-spec takes both a number and a string.
            let noticed = [json!(5), json!("x")].into_iter().any(|value| {
                parse(&with(&pointer, value)).is_err_and(|e| {
                    e.pointer() == Some(&pointer) && e.to_string().starts_with("invalid type")
                })
            });
            if !noticed {
                ignored.push(pointer);
            }
        }
    }
    assert_eq!(ignored, Vec::<String>::new());
}

#[test]
fn every_field_that_rrun_does_not_do_is_refused_by_name() {
    for (object, fields) in REFUSED {
        for field in *fields {
            let error = parse(&with(&format!("{object}/{field}"), json!("x"))).expect_err(field);
            assert_eq!((error.kind(), error.pointer()), (Kind::Unsupported, Some(*object)));
        }
    }
}

#[test]
fn the_objects_of_other_platforms_are_ignored_with_a_warning() {
    for pointer in OTHERS {
        let spec = parse(&with(pointer, json!({}))).expect(pointer);
        assert_eq!(spec.warnings, [format!("ignored: this is a Linux runtime (at {pointer})")]);
    }
}

#[test]
fn a_field_that_nobody_knows_is_ignored() {
    for pointer in ["/x", "/root/x", "/process/user/x", "/linux/resources/cpu/x", "/linux/x"] {
        assert!(parse(&with(pointer, json!({"y": [1]}))).is_ok(), "{pointer}");
    }
}
