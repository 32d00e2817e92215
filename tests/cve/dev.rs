//! A `/dev` that leads elsewhere.

use crate::{decoy, names, plant_link, with_mounts_at};
use rrun_harness::{Bundle, Leftovers, Must, device_at, requires};
use serde_json::json;
use std::fs;
use std::path::PathBuf;

#[test]
fn cve_2026_41579_and_2026_47766_a_dev_that_is_a_link_leaves_the_host_untouched() {
    requires!(root, fixed("1.3.6"));
    for split in [false, true] {
        for relative in [false, true] {
            // No mount on /dev: nodes and links would be made in the image.
            let bundle = with_mounts_at(Bundle::new(), &["/proc"]);
            let outside = decoy(&bundle);
            let climbing =
                PathBuf::from(format!("../../../../../../../../..{}", outside.display()));
            plant_link(&bundle, "dev", if relative { &climbing } else { &outside });
            if split {
                // Whether it is refused or goes inside is the runtime's choice.
                if bundle.create().exit_code() == 0 {
                    drop(bundle.start());
                }
                drop(bundle.delete_force());
            } else {
                drop(bundle.run());
            }
            assert_eq!(names(&outside), ["ptmx"]);
            let kept = fs::read_to_string(outside.join("ptmx")).must("read the decoy");
            assert_eq!(kept, "untouched");
            Leftovers::assert_none(&bundle);
        }
    }
}

#[test]
fn cve_2026_41579_a_link_inside_is_followed_inside() {
    requires!(root, rrun);
    let bundle = with_mounts_at(Bundle::new(), &["/proc"]);
    plant_link(&bundle, "dev", "/real-dev");
    fs::create_dir(bundle.rootfs().join("real-dev")).must("make a directory");
    let bundle = bundle.args(["probe", "facts", "dev"]);
    let seen = bundle.run().success().json();
    assert_eq!(device_at(&seen, "null")["rdev"], json!([1, 3]));
    assert_eq!(device_at(&seen, "ptmx")["target"], "pts/ptmx");
}
