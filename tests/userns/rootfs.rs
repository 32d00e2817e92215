//! Mounts, devices and what is hidden, where the container's root is nobody on the host.

use super::{MAP, ROOT, mapped};
use rrun_harness::{Bundle, Leftovers, Must, requires};
use serde_json::{Value, json};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

fn close(path: &Path) {
    fs::set_permissions(path, Permissions::from_mode(0o700)).must("close the directory");
}

/// The mount at a place, among the facts.
fn mount_at<'a>(facts: &'a Value, place: &str) -> &'a Value {
    let mounts = facts["mounts"].as_array().must("the mounts");
    mounts.iter().rfind(|mount| mount["at"] == place).must(&format!("a mount at {place}"))
}

fn has(list: &Value, word: &str) -> bool {
    list.as_array().is_some_and(|list| list.iter().any(|entry| entry == word))
}

#[test]
fn a_rootfs_below_a_directory_that_only_root_may_enter_is_found() {
    // runc resolves it as the mapped user and is refused.
    requires!(root, rrun);
    let bundle = Bundle::new().mapped(&MAP).owned_by(ROOT, ROOT).args(["probe", "say", "here"]);
    chown(bundle.path(), Some(0), Some(0)).must("take the bundle");
    close(bundle.path());
    bundle.run().success().stdout_is("here\n");
}

#[test]
fn sources_that_only_root_can_reach_are_bound() {
    // runc 1.1 opens them as the mapped user and is refused.
    requires!(root, rrun);
    let bundle = mapped();
    let secret = bundle.path().join("secret");
    fs::create_dir_all(secret.join("inner/deep")).must("make it");
    fs::write(secret.join("inner/deep/file"), "reached").must("write it");
    chown(secret.join("inner"), Some(ROOT), Some(ROOT)).must("give it away");
    close(&secret);
    let bundle = bundle.bind(&secret.join("inner"), "/tree", &["rbind", "ro"]).bind(
        &secret.join("inner/deep/file"),
        "/file",
        &[],
    );
    let bundle = bundle.args(["probe", "read", "/tree/deep/file"]);
    bundle.run().success().stdout_is("reached");

    let bundle = bundle.args(["probe", "open", "/tree/new", "c"]);
    bundle.run().failure().stdout_is("EROFS\n");
}

#[test]
fn the_usual_mounts_are_there_and_ptys_belong_to_the_group_asked_for() {
    requires!(root);
    let bundle = mapped().edit(|config| {
        let pts = config["mounts"]
            .as_array_mut()
            .and_then(|mounts| mounts.iter_mut().find(|mount| mount["destination"] == "/dev/pts"));
        let options = pts.and_then(|pts| pts["options"].as_array_mut());
        options.must("the options of devpts").push(json!("gid=5"));
    });
    let facts = bundle.facts();
    for (place, kind) in [
        ("/proc", "proc"),
        ("/sys", "sysfs"),
        ("/dev", "tmpfs"),
        ("/dev/pts", "devpts"),
        ("/dev/mqueue", "mqueue"),
    ] {
        assert_eq!(mount_at(&facts, place)["type"], kind, "{place}");
    }
    assert!(has(&mount_at(&facts, "/sys")["options"], "ro"));
    // The host sees the group as it is mapped.
    assert!(has(&mount_at(&facts, "/dev/pts")["super"], "gid=100005"), "{facts}");
}

#[test]
fn devices_are_the_hosts_own_and_work() {
    requires!(root);
    let node = json!({ "path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11 });
    let bundle = mapped().push("/linux/devices", node);
    let dev = bundle.facts()["dev"].clone();
    for (name, number) in [
        ("null", [1, 3]),
        ("zero", [1, 5]),
        ("full", [1, 7]),
        ("random", [1, 8]),
        ("urandom", [1, 9]),
        ("tty", [5, 0]),
        ("kmsg", [1, 11]),
    ] {
        assert_eq!(dev[name]["type"], "char", "{name}: {dev}");
        assert_eq!(dev[name]["rdev"], json!(number), "{name}");
    }
    mapped().args(["probe", "open", "/dev/null", "rw"]).run().success();
    mapped().args(["probe", "open", "/dev/full", "w"]).run().success();
}

#[test]
fn a_device_whose_node_on_the_host_is_another_is_refused() {
    requires!(root, rrun);
    let node = json!({ "path": "/dev/zero", "type": "c", "major": 1, "minor": 3 });
    let bundle = mapped().push("/linux/devices", node);
    bundle.run().failure().stderr_has("/linux/devices/0");
    Leftovers::assert_none(&bundle);
}

#[test]
fn masked_paths_are_hidden_and_read_only_paths_refuse_writes() {
    requires!(root);
    let facts = mapped().facts();
    assert!(has(&mount_at(&facts, "/proc/sys")["options"], "ro"));
    assert_eq!(mount_at(&facts, "/proc/keys")["root"], "/null");
    // Whoever has this capability may write there; nothing but the read-only mount forbids it.
    let caps = json!(["CAP_NET_ADMIN"]);
    let bundle = mapped()
        .set(
            "/process/capabilities",
            json!({ "bounding": caps, "effective": caps, "permitted": caps }),
        )
        .args(["probe", "open", "/proc/sys/net/ipv4/ip_forward", "w"]);
    bundle.run().failure().stdout_is("EROFS\n");
}

#[test]
fn a_read_only_root_is_read_only() {
    requires!(root);
    let bundle = mapped().set("/root/readonly", json!(true)).args(["probe", "open", "/new", "c"]);
    bundle.run().failure().stdout_is("EROFS\n");
}

#[test]
fn the_cgroup_namespace_shows_its_own_tree_writable() {
    requires!(root, busybox, cgroup_v2("pids"));
    let bundle = mapped()
        .namespace("cgroup")
        .mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev"])
        .script("cat /proc/self/cgroup && mkdir /sys/fs/cgroup/below && rmdir /sys/fs/cgroup/below && cat /sys/fs/cgroup/cgroup.procs");
    bundle.run().success().stdout_has("0::/\n").stdout_has("\n1\n");
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_rootfs_of_an_owner_who_is_not_mapped_can_be_read_but_not_changed() {
    requires!(root);
    let bundle = Bundle::new().mapped(&MAP).args(["probe", "stat", "/bin/probe"]);
    assert_eq!(bundle.run().success().json()["uid"], 65534);
    let bundle = bundle.args(["probe", "open", "/new", "c"]);
    bundle.run().failure().stdout_is("EACCES\n");
}

#[test]
fn a_mount_point_that_cannot_be_made_in_a_foreign_rootfs_is_a_clear_error() {
    requires!(root);
    let bundle = Bundle::new().mapped(&MAP).mount("/missing/below", "tmpfs", "tmpfs", &[]);
    let output = bundle.run().failure();
    if bundle.runtime().is_rrun() {
        output.stderr_has("/missing/below").stderr_has("chown");
    }
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_group_of_ptys_that_is_not_mapped_is_a_clear_error() {
    requires!(root, rrun);
    let bundle = Bundle::new().mapped(&[(0, ROOT, 1)]).owned_by(ROOT, ROOT);
    let bundle = bundle.edit(|config| config["mounts"][2]["options"][4] = json!("gid=5"));
    bundle.run().failure().stderr_has("gid").stderr_has("map");
    Leftovers::assert_none(&bundle);
}
