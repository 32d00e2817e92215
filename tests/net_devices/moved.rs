//! What arrives.

use super::{FULL, device, host_with, ip, ip_json, names, routes, sleeper};
use rrun_harness::{Bundle, Leftovers, Must, Running, Stdio, requires};
use serde_json::{Value, json};
use std::process::Command;

#[test]
fn a_device_keeps_its_attributes_and_permanent_global_addresses_and_is_up() {
    requires!(root, rrun, program("ip"));
    host_with(FULL);
    ip("addr add 192.0.2.77/24 dev d0 valid_lft 900 preferred_lft 900");
    ip("addr add 192.0.9.78/24 dev d0 scope site");
    let before = device(None, "d0");
    let bundle = sleeper(json!({ "d0": {} }));
    bundle.create().success();
    assert_eq!(names(None), ["p0"]);
    let pid = bundle.state()["pid"].clone();
    let mut expected = before;
    let kept = |one: &Value| one["local"] != "192.0.2.77" && one["local"] != "192.0.9.78";
    expected["addresses"].as_array_mut().must("find a list").retain(kept);
    assert_eq!(expected["addresses"].as_array().map(Vec::len), Some(4));
    assert_eq!(device(Some(&pid), "d0"), expected);
    bundle.start().success();
    assert_eq!(device(Some(&pid), "d0"), expected);
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_device_that_was_down_is_up_in_the_container() {
    requires!(root, rrun, program("ip"));
    host_with(&["link add d0 type ifb", "addr add 192.0.2.1/24 dev d0"]);
    let bundle = sleeper(json!({ "d0": {} }));
    bundle.up();
    let pid = bundle.state()["pid"].clone();
    let found = device(Some(&pid), "d0");
    assert_eq!(found["up"], true);
    assert_eq!(found["addresses"][0]["local"], "192.0.2.1");
}

#[test]
fn a_device_gets_its_new_name_and_so_do_its_labels() {
    requires!(root, rrun, program("ip"));
    host_with(FULL);
    let bundle = sleeper(json!({ "d0": { "name": "container_eth0" } }));
    bundle.create().success();
    let pid = bundle.state()["pid"].clone();
    assert_eq!(names(Some(&pid)), ["container_eth0"]);
    let found = device(Some(&pid), "container_eth0");
    // "container_eth0:web" has more than the fifteen bytes of a label.
    assert_eq!(found["addresses"][0]["label"], "container_eth0");
    assert_eq!(found["alias"], "some-words");
    bundle.delete_force().success();

    ip("link add d1 type ifb");
    ip("addr add 192.0.2.1/24 dev d1 label d1:x");
    let bundle = sleeper(json!({ "d1": { "name": "web0" } }));
    bundle.create().success();
    let pid = bundle.state()["pid"].clone();
    assert_eq!(device(Some(&pid), "web0")["addresses"][0]["label"], "web0:x");
}

#[test]
fn the_kernel_completes_a_template_and_a_name_beside_it_is_not_taken() {
    requires!(root, rrun, program("ip"));
    host_with(&[
        "link add aa type ifb",
        "link add eth0 type ifb",
        "link add zz type ifb",
        "addr add 192.0.2.1/24 dev aa",
        "addr add 192.0.2.2/24 dev eth0",
        "addr add 192.0.2.3/24 dev zz",
    ]);
    let template = json!({ "name": "eth%d" });
    let bundle = sleeper(json!({ "aa": template, "eth0": template, "zz": { "name": "eth1" } }));
    bundle.create().success();
    let pid = bundle.state()["pid"].clone();
    let mut found = names(Some(&pid));
    found.sort();
    assert_eq!(found, ["eth0", "eth1", "eth2"]);
    for (name, address) in [("eth0", "192.0.2.1"), ("eth1", "192.0.2.3"), ("eth2", "192.0.2.2")] {
        let there = device(Some(&pid), name);
        assert_eq!(there["addresses"][0]["local"], address, "{there}");
        assert_eq!(there["up"], true, "{there}");
    }
}

#[test]
fn two_devices_change_names() {
    requires!(root, rrun, program("ip"));
    host_with(&["link add a0 type ifb", "link add b0 type ifb", "link set a0 alias first"]);
    let bundle = sleeper(json!({ "a0": { "name": "b0" }, "b0": { "name": "a0" } }));
    bundle.create().success();
    let pid = bundle.state()["pid"].clone();
    assert_eq!(device(Some(&pid), "b0")["alias"], "first");
    assert_eq!(device(Some(&pid), "a0")["alias"], Value::Null);
}

/// The namespace has a device of the same index and one of the same old name, and one that a template would be completed
/// to.
#[test]
fn a_joined_namespace_may_have_the_same_index_and_the_old_name() {
    requires!(root, rrun, program("ip"));
    host_with(&["link add d0 index 77 type ifb", "addr add 192.0.2.1/24 dev d0"]);
    let (keeper, pid) = namespace_with(
        "ip link add x0 index 77 type ifb; ip link add d0 type ifb; ip link add eth0 type ifb",
    );
    let bundle = sleeper(json!({ "d0": { "name": "eth%d" } })).without_namespace("network").push(
        "/linux/namespaces",
        json!({ "type": "network", "path": format!("/proc/{pid}/ns/net") }),
    );
    bundle.up();
    assert_eq!(names(Some(&pid)).len(), 4);
    let found = device(Some(&pid), "eth1");
    assert_eq!(found["addresses"][0]["local"], "192.0.2.1");
    assert_ne!(found["index"], 77);
    assert_eq!(names(None), [""; 0]);
    // Whoever owns the namespace has the device now: deleting the container moves nothing back.
    bundle.delete_force().success();
    assert_eq!(device(Some(&pid), "eth1"), found);
    assert_eq!(names(None), [""; 0]);
    drop(keeper);
}

/// A network namespace with what a script makes in it, and the process that keeps it as long as its input is open.
fn namespace_with(script: &str) -> (Running, Value) {
    let scratch = std::env::temp_dir();
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", &format!("{script}; echo ready; exec sleep 60")]);
    let running = Running::start(command, &Stdio::Kept, &scratch);
    running.expect_stdout("ready");
    let pid = json!(running.pid());
    (running, pid)
}

#[test]
fn create_runtime_hooks_see_the_devices_and_sysctls_are_written_to_them() {
    requires!(root, rrun, busybox, program("ip"));
    host_with(FULL);
    let bundle = sleeper(json!({ "d0": { "name": "web0" } }));
    let seen = bundle.path().join("seen");
    let script = format!(
        "pid=$(sed -n 's/.*\"pid\": *\\([0-9]*\\).*/\\1/p'); nsenter --net=/proc/$pid/ns/net ip -j addr show web0 > {}",
        seen.display()
    );
    let hook = json!([{ "path": "/bin/sh", "args": ["sh", "-c", script],
        "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"] }]);
    let bundle = bundle
        .set("/hooks/createRuntime", hook)
        .set("/linux/sysctl", json!({ "net/ipv4/conf/web0/forwarding": "1" }));
    bundle.create().success();
    let text = std::fs::read_to_string(&seen).must("read what the hook saw");
    assert!(text.contains("2001:db8::1") && text.contains("\"UP\""), "{text}");
    bundle.start().success();
    let value = bundle.exec(&[], &["probe", "read", "/proc/sys/net/ipv4/conf/web0/forwarding"]);
    value.success().stdout_is("1\n");
}

#[test]
fn a_container_with_a_user_namespace_gets_devices_of_the_host() {
    requires!(root, rrun, program("ip"));
    host_with(FULL);
    let bundle = sleeper(json!({ "d0": {} })).mapped(&[(0, 100_000, 65536)]);
    bundle.create().success();
    let pid = bundle.state()["pid"].clone();
    assert_eq!(device(Some(&pid), "d0")["up"], true);
    assert_eq!(ip_json(Some(&pid), "addr show d0")[0]["addr_info"][0]["local"], "192.0.2.1");
    assert_eq!(names(None), ["p0"]);
}

#[test]
fn a_container_without_the_field_leaves_every_device_where_it_is() {
    requires!(root, program("ip"));
    host_with(FULL);
    let before = (device(None, "d0"), routes("d0"));
    for devices in [json!({}), Value::Null] {
        let bundle = Bundle::new().set("/linux/netDevices", devices).args(["probe", "exit", "0"]);
        bundle.run().success();
    }
    assert_eq!((device(None, "d0"), routes("d0")), before);
}
