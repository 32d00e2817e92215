//! Masks that hide nothing, because the container chose what they are made of.

use crate::{plant_link, swapping, with_mounts_at};
use rrun_harness::{Bundle, Leftovers, Must, requires};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;

/// How often the runtime runs against the loop.
const ROUNDS: usize = 24;

/// A bundle with something to hide.
#[track_caller]
fn with_secret(bundle: Bundle) -> Bundle {
    let secret = bundle.path().join("secret");
    fs::write(&secret, "secret").must("write a secret");
    bundle
        .bind(&secret, "/etc/secret", &[])
        .set("/linux/maskedPaths", json!(["/etc/secret", "/proc/keys"]))
        .args(["probe", "stat", "/etc/secret", "/proc/keys"])
}

/// Both masked files are the null device.
#[track_caller]
fn assert_masked(seen: &Value) {
    for n in [0, 1] {
        assert_eq!(
            (&seen[n]["type"], &seen[n]["rdev"]),
            (&json!("char"), &json!([1, 3])),
            "{seen}"
        );
    }
}

#[test]
fn cve_2025_31133_masks_are_the_hosts_null_whatever_the_images_is() {
    requires!(root, fixed("1.2.8"));
    // With no tmpfs on /dev the nodes are made in the image, beside what it planted.
    let bundle = with_secret(with_mounts_at(Bundle::new(), &["/proc"]));
    for target in ["/proc/sys/kernel/core_pattern", "/etc/passwd", "/nowhere"] {
        plant_link(&bundle, "dev/null", target);
        let output = bundle.run();
        // Refusing such an image is as good.
        if output.exit_code() == 0 {
            assert_masked(&output.json());
        }
        Leftovers::assert_none(&bundle);
        fs::remove_file(bundle.rootfs().join("dev/null")).must("remove the link");
    }
}

#[test]
fn cve_2025_31133_and_2025_62161_a_null_swapped_while_masks_are_made_is_no_mask() {
    requires!(root, fixed("1.2.8"));
    // /dev is a volume of the attacker's, so the runtime makes no nodes there, and its null comes and goes.
    let bundle = with_mounts_at(Bundle::new(), &["/proc"]);
    let volume = bundle.path().join("volume");
    fs::create_dir(&volume).must("make a volume");
    symlink("/proc/version", volume.join("link")).must("make a link");
    symlink("/etc/passwd", volume.join("null")).must("make a link");
    let bundle = with_secret(bundle.bind(&volume, "/dev", &[]));
    swapping(&volume.join("null"), &volume.join("link"), || {
        for _ in 0..ROUNDS {
            assert_masked(&bundle.run().success().json());
        }
    });
    Leftovers::assert_none(&bundle);
}

#[test]
fn cve_2025_31133_a_mask_that_cannot_be_made_is_an_error() {
    requires!(root, rrun);
    let bundle = Bundle::new().set("/linux/maskedPaths", json!(["/etc/loop"]));
    plant_link(&bundle, "etc/loop", "loop");
    bundle.run().failure().stderr_has("/linux/maskedPaths/0").stderr_has("/etc/loop");
    Leftovers::assert_none(&bundle);
}
