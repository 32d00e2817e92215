//! Bundles, each with one thing in it that some hosts can't do.
//!
//! Knows the pointer that a refusal must name. A newcomer would leave out those that start: they are what keeps the doctor
//! from refusing everything.

use rrun_harness::Bundle;
use serde_json::{Value, json};

/// A bundle and what it asks.
pub struct Case {
    pub name: &'static str,
    pub named: &'static str,
    pub edit: fn(Bundle) -> Bundle,
}

fn limit(kind: &str, hard: u64) -> Value {
    json!([{ "type": kind, "soft": 16, "hard": hard }])
}

const fn case(name: &'static str, named: &'static str, edit: fn(Bundle) -> Bundle) -> Case {
    Case { name, named, edit }
}

/// All of them.
pub const CASES: &[Case] = &[
    case("nothing odd", "", |b| b),
    case("a limit of its own size", "/process/rlimits/0", |b| {
        b.set("/process/rlimits", limit("RLIMIT_NOFILE", 64))
    }),
    case("more files than anybody may", "/process/rlimits/0", |b| {
        b.set("/process/rlimits", limit("RLIMIT_NOFILE", 1 << 40))
    }),
    case("a limit above the caller's", "/process/rlimits/0", |b| {
        b.set("/process/rlimits", limit("RLIMIT_MEMLOCK", u64::MAX))
    }),
    case("the same with users of its own", "/process/rlimits/0", |b| {
        b.set("/process/rlimits", limit("RLIMIT_MEMLOCK", u64::MAX))
            .mapped(&[(0, 100_000, 65536)])
            .owned_by(100_000, 100_000)
    }),
    case("an unknown limit", "/process/rlimits/0/type", |b| {
        b.set("/process/rlimits", limit("RLIMIT_NOBODY", 64))
    }),
    case("a low oomScoreAdj", "/process/oomScoreAdj", |b| {
        b.set("/process/oomScoreAdj", json!(-900))
    }),
    case("a high oomScoreAdj", "/process/oomScoreAdj", |b| {
        b.set("/process/oomScoreAdj", json!(900))
    }),
    case("no such program", "/process/args/0", |b| b.args(["nobody"])),
    case("no such path", "/process/args/0", |b| b.args(["/bin/nobody"])),
    case("a directory as program", "/process/args/0", |b| b.args(["/bin"])),
    case("no such source", "/mounts/LAST/source", |b| {
        b.mount("/x", "bind", "/nowhere/at/all", &["bind"])
    }),
    case("a link to nowhere that is copied", "", |b| {
        let link = b.path().join("dangling");
        std::os::unix::fs::symlink("/nowhere/at/all", &link).expect("make a link");
        b.bind(&link, "/x", &["copy-symlink"])
    }),
    case("a link to nowhere that is followed", "/mounts/LAST/source", |b| {
        let link = b.path().join("dangling");
        std::os::unix::fs::symlink("/nowhere/at/all", &link).expect("make a link");
        b.bind(&link, "/x", &[])
    }),
    case("no root", "/root/path", |b| b.set("/root/path", json!("nowhere"))),
    case("an AppArmor profile", "/process/apparmorProfile", |b| {
        b.set("/process/apparmorProfile", json!("unconfined"))
    }),
    case("an unknown sysctl", "/linux/sysctl/net.ipv4.nobody", |b| {
        b.set("/linux/sysctl", json!({ "net.ipv4.nobody": "1" }))
    }),
    case("a known sysctl", "/linux/sysctl/net.ipv4.ip_forward", |b| {
        b.set("/linux/sysctl", json!({ "net.ipv4.ip_forward": "1" }))
    }),
    case("a missing hook", "/hooks/createRuntime/0/path", |b| {
        b.set("/hooks/createRuntime", json!([{ "path": "/nowhere/hook" }]))
    }),
    case("a missing network device", "/linux/netDevices/nobody0", |b| {
        b.set("/linux/netDevices", json!({ "nobody0": {} }))
    }),
    case("processors that are not there", "/linux/resources/cpu/cpus", |b| {
        b.set("/linux/resources/cpu", json!({ "cpus": "8000" }))
    }),
    case("nodes that are not there", "/linux/resources/cpu/mems", |b| {
        b.set("/linux/resources/cpu", json!({ "mems": "1000" }))
    }),
    case("pages of no size", "/linux/resources/hugepageLimits/0", |b| {
        b.set("/linux/resources/hugepageLimits", json!([{ "pageSize": "3MB", "limit": 1 }]))
    }),
    case("a disk that is not there", "/linux/resources/blockIO/throttleReadBpsDevice/0", |b| {
        let device = json!([{ "major": 4000, "minor": 1, "rate": 1000 }]);
        b.set("/linux/resources/blockIO", json!({ "throttleReadBpsDevice": device }))
    }),
    case("limits that are there", "", |b| {
        b.set("/linux/resources/pids", json!({ "limit": 50 }))
            .set("/linux/resources/memory", json!({ "limit": 64 << 20 }))
    }),
    case("a known sysctl with slashes", "/linux/sysctl/net~1ipv4~1ip_forward", |b| {
        b.set("/linux/sysctl", json!({ "net/ipv4/ip_forward": "1" }))
    }),
    case("an unknown sysctl with both", "/linux/sysctl/net~1ipv4~1conf~1nobody.7~1mtu", |b| {
        b.set("/linux/sysctl", json!({ "net/ipv4/conf/nobody.7/mtu": "1" }))
    }),
    case("a namespace that is not there", "/linux/namespaces/LAST/path", |b| {
        b.without_namespace("network")
            .push("/linux/namespaces", json!({ "type": "network", "path": "/nowhere/net" }))
    }),
    case("a seccomp agent that does not listen", "/linux/seccomp/listenerPath", |b| {
        b.set(
            "/linux/seccomp",
            json!({
                "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/nowhere/agent",
                "architectures": ["SCMP_ARCH_X86_64"],
                "syscalls": [{ "names": ["mkdir"], "action": "SCMP_ACT_NOTIFY" }],
            }),
        )
    }),
    case("a file system of no kernel", "/mounts/LAST", |b| b.mount("/x", "nofs", "none", &[])),
];
