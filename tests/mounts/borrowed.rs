//! A container without a mount namespace: it has the host's, and its own mounts all the same.
//!
//! Knows the host's list of mounts, read before and after. Refuses to ask the container for its own: the kernel lists those
//! of a namespace, and these belong to none. runc 1.1.5 refuses such a container, and crun 1.8.1 leaves its mounts on the
//! host, so each test is rrun's alone.
//! What a newcomer would get wrong: "the host" is the mount namespace of whoever calls the runtime, here the test's own.

use rrun_harness::{Bundle, HostMounts, Leftovers, Must, requires};
use serde_json::json;
use std::fs;

/// A bundle that sleeps among the host's mounts, with the usual ones of its own.
fn borrower() -> Bundle {
    Bundle::new().without_namespace("mount").args(["probe", "sleep"])
}

/// The namespace of a process's mounts.
#[track_caller]
fn namespace(pid: &str) -> String {
    let link = fs::read_link(format!("/proc/{pid}/ns/mnt")).must("read a namespace link");
    link.to_string_lossy().into_owned()
}

#[test]
fn without_a_mount_namespace_it_has_the_hosts_and_its_mounts_are_still_its_own() {
    requires!(root, rrun);
    let bundle = borrower().mount("/own", "tmpfs", "tmpfs", &["ro"]);
    let host = HostMounts::all_shared();
    let before = host.points();
    bundle.create().success();
    let pid = bundle.state()["pid"].to_string();
    assert_eq!(namespace(&pid), namespace("thread-self"));
    bundle.start().success();
    bundle.expect_status("running");
    assert_eq!(namespace(&pid), namespace("thread-self"));
    assert_eq!(host.points(), before, "a mount came to the host");
    for (path, says) in [("/own/file", "EROFS\n"), ("/proc/sys/kernel/ostype", "EROFS\n")] {
        bundle.exec(&[], &["probe", "write", path, "x"]).failure().stdout_is(says);
    }
    bundle.exec(&[], &["probe", "write", "/dev/shm/file", "x"]).success();
    assert!(!bundle.rootfs().join("dev/shm/file").exists(), "it was written to the rootfs");
    bundle.delete_force().success();
    assert_eq!(host.points(), before, "a mount stayed on the host");
    Leftovers::assert_none(&bundle);
}

#[test]
fn without_a_mount_namespace_paths_are_masked_and_the_root_is_read_only() {
    requires!(root, rrun);
    let bundle = borrower()
        .set("/root/readonly", json!(true))
        .set("/linux/maskedPaths", json!(["/secret"]))
        .set("/mounts", json!([]));
    fs::write(bundle.rootfs().join("secret"), "told").must("write a secret");
    let host = HostMounts::private();
    let before = host.points();
    bundle.up();
    bundle.exec(&[], &["probe", "write", "/file", "x"]).failure().stdout_is("EROFS\n");
    bundle.exec(&[], &["probe", "read", "/secret"]).success().stdout_is("");
    bundle.delete_force().success();
    assert_eq!(host.points(), before);
}

#[test]
fn nothing_is_left_of_the_mounts_when_it_is_killed_or_never_made() {
    requires!(root, rrun);
    let (bundle, broken) = (borrower(), borrower().args(["nobody"]));
    let host = HostMounts::all_shared();
    let before = host.points();
    broken.create().failure().stderr_has("nobody");
    assert_eq!(host.points(), before, "after a create that failed");
    bundle.up();
    bundle.kill("KILL").success();
    bundle.expect_status("stopped");
    assert_eq!(host.points(), before, "after its end");
    bundle.delete().success();
    Leftovers::assert_none(&bundle);
}

/// Once it was the host's root: setns(2) of a mount namespace is what usually changes it, and there is none to join.
#[test]
fn an_exec_without_a_mount_namespace_is_in_the_containers_root() {
    requires!(root, rrun);
    let bare = |bundle: Bundle| {
        let none = json!([]);
        let paths = bundle.set("/linux/maskedPaths", none.clone());
        paths.set("/linux/readonlyPaths", none.clone()).set("/mounts", none)
    };
    for bundle in [borrower(), bare(borrower())] {
        fs::write(bundle.rootfs().join("here"), bundle.id()).must("write a file");
        bundle.up();
        bundle.exec(&[], &["probe", "read", "/here"]).success().stdout_is(bundle.id());
        bundle.delete_force().success();
    }
}

#[test]
fn without_a_mount_namespace_propagation_and_a_user_namespace_are_refused() {
    requires!(root, rrun);
    let shared = borrower().set("/mounts", json!([])).mount("/x", "tmpfs", "tmpfs", &["shared"]);
    shared.run().failure().stderr_has("mounts can only be private (at /mounts/0/options)");
    let mapped = borrower().mapped(&[(0, 0, 1000)]);
    mapped.run().failure().stderr_has("a user namespace can't mount (at /mounts)");
    let root = borrower().set("/linux/rootfsPropagation", json!("shared"));
    root.run().failure().stderr_has("(at /linux/rootfsPropagation)");
}
