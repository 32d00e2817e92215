//! Binds of what root mounted with flags: a user namespace keeps them, adds to them, and takes none away.
//!
//! What a newcomer would get wrong: the flags are locked by the new mount namespace, not by the mount; the same source
//! without a user namespace can be bound with any.

use super::alone;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use rrun_harness::{Bundle, HostMounts, Leftovers, Must, mount_at, requires};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Read-only, and whatever else can be locked.
fn flags() -> MsFlags {
    MsFlags::MS_RDONLY
        | MsFlags::MS_NOSUID
        | MsFlags::MS_NODEV
        | MsFlags::MS_NOEXEC
        | MsFlags::MS_NOATIME
}

const WORDS: [&str; 5] = ["ro", "nosuid", "nodev", "noexec", "noatime"];

/// A volume with a file, and another mounted in it; both mounts have the flags.
fn stage(flags: MsFlags) -> (Bundle, PathBuf, HostMounts) {
    let bundle = alone();
    let volume = bundle.path().join("volume");
    let mut host = HostMounts::private();
    host.tmpfs(&volume, MsFlags::empty());
    fs::write(volume.join("file"), "content").must("write a file");
    host.tmpfs(&volume.join("below"), MsFlags::empty());
    fs::write(volume.join("below/file"), "content").must("write a file");
    for path in [volume.join("below"), volume.clone()] {
        host.change(&path, flags | MsFlags::MS_REMOUNT | MsFlags::MS_BIND);
    }
    (bundle, volume, host)
}

fn tree(bundle: Bundle, volume: &Path, destination: &str, options: &[&str]) -> Bundle {
    let options: Vec<&str> = ["rbind"].into_iter().chain(options.iter().copied()).collect();
    bundle.mount(destination, "none", &volume.to_string_lossy(), &options)
}

#[track_caller]
fn has(facts: &Value, path: &str, wanted: &[&str]) {
    let options = mount_at(facts, path)["options"].as_array().must("options").clone();
    for word in wanted {
        assert!(options.iter().any(|option| option == word), "{path} lacks {word}: {options:?}");
    }
}

#[test]
fn flags_that_are_locked_stay_whatever_else_is_asked() {
    requires!(root, userns, rrun);
    let (bundle, volume, host) = stage(flags());
    let bundle = tree(bundle, &volume, "/plain", &[]);
    let bundle = tree(bundle, &volume, "/same", &["ro", "nosuid", "nodev", "noexec", "noatime"]);
    let bundle = tree(bundle, &volume, "/tree", &["rro", "rnosuid", "rprivate"]);
    let bundle = tree(bundle, &volume, "/more", &["ro", "nosymfollow", "rslave"]);
    let bundle = bundle.args(["probe", "facts", "mounts"]);
    let facts = bundle.run().success().json();
    for top in ["/plain", "/same", "/tree", "/more"] {
        has(&facts, top, &WORDS);
        has(&facts, &format!("{top}/below"), &WORDS);
    }
    has(&facts, "/more", &["nosymfollow"]);
    drop(host);
}

#[test]
fn read_only_is_added_to_flags_that_are_locked() {
    requires!(root, userns, rrun);
    let locked = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let (bundle, volume, host) = stage(locked);
    let bundle = tree(bundle, &volume, "/top", &["ro"]);
    let bundle = tree(bundle, &volume, "/tree", &["rro"]);
    let bundle = tree(bundle, &volume, "/later", &[])
        .set("/linux/readonlyPaths", json!(["/later/below", "/later/file", "/plain"]));
    let bundle = bundle.args(["probe", "facts", "mounts"]);
    let facts = bundle.run().success().json();
    for path in ["/top", "/tree", "/tree/below", "/later/below", "/later/file"] {
        has(&facts, path, &["ro", "nosuid", "nodev"]);
    }
    has(&facts, "/top/below", &["rw", "nosuid", "nodev"]);
    drop(host);
}

#[test]
fn a_rootfs_on_a_mount_with_flags_can_be_made_read_only() {
    requires!(root, userns, rrun);
    let bundle = alone().set("/root/readonly", json!(true));
    let host = HostMounts::private();
    let (rootfs, none) = (bundle.rootfs(), None::<&str>);
    mount(Some(&rootfs), &rootfs, none, MsFlags::MS_BIND, none).must("bind the rootfs");
    let locked = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOATIME;
    host.change(&rootfs, locked | MsFlags::MS_REMOUNT | MsFlags::MS_BIND);
    let bundle = bundle.args(["probe", "facts", "mounts"]);
    let facts = bundle.run().success().json();
    has(&facts, "/", &["ro", "nosuid", "nodev", "noatime"]);
    Leftovers::assert_none(&bundle);
    umount2(&rootfs, MntFlags::MNT_DETACH).must("unmount the rootfs");
    drop(host);
}

#[test]
fn taking_a_locked_flag_away_names_the_mount_the_flag_and_the_fix() {
    requires!(root, userns, rrun);
    for (asked, flag) in [
        ("rw", "\"ro\""),
        ("suid", "\"nosuid\""),
        ("dev", "\"nodev\""),
        ("exec", "\"noexec\""),
        ("relatime", "the mode of access times"),
        ("rrw", "\"ro\""),
        ("rexec", "\"noexec\""),
    ] {
        let (bundle, volume, host) = stage(flags());
        let bundle = tree(bundle, &volume, "/data", &[asked]);
        let last = bundle.config()["mounts"].as_array().must("find the mounts").len() - 1;
        let output = bundle.run().failure();
        let output = output
            .stderr_has(&format!("/mounts/{last}/options"))
            .stderr_has(flag)
            .stderr_has(&format!("remove \"{asked}\" from the options"));
        assert_eq!(output.stderr().lines().count(), 1, "{}", output.account());
        Leftovers::assert_none(&bundle);
        drop(host);
    }
}

#[test]
fn a_flag_that_is_locked_below_alone_is_named_for_the_word_that_reaches_there() {
    requires!(root, userns, rrun);
    let (bundle, volume, host) = stage(MsFlags::empty());
    let below = volume.join("below");
    host.change(&below, MsFlags::MS_NODEV | MsFlags::MS_REMOUNT | MsFlags::MS_BIND);
    let top = tree(bundle, &volume, "/data", &["dev"]).args(["probe", "exit", "0"]);
    top.run().success();
    let whole = tree(alone(), &volume, "/data", &["rdev"]);
    let output = whole.run().failure();
    output.stderr_has("\"nodev\" of the source").stderr_has("remove \"rdev\" from");
    drop(host);
}
