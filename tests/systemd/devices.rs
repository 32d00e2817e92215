//! Devices: two programs decide, ours and systemd's, and both say the same.
//!
//! Knows /dev/kmsg (1:11), which asks for nothing when opened for writing. Refuses to trust the unit: what opens is what
//! counts. A newcomer would look once; systemd makes its program anew at each reload.

use crate::unit::{Unit, reload, scoped};
use rrun_harness::{Bundle, Must, requires};
use serde_json::{Value, json};
use std::fs;

fn kmsg(allow: bool) -> Value {
    json!({"allow": allow, "type": "c", "major": 1, "minor": 11, "access": "rw"})
}

fn deny_all() -> Value {
    json!({"allow": false, "access": "rwm"})
}

fn guarded(rules: &[Value]) -> Bundle {
    let mut bundle = scoped().set("/linux/resources/devices", json!(rules));
    for set in ["bounding", "effective", "permitted"] {
        bundle = bundle.push(&format!("/process/capabilities/{set}"), json!("CAP_MKNOD"));
    }
    bundle
}

/// Makes a node and opens it; what the probe said.
#[track_caller]
fn open(bundle: &Bundle, node: &str, mode: &str) -> String {
    let script =
        format!("rm -f /dev/tried; mknod /dev/tried {node} && probe open /dev/tried {mode}");
    bundle.exec(&[], &["sh", "-c", &script]).stdout().trim().to_owned()
}

/// `update --resources` with these rules.
#[track_caller]
fn update(bundle: &Bundle, rules: &[Value]) {
    let file = bundle.path().join("resources.json");
    fs::write(&file, json!({"devices": rules}).to_string()).must("write the resources");
    let file = file.to_string_lossy().into_owned();
    bundle.runtime().call(["update", "--resources", &file, bundle.id()]).success();
}

#[track_caller]
fn expect(bundle: &Bundle, kmsg: &str) {
    for (when, then) in [("before a reload", None), ("after a reload", Some(reload))] {
        if let Some(then) = then {
            then();
        }
        assert_eq!(open(bundle, "c 1 11", "w"), kmsg, "kmsg {when}");
        assert_eq!(open(bundle, "c 1 3", "rw"), "ok", "null {when}");
        assert_eq!(open(bundle, "c 10 237", "r"), "EPERM", "loop-control {when}");
    }
}

#[test]
fn an_allowed_device_opens_before_and_after_a_reload() {
    requires!(root, systemd, busybox);
    let bundle = guarded(&[deny_all(), kmsg(true)]);
    bundle.up();
    expect(&bundle, "ok");
    let unit = Unit::of(&bundle);
    assert_eq!(unit.show("NeedDaemonReload"), "no");
    assert_eq!(unit.show("DevicePolicy"), "strict");
    let told = unit.show("DeviceAllow");
    assert!(told.contains("/dev/char/1:11 rw"), "{told}");
    bundle.delete_force().success();
    unit.assert_gone(&bundle);
}

#[test]
fn an_update_gives_a_device_and_takes_it_away() {
    requires!(root, systemd, busybox, rrun);
    let bundle = guarded(&[deny_all()]);
    bundle.up();
    expect(&bundle, "EPERM");
    update(&bundle, &[deny_all(), kmsg(true)]);
    expect(&bundle, "ok");
    update(&bundle, &[deny_all()]);
    expect(&bundle, "EPERM");
    assert_eq!(Unit::of(&bundle).show("NeedDaemonReload"), "no");
    // A list that systemd can't express: its program goes, ours stays.
    let major = json!({"allow": true, "type": "c", "major": 1, "access": "rwm"});
    update(&bundle, &[deny_all(), major, kmsg(false)]);
    assert_eq!(Unit::of(&bundle).show("DevicePolicy"), "auto");
    expect(&bundle, "EPERM");
    update(&bundle, &[deny_all(), kmsg(true)]);
    expect(&bundle, "ok");
}

#[test]
fn an_exception_that_no_list_of_systemds_can_say_holds() {
    requires!(root, systemd, busybox, rrun);
    let major = json!({"allow": true, "type": "c", "major": 1, "access": "rwm"});
    let bundle = guarded(&[deny_all(), major, kmsg(false)]);
    bundle.up();
    assert_eq!(Unit::of(&bundle).show("DevicePolicy"), "auto");
    expect(&bundle, "EPERM");
    assert_eq!(open(&bundle, "c 1 8", "r"), "ok");
}

#[test]
fn a_container_that_may_use_all_devices_may_after_a_reload() {
    requires!(root, systemd, busybox);
    let bundle = guarded(&[json!({"allow": true, "access": "rwm"})]);
    bundle.up();
    for _ in 0..2 {
        assert_eq!(open(&bundle, "c 1 11", "w"), "ok");
        reload();
    }
}
