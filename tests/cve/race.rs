//! Mount points that change while the runtime works on them.

use crate::{decoy, names};
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use rrun_harness::{Bundle, Leftovers, Must, mount_at, requires};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// How often the runtime runs against the loop.
const ROUNDS: usize = 8;

/// Exchanges two names for as long as `then` runs.
fn swapping<R>(one: &Path, other: &Path, then: impl FnOnce() -> R) -> R {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE)
                    .must("exchange two names");
            }
        });
        // A failed assertion must not leave the loop running: the scope would wait for it for ever.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(then));
        stop.store(true, Ordering::Relaxed);
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[test]
fn cve_2021_30465_a_mount_point_swapped_for_a_link_leads_nowhere() {
    requires!(root);
    let bundle = Bundle::new();
    let outside = decoy(&bundle);
    let volume = bundle.path().join("volume");
    fs::create_dir_all(volume.join("target")).must("make a directory");
    symlink(&outside, volume.join("link")).must("make a link");
    let payload = bundle.path().join("payload");
    fs::create_dir(&payload).must("make a directory");
    fs::write(payload.join("planted"), "").must("write a file");
    let bundle = bundle
        .bind(&volume, "/volume", &[])
        .bind(&payload, "/volume/target/below", &[])
        .mount("/volume/target", "tmpfs", "tmpfs", &[])
        .args(["probe", "facts", "mounts"]);
    swapping(&volume.join("target"), &volume.join("link"), || {
        for _ in 0..ROUNDS {
            let output = bundle.run();
            if output.exit_code() == 0 {
                // What the mount landed on lies inside, wherever the link led just then.
                assert!(mount_at(&output.json(), "/volume")["at"].is_string());
            }
            assert_eq!(names(&outside), ["ptmx"]);
        }
    });
    Leftovers::assert_none(&bundle);
}

#[test]
fn cve_2024_45310_no_file_or_directory_is_made_outside() {
    // runc 1.1.5 has this hole.
    requires!(root, rrun);
    let bundle = Bundle::new();
    let outside = decoy(&bundle);
    let volume = bundle.path().join("volume");
    fs::create_dir_all(volume.join("a")).must("make a directory");
    symlink(&outside, volume.join("link")).must("make a link");
    let file = bundle.path().join("file");
    fs::write(&file, "").must("write a file");
    let bundle = bundle.bind(&volume, "/volume", &[]).bind(&file, "/volume/a/new/file", &[]).mount(
        "/volume/a/new/directory/deep",
        "tmpfs",
        "tmpfs",
        &[],
    );
    swapping(&volume.join("a"), &volume.join("link"), || {
        for _ in 0..ROUNDS {
            drop(bundle.run());
            assert_eq!(names(&outside), ["ptmx"]);
            // So that there is something to make again.
            drop(fs::remove_dir_all(volume.join("a/new")));
            drop(fs::remove_dir_all(volume.join("link/new")));
        }
    });
    Leftovers::assert_none(&bundle);
}

#[test]
fn cve_2023_28642_a_proc_swapped_for_a_link_is_no_place_for_procfs() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "facts", "mounts"]);
    let rootfs = bundle.rootfs();
    symlink("/tmp", rootfs.join("link")).must("make a link");
    swapping(&rootfs.join("proc"), &rootfs.join("link"), || {
        for _ in 0..ROUNDS {
            let output = bundle.run();
            if output.exit_code() == 0 {
                let seen = output.stdout();
                // A run that won the race has its procfs at /proc, or sees none because the name moved on.
                assert!(seen.is_empty() || !seen.contains("\"at\":\"/tmp\""), "{seen}");
            }
        }
    });
    Leftovers::assert_none(&bundle);
}

#[test]
fn cve_2019_18837_a_destination_below_a_link_stays_inside() {
    requires!(root);
    let bundle = Bundle::new();
    let outside = decoy(&bundle);
    symlink(&outside, bundle.rootfs().join("absolute")).must("make a link");
    symlink("../decoy", bundle.rootfs().join("relative")).must("make a link");
    let bundle = bundle
        .mount("/absolute/a", "tmpfs", "tmpfs", &[])
        .mount("/relative/b", "tmpfs", "tmpfs", &[])
        .set("/process/cwd", json!("/absolute/work"));
    bundle.run().success();
    assert_eq!(names(&outside), ["ptmx"]);
    assert!(bundle.rootfs().join("decoy/b").is_dir());
}
