//! Mount points that change while the runtime works on them.

use crate::{decoy, mounted_below, names, swapping, witnessed};
use rrun_harness::{Bundle, Leftovers, Must, requires};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

/// How often the runtime runs against the loop.
const ROUNDS: usize = 24;

#[test]
fn cve_2021_30465_a_mount_point_swapped_for_a_link_leads_nowhere() {
    requires!(root);
    let bundle = Bundle::new();
    let outside = decoy(&bundle);
    let volume = bundle.path().join("volume");
    fs::create_dir_all(volume.join("target")).must("make a directory");
    symlink(&outside, volume.join("link")).must("make a link");
    let bundle = bundle
        .bind(&volume, "/volume", &[])
        .mount("/volume/target", "tmpfs", "tmpfs", &[])
        .mount("/volume/target", "tmpfs", "tmpfs", &["ro"])
        .mount("/volume/target", "tmpfs", "tmpfs", &["noexec"]);
    let (bundle, witness) = witnessed(bundle);
    let mut placed = 0;
    swapping(&volume.join("target"), &volume.join("link"), || {
        for _ in 0..ROUNDS {
            drop(bundle.run());
            // Inside, or refused: whoever won the race.
            placed += usize::from(witness.exists());
            assert_eq!(mounted_below(&witness, &outside), []);
            assert_eq!(names(&outside), ["ptmx"]);
        }
    });
    assert!(placed > 0, "no round came as far as the hook");
    Leftovers::assert_none(&bundle);
}

#[test]
fn cve_2024_45310_no_file_or_directory_is_made_outside() {
    requires!(root, fixed("1.1.14"));
    let bundle = Bundle::new();
    let outside = decoy(&bundle);
    let volume = bundle.path().join("volume");
    fs::create_dir_all(volume.join("a")).must("make a directory");
    symlink(&outside, volume.join("link")).must("make a link");
    let file = bundle.path().join("file");
    fs::write(&file, "").must("write a file");
    let bundle = bundle
        .bind(&volume, "/volume", &[])
        .bind(&file, "/volume/a/file", &[])
        .mount("/volume/a/direct", "tmpfs", "tmpfs", &[])
        .mount("/volume/a/new/directory/deep", "tmpfs", "tmpfs", &[]);
    swapping(&volume.join("a"), &volume.join("link"), || {
        for _ in 0..ROUNDS {
            drop(bundle.run());
            assert_eq!(names(&outside), ["ptmx"]);
            // So that there is something to make again. Where the swapped name leads just now is not asked.
            for name in ["file", "direct", "new"] {
                for directory in ["a", "link"] {
                    let at = volume.join(directory).join(name);
                    drop(fs::remove_file(&at).or_else(|_| fs::remove_dir_all(&at)));
                }
            }
        }
    });
    Leftovers::assert_none(&bundle);
}

#[test]
fn cve_2023_28642_a_proc_swapped_for_a_link_is_no_place_for_procfs() {
    // runc 1.1.5, which looks before it mounts, loses this race now and then.
    requires!(root, fixed("1.2.8"));
    let bundle = Bundle::new();
    let rootfs = bundle.rootfs();
    fs::create_dir(rootfs.join("elsewhere")).must("make a directory");
    symlink("/elsewhere", rootfs.join("link")).must("make a link");
    let (bundle, witness) = witnessed(bundle);
    swapping(&rootfs.join("proc"), &rootfs.join("link"), || {
        for _ in 0..ROUNDS {
            drop(bundle.run());
            let strayed = mounted_below(&witness, &rootfs.join("elsewhere"));
            assert_eq!(strayed, [], "the link was followed");
        }
    });
    Leftovers::assert_none(&bundle);
}

#[test]
fn cve_2019_19921_two_containers_that_share_a_volume_swap_each_others_proc() {
    requires!(root);
    let volume = Bundle::new();
    let shared = volume.path().join("shared");
    for name in ["proc", "fake"] {
        fs::create_dir_all(shared.join(name)).must("make a directory");
    }
    fs::remove_dir(shared.join("fake")).must("make room for a link");
    symlink("/tmp", shared.join("fake")).must("make a link");
    // Each of the two has a link to the volume where its /proc should be.
    let victims = [Bundle::new(), Bundle::new()].map(|bundle| {
        let proc = bundle.rootfs().join("proc");
        fs::remove_dir(&proc).must("remove a directory");
        symlink("/volume/proc", &proc).must("make a link");
        let bundle = bundle.bind(&shared, "/volume", &[]).edit(|config| {
            let mounts = config["mounts"].as_array_mut().must("find the mounts");
            mounts.rotate_right(1);
        });
        witnessed(bundle)
    });
    swapping(&shared.join("proc"), &shared.join("fake"), || {
        for round in 0..ROUNDS {
            let (bundle, witness) = &victims[round % 2];
            bundle.run().failure();
            let found: Vec<(PathBuf, String)> = mounted_below(witness, &bundle.rootfs());
            assert_eq!(found.iter().find(|(_, kind)| kind == "proc"), None);
        }
    });
    victims.iter().for_each(|(bundle, _)| Leftovers::assert_none(bundle));
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
