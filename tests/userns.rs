//! Containers in a user namespace, made by root: whose everything is, and what only the parent can reach.
//!
//! What a newcomer would get wrong: root here has uid 0 on the host until it becomes 0 *inside*; between the two lies
//! everything that opens a path.

#[path = "userns/idmap.rs"]
mod idmap;
#[path = "userns/joined.rs"]
mod joined;
#[path = "userns/life.rs"]
mod life;
#[path = "userns/privileges.rs"]
mod privileges;
#[path = "userns/rootfs.rs"]
mod rootfs;

use rrun_harness::{Bundle, Leftovers, Must, requires};
use serde_json::{Value, json};
use std::fmt::Display;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// The host's id of the containers' root.
const ROOT: u32 = 100_000;
/// The usual map, as engines write it.
const MAP: [(u32, u32, u32); 1] = [(0, ROOT, 65_536)];

/// A container with the usual map, whose root owns its files.
fn mapped() -> Bundle {
    Bundle::new().mapped(&MAP).owned_by(ROOT, ROOT)
}

/// The same, alive until it is killed, with a cgroup namespace.
fn sleeper() -> Bundle {
    mapped().namespace("cgroup").args(["probe", "sleep"])
}

/// The user namespace that owns each namespace of a process, by kind.
fn owners(pid: &Value) -> Vec<(String, String)> {
    let mut command = std::process::Command::new("lsns");
    command.args(["-n", "-o", "TYPE,ONS", "-p", &pid.to_string()]);
    let output = command.output().must("run lsns");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let pairs = text.lines().filter_map(|line| line.trim().split_once(' '));
    pairs.map(|(kind, owner)| (kind.to_owned(), owner.trim().to_owned())).collect()
}

/// The inode of a process's namespace.
fn namespace(pid: &(impl Display + ?Sized), kind: &str) -> String {
    let link = fs::read_link(format!("/proc/{pid}/ns/{kind}")).must("read a namespace");
    link.to_string_lossy().split(['[', ']']).nth(1).must("find its number").to_owned()
}

#[test]
fn every_new_namespace_belongs_to_the_new_user_namespace() {
    requires!(root, program("lsns"));
    let bundle = sleeper();
    bundle.up();
    let pid = bundle.state()["pid"].clone();
    let user = namespace(&pid, "user");
    assert_ne!(user, namespace("self", "user"));
    let mut owned: Vec<_> = owners(&pid)
        .into_iter()
        .filter(|(_, owner)| *owner == user)
        .map(|(kind, _)| kind)
        .collect();
    owned.sort();
    assert_eq!(owned, ["cgroup", "ipc", "mnt", "net", "pid", "uts"]);
}

#[test]
fn root_inside_is_the_mapped_user_outside_and_owns_the_files() {
    requires!(root);
    let bundle = mapped();
    let facts =
        bundle.args(["probe", "facts", "user", "uid_map", "gid_map"]).run().success().json();
    for map in ["uid_map", "gid_map"] {
        let words: Vec<_> = facts[map].as_str().must("a map").split_whitespace().collect();
        assert_eq!(words, ["0", "100000", "65536"]);
    }
    assert_eq!(facts["user"]["uid"], 0);
    assert_eq!(facts["user"]["groups"], json!([]));

    let bundle = mapped().args(["probe", "write", "/made", "inside"]);
    bundle.run().success();
    let made = fs::metadata(bundle.rootfs().join("made")).must("look at the file");
    assert_eq!((made.uid(), made.gid()), (ROOT, ROOT));
    Leftovers::assert_none(&bundle);
}

#[test]
fn several_ranges_map_each_id_to_its_own() {
    requires!(root);
    let map = [(0, ROOT, 1000), (1000, 300_000, 1), (1001, 200_000, 64_535)];
    let bundle = Bundle::new().mapped(&map).owned_by(ROOT, ROOT);
    let bundle = bundle
        .set("/process/user", json!({ "uid": 1000, "gid": 1001, "additionalGids": [7, 1000] }))
        .args(["probe", "write", "/tmp/made", "inside"]);
    bundle.run().success();
    let made = fs::metadata(bundle.rootfs().join("tmp/made")).must("look at the file");
    assert_eq!((made.uid(), made.gid()), (300_000, 200_000));
    let facts = bundle.facts();
    assert_eq!(facts["user"]["uid"], 1000);
    assert_eq!(facts["user"]["groups"], json!([7, 1000]));
}

#[test]
fn the_identity_map_is_a_user_namespace_all_the_same() {
    requires!(root);
    let bundle =
        Bundle::new().mapped(&[(0, 0, u32::MAX)]).args(["probe", "facts", "user", "namespaces"]);
    let facts = bundle.run().success().json();
    assert_eq!(facts["user"]["uid"], 0);
    assert_ne!(facts["namespaces"]["user"].to_string(), namespace("self", "user"));
}

#[test]
fn a_user_that_is_not_mapped_is_an_error_that_names_the_fix() {
    requires!(root);
    let bundle = mapped().set("/process/user/uid", json!(70_000));
    let output = bundle.run().failure();
    if bundle.runtime().is_rrun() {
        output.stderr_has("/process/user").stderr_has("uidMappings");
    }
    Leftovers::assert_none(&bundle);

    let bundle = mapped().set("/process/user/additionalGids", json!([70_000]));
    let output = bundle.run().failure();
    if bundle.runtime().is_rrun() {
        output.stderr_has("/process/user/additionalGids").stderr_has("gidMappings");
    }
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_map_without_root_is_an_error_that_names_the_fix() {
    // runc needs root inside as well, and fails at the first thing it does as root.
    requires!(root);
    let bundle = Bundle::new().mapped(&[(1000, ROOT, 10)]).owned_by(ROOT, ROOT);
    let output = bundle.run().failure();
    if bundle.runtime().is_rrun() {
        output.stderr_has("uidMappings");
    }
    Leftovers::assert_none(&bundle);
}
