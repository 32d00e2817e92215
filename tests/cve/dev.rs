//! A `/dev` that leads elsewhere.

use crate::{decoy, names, plant_link, with_mounts_at};
use rrun_harness::{Bundle, Leftovers, Must, Terminal, device_at, requires};
use serde_json::json;
use std::fs;
use std::path::PathBuf;

#[test]
fn cve_2026_41579_a_dev_that_is_a_link_leaves_the_host_untouched() {
    // runc 1.1.5 has this hole.
    requires!(root, rrun);
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

#[test]
fn cve_2025_52565_the_console_is_the_pty_that_was_made() {
    requires!(root, busybox);
    let bundle = Bundle::new()
        .set("/process/terminal", json!(true))
        .script("stat -c '%t:%T' /dev/console; test /dev/console -ef /dev/null || echo own");
    let mut terminal = Terminal::open(24, 80);
    let running = bundle.run_on(&mut terminal);
    running.wait().success();
    let shown = terminal.drain();
    // Devices 136 to 143 are ptys (devices.txt of the kernel); 88 is 136 in hexadecimal.
    for text in ["own", "88:0"] {
        assert!(shown.contains(text), "{shown}");
    }
    Leftovers::assert_none(&bundle);
}

#[test]
fn cve_2025_52565_a_console_that_the_image_planted_is_not_written_through() {
    requires!(root);
    let bundle = with_mounts_at(Bundle::new(), &["/proc", "/dev/pts"]);
    let outside = decoy(&bundle);
    fs::create_dir_all(bundle.rootfs().join("dev")).must("make a directory");
    plant_link(&bundle, "dev/console", outside.join("console"));
    let bundle = bundle.set("/process/terminal", json!(true));
    let mut terminal = Terminal::open(24, 80);
    let running = bundle.run_on(&mut terminal);
    drop(running.wait());
    assert_eq!(names(&outside), ["ptmx"]);
    Leftovers::assert_none(&bundle);
}
