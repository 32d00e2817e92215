//! The root itself, the working directory, and what stands in for a `/dev` of the container's own.

use crate::{assert_options, facts_of};
use rrun_harness::{Bundle, Leftovers, Must, device_at, mount_at, requires};
use serde_json::json;
use std::fs;
use std::path::Path;

#[test]
fn a_read_only_root_is_read_only_and_the_mounts_on_it_are_not() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "sleep"]).set("/root/readonly", json!(true)).mount(
        "/writable",
        "tmpfs",
        "tmpfs",
        &[],
    );
    bundle.up();
    let facts = facts_of(&bundle, &["mounts"]);
    assert_options(&facts, "/", &["ro"], &[]);
    assert_options(&facts, "/writable", &["rw"], &[]);
    bundle.exec(&[], &["probe", "write", "/file", "x"]).failure().stdout_is("EROFS\n");
    bundle.exec(&[], &["probe", "write", "/dev/shm/file", "x"]).success();
    // The host's view of the rootfs is not the container's mount.
    fs::write(bundle.rootfs().join("from-outside"), "").must("write to the rootfs");
}

#[test]
fn nothing_of_the_host_is_reachable_with_pivot_root_or_without() {
    requires!(root);
    for flags in [&[][..], &["--no-pivot"]] {
        let bundle = Bundle::new().args(["probe", "facts", "mounts", "cwd"]);
        let facts = bundle.run_with(flags).success().json();
        let mounts = facts["mounts"].as_array().must("find the mounts");
        assert_eq!(facts["cwd"], "/");
        // mountinfo names what lies below the process's root; --no-pivot leaves the host's mounts beneath, out of reach.
        assert_eq!(mount_at(&facts, "/")["at"], "/");
        let foreign: Vec<_> = mounts
            .iter()
            .filter_map(|mount| mount["at"].as_str())
            .filter(|at| {
                *at != "/" && !["/proc", "/dev", "/sys"].iter().any(|own| at.starts_with(own))
            })
            .collect();
        assert_eq!(foreign, [""; 0], "{flags:?}");
        Leftovers::assert_none(&bundle);
    }
}

#[test]
fn a_missing_working_directory_is_made() {
    requires!(root);
    let bundle = Bundle::new().set("/process/cwd", json!("/work/below"));
    let facts = bundle.args(["probe", "facts", "cwd"]).run().success().json();
    assert_eq!(facts["cwd"], "/work/below");
}

#[test]
fn a_dev_bound_from_the_host_is_left_as_it_is() {
    requires!(root);
    let before = fs::read_link("/dev/ptmx").ok();
    let bundle = Bundle::new().args(["probe", "facts", "dev"]).edit(|config| {
        config["mounts"] = json!([
            { "destination": "/proc", "type": "proc", "source": "proc" },
            { "destination": "/dev", "type": "bind", "source": "/dev", "options": ["rbind", "rslave"] },
        ]);
    });
    let facts = bundle.run().success().json();
    assert_eq!(device_at(&facts, "null")["rdev"], json!([1, 3]));
    assert_eq!(fs::read_link("/dev/ptmx").ok(), before);
    assert!(Path::new("/dev/null").exists());
}

#[test]
fn without_a_mount_namespace_the_root_is_changed_and_nothing_is_mounted() {
    // runc 1.1.5 insists on a mount namespace.
    requires!(root, rrun);
    let bundle = Bundle::new().without_namespace("mount").edit(|config| {
        config["mounts"] = json!([]);
        config["linux"]["maskedPaths"] = json!([]);
        config["linux"]["readonlyPaths"] = json!([]);
    });
    let bundle = bundle.args(["probe", "stat", "/bin/probe"]);
    let found = bundle.run().success().json();
    assert_eq!(found["type"], "file");
    let bundle = bundle.args(["probe", "stat", "/etc/hostname"]);
    assert!(bundle.run().success().json()["error"].is_string());
    Leftovers::assert_none(&bundle);
}
