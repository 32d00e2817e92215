//! Devices: a node may be made, but opened only by the rules.
//!
//! Knows a few numbers that every kernel has. Refuses to trust a failed open alone: the same open succeeds where a rule
//! allows it, so it is the rule that decides. A newcomer would test with /dev/mem, which the kernel guards by itself;
//! /dev/kmsg (1:11) opened for writing asks for nothing.

use rrun_harness::{Bundle, Leftovers, requires};
use serde_json::{Value, json};

/// A container that may make nodes; `rules` come after the one that denies all.
fn guarded(rules: &[Value]) -> Bundle {
    let mut all = vec![json!({ "allow": false, "access": "rwm" })];
    all.extend_from_slice(rules);
    let mut bundle =
        Bundle::new().args(["probe", "sleep"]).set("/linux/resources/devices", json!(all));
    for set in ["bounding", "effective", "permitted"] {
        bundle = bundle.push(&format!("/process/capabilities/{set}"), json!("CAP_MKNOD"));
    }
    bundle
}

/// Makes a node in the running container and opens it; what the probe said.
#[track_caller]
fn open(bundle: &Bundle, node: &str, mode: &str) -> String {
    let script =
        format!("rm -f /dev/tried; mknod /dev/tried {node} && probe open /dev/tried {mode}");
    bundle.exec(&[], &["sh", "-c", &script]).stdout().trim().to_owned()
}

#[test]
fn usual_devices_open_and_others_that_were_made_inside_do_not() {
    requires!(root, busybox);
    let bundle = guarded(&[]);
    bundle.up();
    for usual in ["null", "zero", "full", "random", "urandom", "tty"] {
        let said = bundle.exec(&[], &["probe", "open", &format!("/dev/{usual}"), "r"]).stdout();
        // Without a controlling terminal /dev/tty says so; the filter let it through.
        let expected = if usual == "tty" { "ENXIO\n" } else { "ok\n" };
        assert_eq!(said, expected, "/dev/{usual}");
    }
    for (node, mode) in [("c 1 11", "w"), ("c 10 237", "r"), ("b 7 0", "r"), ("c 4 1", "r")] {
        assert_eq!(open(&bundle, node, mode), "EPERM", "{node}");
    }
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_rule_allows_exactly_its_device_and_its_access() {
    requires!(root, busybox);
    let rule = json!({ "allow": true, "type": "c", "major": 1, "minor": 11, "access": "w" });
    let bundle = guarded(&[rule]);
    bundle.up();
    assert_eq!(open(&bundle, "c 1 11", "w"), "ok");
    assert_eq!(open(&bundle, "c 1 11", "r"), "EPERM");
    assert_eq!(open(&bundle, "c 1 11", "rw"), "EPERM");
    assert_eq!(open(&bundle, "b 1 11", "w"), "EPERM");
    assert_eq!(open(&bundle, "c 1 4", "w"), "EPERM");
}

/// Rules of v1, which runc uses where it can, do not know exceptions.
#[test]
fn a_later_rule_overrules_an_earlier_one() {
    requires!(root, busybox, rrun);
    let bundle = guarded(&[
        json!({ "allow": true, "type": "c", "major": 1, "access": "rwm" }),
        json!({ "allow": false, "type": "c", "major": 1, "minor": 11, "access": "w" }),
    ]);
    bundle.up();
    assert_eq!(open(&bundle, "c 1 11", "w"), "EPERM");
    assert_eq!(open(&bundle, "c 1 8", "r"), "ok");
}

#[test]
fn all_devices_open_when_all_are_allowed() {
    requires!(root, busybox);
    let bundle = guarded(&[json!({ "allow": true, "access": "rwm" })]);
    bundle.up();
    assert_eq!(open(&bundle, "c 1 11", "w"), "ok");
    assert_eq!(open(&bundle, "c 1 3", "rw"), "ok");
}

#[test]
fn a_configuration_that_says_nothing_about_devices_allows_the_usual_ones_only() {
    requires!(root, busybox);
    let bundle = guarded(&[]).edit(|config| drop(config["linux"]["resources"].take()));
    bundle.up();
    assert_eq!(open(&bundle, "c 1 11", "w"), "EPERM");
    assert_eq!(open(&bundle, "c 1 5", "r"), "ok");
}
