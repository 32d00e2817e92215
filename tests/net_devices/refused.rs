//! What can't be moved is said before anything is touched.

use super::{FULL, device, host_with, ip, names, routes, sleeper};
use rrun_harness::{Bundle, Leftovers, ORDINARY_USER, Runtime, requires};
use serde_json::{Value, json};

/// Asserts that `create` fails with these words and this field, and that `d0` is as it was.
#[track_caller]
fn assert_refused(bundle: &Bundle, pointer: &str, words: &str) {
    let before = (names(None), device(None, "d0"), routes("d0"));
    bundle.create().failure().stderr_has(words).stderr_has(&format!("(at {pointer})"));
    assert_eq!((names(None), device(None, "d0"), routes("d0")), before);
    Leftovers::assert_none(bundle);
}

#[test]
fn a_name_that_is_taken_in_a_joined_namespace_is_refused() {
    requires!(root, rrun, program("ip"));
    host_with(FULL);
    let first = Bundle::new().args(["probe", "sleep"]);
    let first = first.set("/linux/netDevices", json!({ "p0": { "name": "eth0" } }));
    first.up();
    ip("link add e0 type ifb");
    let path = format!("/proc/{}/ns/net", first.state()["pid"]);
    let joined = |devices: Value| {
        let bundle = sleeper(devices).without_namespace("network");
        bundle.push("/linux/namespaces", json!({ "type": "network", "path": path }))
    };
    let taken = "has a device \"eth0\" already";
    let bundle = joined(json!({ "e0": {}, "d0": { "name": "eth0" } }));
    assert_refused(&bundle, "/linux/netDevices/d0/name", taken);
    assert_refused(
        &joined(json!({ "d0": { "name": "lo" } })),
        "/linux/netDevices/d0/name",
        "already",
    );
    let bundle = joined(json!({ "d0": { "name": "eth%d" } }));
    bundle.create().success();
    assert_eq!(device(Some(&bundle.state()["pid"]), "eth1")["mac"], "02:00:00:00:00:77");
}

#[test]
fn a_device_that_is_not_there_or_is_a_loopback_is_refused_by_name() {
    requires!(root, rrun, program("ip"));
    host_with(FULL);
    let missing = sleeper(json!({ "d0": {}, "nosuch0": {} }));
    assert_refused(&missing, "/linux/netDevices/nosuch0", "there is no network device \"nosuch0\"");
    let loopback = sleeper(json!({ "d0": {}, "lo": { "name": "lo1" } }));
    assert_refused(&loopback, "/linux/netDevices/lo", "is a loopback device");
}

#[test]
fn one_device_under_two_of_its_names_is_refused() {
    requires!(root, rrun, program("ip"));
    host_with(FULL);
    ip("link property add dev d0 altname other0");
    let twice = sleeper(json!({ "d0": {}, "other0": { "name": "x0" } }));
    assert_refused(&twice, "/linux/netDevices/other0", "are one device");
}

#[test]
fn a_device_that_the_kernel_does_not_move_brings_those_before_it_back() {
    requires!(root, rrun, program("ip"));
    host_with(FULL);
    ip("link add name z0 type bridge");
    let bridge = sleeper(json!({ "d0": { "name": "web0" }, "z0": {} }));
    assert_refused(&bridge, "/linux/netDevices/z0", "move network device \"z0\"");
}

#[test]
fn our_own_namespace_joined_by_path_is_refused() {
    requires!(root, rrun, program("ip"));
    host_with(FULL);
    let path = format!("/proc/self/task/{}/ns/net", nix::unistd::gettid());
    let path = path.replace("self", &std::process::id().to_string());
    let bundle = sleeper(json!({ "d0": { "name": "web0" } })).without_namespace("network");
    let bundle = bundle.push("/linux/namespaces", json!({ "type": "network", "path": path }));
    assert_refused(&bundle, "/linux/netDevices", "the network namespace joined is rrun's own");
}

#[test]
fn an_ordinary_user_is_told_why() {
    requires!(root, rrun, userns, program("ip"));
    host_with(FULL);
    let (_, uid, gid) = ORDINARY_USER;
    let runtime = Runtime::under_test().as_user(uid, gid);
    let bundle = Bundle::in_runtime(&runtime).mapped(&[(0, uid, 1)]).owned_by(uid, gid);
    let bundle = bundle.set("/linux/netDevices", json!({ "d0": {} }));
    assert_refused(&bundle, "/linux/netDevices", "needs CAP_NET_ADMIN");
}
