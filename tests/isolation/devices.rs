//! `/dev`: its nodes, its links, and nodes elsewhere.

use crate::facts;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use rrun_harness::{Bundle, Leftovers, Must, device_at, requires};
use serde_json::json;
use std::fs;

#[test]
fn dev_has_the_default_nodes_and_links_and_nothing_else() {
    requires!(root);
    let seen = facts(Bundle::new(), &["dev"]);
    for (name, rdev) in [
        ("null", [1, 3]),
        ("zero", [1, 5]),
        ("full", [1, 7]),
        ("random", [1, 8]),
        ("urandom", [1, 9]),
        ("tty", [5, 0]),
    ] {
        let node = device_at(&seen, name);
        let found = json!([node["type"], node["mode"], node["rdev"], node["uid"], node["gid"]]);
        assert_eq!(found, json!(["char", "666", rdev, 0, 0]), "{name}");
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        assert_eq!(device_at(&seen, name)["target"], target, "{name}");
    }
    let mut names: Vec<&str> =
        seen["dev"].as_object().must("read /dev").keys().map(String::as_str).collect();
    // A link to /proc/kcore, where the kernel has that.
    names.retain(|name| *name != "core");
    names.sort_unstable();
    let expected = [
        "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin",
        "stdout", "tty", "urandom", "zero",
    ];
    assert_eq!(names, expected);
}

#[test]
fn devices_have_the_number_mode_and_owner_they_ask_for_wherever_they_lie() {
    requires!(root);
    let bundle = Bundle::new()
        .set("/linux/devices", json!([
            { "path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o640, "uid": 5, "gid": 6 },
            { "path": "/dev/block/loop", "type": "b", "major": 7, "minor": 0, "fileMode": 0o600 },
            { "path": "/run/devices/unbuffered", "type": "u", "major": 1, "minor": 5, "fileMode": 0o666 },
            { "path": "/dev/pipe", "type": "p", "fileMode": 0o622, "uid": 7 },
            { "path": "/dev/zero", "type": "c", "major": 1, "minor": 5, "fileMode": 0o600 },
            { "path": "/dev/plain", "type": "c", "major": 1, "minor": 7 },
        ]))
        .args(["probe", "stat", "/dev/fuse", "/dev/block/loop", "/run/devices/unbuffered", "/dev/pipe", "/dev/zero", "/dev/plain"]);
    let seen = bundle.run().success().json();
    for (index, expected) in [
        json!(["char", "640", 5, 6, [10, 229]]),
        json!(["block", "600", 0, 0, [7, 0]]),
        json!(["char", "666", 0, 0, [1, 5]]),
        json!(["fifo", "622", 7, 0, [0, 0]]),
        json!(["char", "600", 0, 0, [1, 5]]),
    ]
    .into_iter()
    .enumerate()
    {
        let node = &seen[index];
        let found = json!([node["type"], node["mode"], node["uid"], node["gid"], node["rdev"]]);
        assert_eq!(found, expected, "{seen}");
    }
    assert_eq!((&seen[5]["rdev"], &seen[5]["mode"]), (&json!([1, 7]), &json!("666")));
}

#[test]
fn a_node_that_the_image_has_already_stays_if_it_is_the_one() {
    requires!(root);
    let device =
        json!({ "path": "/nodes/one", "type": "c", "major": 1, "minor": 5, "fileMode": 0o666 });
    let bundle = Bundle::new().push("/linux/devices", device.clone());
    let node = bundle.rootfs().join("nodes/one");
    fs::create_dir(bundle.rootfs().join("nodes")).must("make a directory");
    mknod(&node, SFlag::S_IFCHR, Mode::from_bits_truncate(0o600), makedev(1, 5))
        .must("make a node");
    let bundle = bundle.args(["probe", "stat", "/nodes/one"]);
    assert_eq!(bundle.run().success().json()["rdev"], json!([1, 5]));

    // The runtime-spec: a file that does not match is an error. runc leaves it.
    if bundle.runtime().is_rrun() {
        fs::remove_file(&node).must("remove the node");
        fs::write(&node, "").must("write a file");
        bundle.run().failure().stderr_has("/linux/devices/0");
        Leftovers::assert_none(&bundle);
    }
}
