//! Masked and read-only paths.

use rrun_harness::{Bundle, Must, requires};
use serde_json::{Value, json};
use std::fs;

/// A container with files and directories of the image to hide, beside those of /proc.
fn stage() -> Bundle {
    let bundle = Bundle::new().args(["probe", "sleep"]);
    for (path, content) in [
        ("etc/secret", "secret"),
        ("var/secrets/inside", "secret"),
        ("etc/fixed", "fixed"),
        ("var/fixed/inside", "fixed"),
        ("etc/free", "free"),
    ] {
        let path = bundle.rootfs().join(path);
        fs::create_dir_all(path.parent().must("find a parent")).must("make a directory");
        fs::write(path, content).must("write a file");
    }
    bundle
        .push("/linux/maskedPaths", json!("/etc/secret"))
        .push("/linux/maskedPaths", json!("/var/secrets"))
        .push("/linux/maskedPaths", json!("/no/such/path"))
        .push("/linux/readonlyPaths", json!("/etc/fixed"))
        .push("/linux/readonlyPaths", json!("/var/fixed"))
        .push("/linux/readonlyPaths", json!("/no/such/path"))
}

/// How opening each path ends.
#[track_caller]
fn attempts(bundle: &Bundle, mode: &str, paths: &[&str]) -> Value {
    let words: Vec<&str> = ["probe", "try", mode].iter().chain(paths).copied().collect();
    bundle.exec(&[], &words).success().json()
}

#[test]
fn masked_paths_show_nothing() {
    requires!(root);
    let mut bundle = stage();
    if bundle.runtime().is_rrun() {
        // For runc 1.1.5 this is an error, unlike a path that is missing elsewhere.
        bundle = bundle.push("/linux/maskedPaths", json!("/etc/free/below-a-file"));
    }
    bundle.up();
    for path in ["/etc/secret", "/proc/keys", "/proc/timer_list"] {
        bundle.exec(&[], &["probe", "read", path]).success().stdout_is("");
    }
    let seen = bundle.exec(&[], &["probe", "stat", "/etc/secret", "/var/secrets", "/etc/free"]);
    let seen = seen.success().json();
    assert_eq!((&seen[0]["type"], &seen[0]["rdev"]), (&json!("char"), &json!([1, 3])));
    assert_eq!(seen[1]["type"], "dir");
    assert_eq!(seen[2]["type"], "file");
    let opened = attempts(&bundle, "r", &["/var/secrets/inside", "/sys/firmware/acpi"]);
    assert_eq!(opened, json!({ "/var/secrets/inside": "ENOENT", "/sys/firmware/acpi": "ENOENT" }));
    let made = attempts(&bundle, "c", &["/var/secrets/new", "/sys/firmware/new"]);
    assert_eq!(made, json!({ "/var/secrets/new": "EROFS", "/sys/firmware/new": "EROFS" }));
    // The image keeps what is hidden from the container.
    let kept = fs::read_to_string(bundle.rootfs().join("etc/secret"));
    assert_eq!(kept.must("read the image's file"), "secret");
}

#[test]
fn read_only_paths_can_be_read_and_not_written() {
    requires!(root);
    let bundle = stage();
    bundle.up();
    let mut paths = vec![
        "/etc/fixed",
        "/var/fixed/inside",
        "/proc/sys/kernel/hostname",
        "/proc/sys/kernel/core_pattern",
        "/proc/sysrq-trigger",
    ];
    // A kernel without the magic SysRq key has no such file.
    paths.retain(|path| !path.starts_with("/proc/sysrq") || std::path::Path::new(path).exists());
    let written = attempts(&bundle, "w", &paths);
    for path in paths {
        assert_eq!(written[path], "EROFS", "{path}");
    }
    let read =
        attempts(&bundle, "r", &["/etc/fixed", "/var/fixed/inside", "/proc/sys/kernel/hostname"]);
    assert!(
        read.as_object().is_some_and(|all| all.values().all(|answer| answer == "ok")),
        "{read}"
    );
    assert_eq!(attempts(&bundle, "w", &["/etc/free"]), json!({ "/etc/free": "ok" }));
}

#[test]
fn a_masked_path_with_a_volume_on_it_is_masked_all_the_same() {
    requires!(root);
    let bundle = stage();
    let volume = bundle.path().join("volume");
    fs::create_dir(&volume).must("make a volume");
    fs::write(volume.join("inside"), "secret").must("fill a volume");
    let bundle = bundle.bind(&volume, "/var/secrets", &[]).bind(&volume, "/var/fixed", &[]);
    bundle.up();
    let opened = attempts(&bundle, "r", &["/var/secrets/inside", "/var/fixed/inside"]);
    assert_eq!(opened, json!({ "/var/secrets/inside": "ENOENT", "/var/fixed/inside": "ok" }));
    assert_eq!(attempts(&bundle, "w", &["/var/fixed/inside"])["/var/fixed/inside"], "EROFS");
}
