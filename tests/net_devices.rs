//! `linux.netDevices`: devices go into the container as they are, or stay where and as they were.
//!
//! Each test has a network namespace of its own as "the host's": unshare(2) moves the test's thread, and what a thread
//! starts begins where the thread is. No device of this machine is touched. runc 1.1.5 knows nothing of the field.
//! What a newcomer would get wrong: a device's addresses say only after a moment what they will be (duplicate detection),
//! so descriptions leave out what time changes.

#[path = "net_devices/moved.rs"]
mod moved;
#[path = "net_devices/refused.rs"]
mod refused;
#[path = "net_devices/undone.rs"]
mod undone;

use nix::sched::{CloneFlags, unshare};
use rrun_harness::{Bundle, Must};
use serde_json::{Value, json};
use std::process::Command;

/// Makes this thread's network namespace one of its own, with what `lines` of ip(8) make in it.
#[track_caller]
fn host_with(lines: &[&str]) {
    unshare(CloneFlags::CLONE_NEWNET).must("make a network namespace");
    lines.iter().for_each(|line| ip(line));
}

/// A pair of veth, `d0` with a number of everything, and its peer up.
const FULL: &[&str] = &[
    "link set lo up",
    "link add d0 mtu 1400 type veth peer name p0",
    "link set d0 address 02:00:00:00:00:77",
    "link set d0 txqueuelen 77",
    "link set d0 alias some-words",
    "link set p0 up",
    "link set d0 up",
    "addr add 192.0.2.1/24 broadcast 192.0.2.255 dev d0 label d0:web",
    "addr add 192.0.2.2/24 dev d0",
    "addr add 198.51.100.7 peer 198.51.100.8/32 dev d0",
    "addr add 2001:db8::1/64 dev d0 nodad",
    "route add 203.0.113.0/24 via 192.0.2.9 dev d0",
    "route add 203.0.114.0/24 via 203.0.113.9 dev d0 onlink",
    "-6 route add 2001:db8:1::/48 via 2001:db8::9 dev d0",
];

/// ip(8), by words.
#[track_caller]
fn ip(line: &str) {
    let output = Command::new("ip").args(line.split(' ')).output().must("run ip");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "ip {line}: {said}");
}

/// ip(8)'s JSON; in the network namespace of a process, if one is given.
#[track_caller]
fn ip_json(pid: Option<&Value>, line: &str) -> Value {
    let mut command = match pid {
        Some(pid) => {
            let mut command = Command::new("nsenter");
            command.arg(format!("--net=/proc/{pid}/ns/net")).arg("ip");
            command
        }
        None => Command::new("ip"),
    };
    let output = command.arg("-j").args(line.split(' ')).output().must("run ip");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "ip {line}: {said}");
    if output.stdout.is_empty() {
        return json!([]);
    }
    serde_json::from_slice(&output.stdout).must("read what ip says")
}

/// The names of all devices but lo, in the order of their indexes.
#[track_caller]
fn names(pid: Option<&Value>) -> Vec<String> {
    let links = ip_json(pid, "link show");
    let names = links.as_array().must("find a list").iter();
    let names = names.map(|link| link["ifname"].as_str().must("find a name").to_owned());
    names.filter(|name| name != "lo").collect()
}

/// A device but for what time changes: attributes, whether it is up, its addresses.
#[track_caller]
fn device(pid: Option<&Value>, name: &str) -> Value {
    let found = ip_json(pid, &format!("-d addr show dev {name}"))[0].take();
    let up = found["flags"].as_array().must("find the flags").contains(&json!("UP"));
    let addresses = found["addr_info"].as_array().must("find the addresses").iter();
    let addresses: Vec<Value> = addresses
        .filter(|one| one["scope"] != "link")
        .map(|one| {
            json!({
                "family": one["family"], "local": one["local"], "peer": one["address"],
                "bits": one["prefixlen"], "label": one["label"], "broadcast": one["broadcast"],
                "scope": one["scope"], "tentative": one["tentative"],
            })
        })
        .collect();
    json!({
        "name": found["ifname"], "index": found["ifindex"], "up": up, "mtu": found["mtu"],
        "mac": found["address"], "queue": found["txqlen"], "alias": found["ifalias"],
        "master": found["master"], "addresses": addresses,
    })
}

/// The routes through a device.
#[track_caller]
fn routes(name: &str) -> Value {
    let v4 = ip_json(None, &format!("-4 route show dev {name}"));
    let v6 = ip_json(None, &format!("-6 route show dev {name}"));
    let places = |list: &Value| -> Vec<Value> {
        let list = list.as_array().must("find a list").iter();
        let mut list: Vec<Value> =
            list.map(|one| json!([one["dst"], one["gateway"], one["protocol"]])).collect();
        list.sort_by_key(ToString::to_string);
        list
    };
    json!([places(&v4), places(&v6)])
}

/// A container that sleeps, and has these devices.
fn sleeper(devices: Value) -> Bundle {
    Bundle::new().set("/linux/netDevices", devices).args(["probe", "sleep"])
}
