//! Namespaces: new, joined, left as they are; and what is set in them.

use crate::facts;
use rrun_harness::{Bundle, Leftovers, Must, requires};
use serde_json::{Value, json};
use std::fs;

/// What the specification and `/proc/PID/ns` call each kind.
const KINDS: [(&str, &str); 6] = [
    ("pid", "pid"),
    ("network", "net"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("mount", "mnt"),
    ("cgroup", "cgroup"),
];

/// The inode of a namespace of a process, as the probe gives it.
#[track_caller]
fn inode(pid: &str, name: &str) -> Value {
    let link = fs::read_link(format!("/proc/{pid}/ns/{name}")).must("read a namespace link");
    let text = link.to_string_lossy().into_owned();
    let number: u64 = text.split(['[', ']']).nth(1).must("find an inode").parse().must("read it");
    number.into()
}

#[test]
fn each_new_namespace_is_another_than_the_callers() {
    requires!(root);
    let ids = json!([{ "containerID": 0, "hostID": 0, "size": 65536 }]);
    let bundle = Bundle::new()
        .namespace("cgroup")
        .namespace("user")
        .set("/linux/uidMappings", ids.clone())
        .set("/linux/gidMappings", ids);
    let seen = facts(bundle, &["namespaces"]);
    for (_, name) in KINDS.into_iter().chain([("user", "user")]) {
        let inside = &seen["namespaces"][name];
        assert!(inside.is_u64(), "{name}: {seen}");
        assert_ne!(*inside, inode("self", name), "{name} is the caller's");
    }
    for name in ["pid", "time"] {
        let namespaces = &seen["namespaces"];
        assert_eq!(namespaces[name], namespaces[format!("{name}_for_children")], "{name}");
    }
}

#[test]
fn a_namespace_that_is_not_asked_for_is_the_callers() {
    requires!(root);
    let mut bundle = Bundle::new().edit(|config| {
        config.as_object_mut().must("read the configuration").remove("hostname");
        let mounts = config["mounts"].as_array_mut().must("find the mounts");
        mounts.retain(|mount| mount["type"] != "mqueue" && mount["type"] != "sysfs");
    });
    for (kind, _) in KINDS.iter().filter(|(kind, _)| *kind != "mount") {
        bundle = bundle.without_namespace(kind);
    }
    let seen = facts(bundle, &["namespaces"]);
    for (_, name) in KINDS.iter().filter(|(kind, _)| *kind != "mount") {
        assert_eq!(seen["namespaces"][name], inode("self", name), "{name}");
    }
}

#[test]
fn namespaces_are_joined_by_path() {
    requires!(root);
    let first = Bundle::new().namespace("cgroup").args(["probe", "sleep"]);
    first.up();
    let pid = first.state()["pid"].to_string();
    let second = Bundle::new().edit(|config| {
        config.as_object_mut().must("read the configuration").remove("hostname");
        config["linux"]["namespaces"] = KINDS
            .iter()
            .map(|(kind, name)| match *kind {
                "mount" => json!({ "type": kind }),
                _ => json!({ "type": kind, "path": format!("/proc/{pid}/ns/{name}") }),
            })
            .collect();
    });
    let seen = facts(second, &["namespaces", "ids", "hostname", "processes"]);
    for (kind, name) in KINDS {
        let same = seen["namespaces"][name] == inode(&pid, name);
        assert_eq!(same, kind != "mount", "{kind}: {seen}");
    }
    assert_eq!(seen["hostname"], "rrun-test");
    assert_ne!(seen["ids"]["pid"], 1);
    let processes = seen["processes"].as_array().must("find the processes");
    assert!(processes.contains(&json!(1)), "the first container's process is not in sight: {seen}");
}

#[test]
fn a_path_that_is_no_such_namespace_is_refused() {
    requires!(root);
    for path in ["/proc/self/ns/uts", "/nonexistent/ns", "/dev/null"] {
        let bundle = Bundle::new()
            .without_namespace("network")
            .push("/linux/namespaces", json!({ "type": "network", "path": path }));
        let output = bundle.run().failure();
        if bundle.runtime().is_rrun() {
            output.stderr_has("/linux/namespaces");
        }
        Leftovers::assert_none(&bundle);
    }
}

#[test]
fn the_program_is_pid_1_of_its_own_session_and_sees_no_other_process() {
    requires!(root);
    let seen = facts(Bundle::new(), &["ids", "processes"]);
    assert_eq!(seen["ids"], json!({ "pid": 1, "ppid": 0, "pgid": 1, "sid": 1 }));
    assert_eq!(seen["processes"], json!([1]));
}

#[test]
fn hostname_and_domainname_are_the_configurations() {
    // runc 1.1.5 has no domainname.
    requires!(root, rrun);
    let bundle = Bundle::new()
        .set("/hostname", json!("some-host.example"))
        .set("/domainname", json!("some.domain"));
    let seen = facts(bundle, &["hostname", "domainname"]);
    assert_eq!(seen, json!({ "hostname": "some-host.example", "domainname": "some.domain" }));
    let host = fs::read_to_string("/proc/sys/kernel/hostname").must("read our hostname");
    assert_ne!(host.trim(), "some-host.example");
}

#[test]
fn a_new_network_has_a_loopback_interface_and_it_is_up() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "read", "/sys/class/net/lo/flags"]);
    let output = bundle.run().success();
    let hex = output.stdout().trim().trim_start_matches("0x").to_owned();
    let flags = u32::from_str_radix(&hex, 16).must("read the flags of lo");
    assert_eq!(flags & 1, 1, "lo is down: {flags:#x}");
}

#[test]
fn in_a_new_cgroup_namespace_the_containers_cgroup_is_the_root() {
    requires!(root);
    let seen = facts(Bundle::new().namespace("cgroup"), &["cgroup"]);
    for line in seen["cgroup"]["paths"].as_array().must("find the cgroups") {
        // Hierarchies in which the container has no cgroup of its own stay where the caller is.
        let line = line.as_str().must("read a line");
        assert!(!line.contains("rrun-test"), "{line}");
        assert!(!line.contains("/.."), "{line}");
    }
}

#[test]
fn clocks_are_moved_by_the_time_offsets() {
    // runc 1.1.5 has no time namespace.
    requires!(root, rrun);
    let bundle = Bundle::new()
        .namespace("time")
        .set("/linux/timeOffsets/monotonic", json!({ "secs": 86_400, "nanosecs": 5 }))
        .set("/linux/timeOffsets/boottime", json!({ "secs": 172_800 }))
        .args(["probe", "sleep"]);
    bundle.up();
    let seen = bundle.exec(&[], &["probe", "facts", "timens_offsets", "namespaces"]);
    let seen = seen.success().json();
    let words: Vec<String> = seen["timens_offsets"]
        .as_str()
        .must("read the offsets")
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    assert_eq!(words, ["monotonic", "86400", "5", "boottime", "172800", "0"]);
    assert_ne!(seen["namespaces"]["time"], inode("self", "time"));
    let uptime = bundle.exec(&[], &["probe", "read", "/proc/uptime"]).success().stdout();
    let seconds = |text: &str| text.split('.').next().and_then(|n| n.parse::<u64>().ok());
    assert!(seconds(&uptime).is_some_and(|seconds| seconds >= 172_800), "{uptime}");
}

#[test]
fn parameters_of_the_containers_own_namespaces_are_set() {
    requires!(root);
    let bundle = Bundle::new().set(
        "/linux/sysctl",
        json!({
            "net.ipv4.ip_unprivileged_port_start": "81",
            "net/ipv4/ip_forward": "1",
            "kernel.shmmni": "123",
            "kernel.msgmax": "4321",
            "fs.mqueue.msg_max": "11",
        }),
    );
    let seen = facts(bundle, &["sysctl"]);
    for (name, value) in [
        ("net.ipv4.ip_unprivileged_port_start", "81"),
        ("net.ipv4.ip_forward", "1"),
        ("kernel.shmmni", "123"),
        ("kernel.msgmax", "4321"),
        ("fs.mqueue.msg_max", "11"),
    ] {
        assert_eq!(seen["sysctl"][name], value, "{name}");
    }
    let ours = fs::read_to_string("/proc/sys/kernel/msgmax").must("read our own");
    assert_ne!(ours.trim(), "4321");
}

#[test]
fn parameters_of_the_host_are_refused() {
    requires!(root);
    for name in ["kernel.panic", "vm.swappiness", "net/../kernel/panic"] {
        let bundle = Bundle::new().edit(|config| config["linux"]["sysctl"] = json!({ name: "1" }));
        let output = bundle.run().failure();
        if bundle.runtime().is_rrun() {
            output.stderr_has("/linux/sysctl");
        }
    }
    let bundle = Bundle::new()
        .without_namespace("ipc")
        .edit(|config| config["linux"]["sysctl"] = json!({ "kernel.msgmax": "4321" }));
    bundle.run().failure();
}
