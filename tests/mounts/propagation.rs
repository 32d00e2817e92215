//! What mounts see of each other across the border, in both directions.

use crate::{facts_of, words};
use nix::mount::MsFlags;
use rrun_harness::{Bundle, HostMounts, mount_at, requires};
use serde_json::json;

/// Whether a mount has a field such as `shared:7`.
fn is(words: &[String], kind: &str) -> bool {
    words.iter().any(|word| word.split(':').next() == Some(kind))
}

/// A bundle that lives, with a volume that the host shares.
fn stage(mut host: HostMounts) -> (Bundle, std::path::PathBuf, HostMounts) {
    let bundle = Bundle::new().args(["probe", "sleep"]);
    let volume = bundle.path().join("volume");
    host.tmpfs(&volume, MsFlags::empty());
    host.change(&volume, MsFlags::MS_SHARED);
    (bundle, volume, host)
}

/// Mounts a tmpfs from inside.
fn mount_inside(bundle: &Bundle, path: &str) {
    let command = ["sh", "-c", &format!("mkdir -p {path} && mount -t tmpfs inside {path}")];
    bundle.exec(&["--cap", "CAP_SYS_ADMIN"], &command).success();
}

#[test]
fn each_mount_has_the_propagation_it_asks_for() {
    requires!(root);
    let (mut bundle, volume, host) = stage(HostMounts::private());
    for word in ["shared", "slave", "private", "unbindable"] {
        bundle = bundle.bind(&volume, &format!("/{word}"), &[word]);
        bundle = bundle.mount(&format!("/new/{word}"), "tmpfs", "tmpfs", &[word]);
    }
    bundle.up();
    let facts = facts_of(&bundle, &["mounts"]);
    for path in ["/shared", "/new/shared"] {
        assert!(is(&words(&facts, path, "propagation"), "shared"), "{path}");
    }
    let slave = words(&facts, "/slave", "propagation");
    assert!(is(&slave, "master") && !is(&slave, "shared"), "{slave:?}");
    for path in ["/private", "/new/private", "/new/slave"] {
        assert_eq!(words(&facts, path, "propagation"), [""; 0], "{path}");
    }
    for path in ["/unbindable", "/new/unbindable"] {
        assert!(is(&words(&facts, path, "propagation"), "unbindable"), "{path}");
    }
    drop(host);
}

#[test]
fn recursive_propagation_reaches_the_mounts_below() {
    requires!(root);
    let (bundle, volume, mut host) = stage(HostMounts::private());
    host.tmpfs(&volume.join("below"), MsFlags::empty());
    host.change(&volume.join("below"), MsFlags::MS_SHARED);
    let text = volume.to_string_lossy().into_owned();
    let bundle = bundle.mount("/tree", "none", &text, &["rbind", "rprivate"]).mount(
        "/top",
        "none",
        &text,
        &["rbind", "private"],
    );
    bundle.up();
    let facts = facts_of(&bundle, &["mounts"]);
    assert_eq!(words(&facts, "/tree", "propagation"), [""; 0]);
    assert_eq!(words(&facts, "/tree/below", "propagation"), [""; 0]);
    assert_eq!(words(&facts, "/top", "propagation"), [""; 0]);
    assert!(is(&words(&facts, "/top/below", "propagation"), "master"));
    drop(host);
}

#[test]
fn a_slave_sees_what_the_host_mounts_and_the_host_nothing_of_it() {
    requires!(root, busybox);
    let (bundle, volume, mut host) = stage(HostMounts::private());
    let bundle =
        bundle.bind(&volume, "/slave", &["rslave"]).bind(&volume, "/private", &["rprivate"]);
    bundle.up();
    host.tmpfs(&volume.join("outside"), MsFlags::empty());
    mount_inside(&bundle, "/slave/inside");
    let facts = facts_of(&bundle, &["mounts"]);
    assert_eq!(mount_at(&facts, "/slave/outside")["type"], "tmpfs");
    assert!(!facts.to_string().contains("/private/outside"), "{facts:#}");
    let inside = volume.join("inside").display().to_string();
    assert!(!host.points().contains(&inside), "a mount of the container reached the host");
    drop(host);
}

#[test]
fn nothing_that_a_container_mounts_reaches_the_host() {
    requires!(root, busybox);
    let (bundle, volume, host) = stage(HostMounts::all_shared());
    let before = host.points();
    let bundle = bundle.bind(&volume, "/volume", &[]);
    bundle.up();
    mount_inside(&bundle, "/volume/inside");
    mount_inside(&bundle, "/tmp/inside");
    assert_eq!(host.points(), before);
    bundle.delete_force().success();
    assert_eq!(host.points(), before);
    drop(host);
}

#[test]
fn a_shared_mount_in_a_shared_root_propagates_both_ways() {
    // What Kubernetes calls Bidirectional.
    requires!(root, busybox);
    let (bundle, volume, mut host) = stage(HostMounts::all_shared());
    let before = host.points();
    let bundle = bundle.set("/linux/rootfsPropagation", json!("rshared")).bind(
        &volume,
        "/volume",
        &["rshared"],
    );
    bundle.up();
    assert_eq!(host.points(), before, "creating the container changed the host's mounts");
    mount_inside(&bundle, "/volume/inside");
    let inside = volume.join("inside");
    assert!(host.points().contains(&inside.display().to_string()), "{:?}", host.points());
    host.tmpfs(&volume.join("outside"), MsFlags::empty());
    let facts = facts_of(&bundle, &["mounts"]);
    assert_eq!(mount_at(&facts, "/volume/outside")["type"], "tmpfs");
    if bundle.runtime().is_rrun() {
        assert!(is(&words(&facts, "/", "propagation"), "shared"), "{facts:#}");
    }
    bundle.delete_force().success();
    nix::mount::umount(&inside).expect("unmount what the container left");
    drop(host);
}

#[test]
fn the_root_has_the_propagation_it_asks_for_and_the_host_keeps_its_mounts() {
    // runc 1.1.5 sets it on what it copies the root from, and leaves the copy private.
    requires!(root, rrun);
    let host = HostMounts::all_shared();
    for (word, kind) in [
        ("shared", Some("shared")),
        ("slave", None),
        ("private", None),
        ("unbindable", Some("unbindable")),
        ("rslave", None),
        ("rprivate", None),
    ] {
        let bundle = Bundle::new()
            .args(["probe", "facts", "mounts"])
            .set("/linux/rootfsPropagation", json!(word));
        let before = host.points();
        let facts = bundle.run().success().json();
        let found = words(&facts, "/", "propagation");
        for known in ["shared", "unbindable"] {
            assert_eq!(is(&found, known), kind == Some(known), "{word}: {found:?}");
        }
        assert_eq!(host.points(), before, "{word} changed the host's mounts");
    }
}
