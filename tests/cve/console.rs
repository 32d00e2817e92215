//! A console that is something else.

use crate::{decoy, names, plant_link, swapping, with_mounts_at};
use rrun_harness::{Bundle, Leftovers, Must, Terminal, requires};
use serde_json::json;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// How often the runtime runs against the loop.
const ROUNDS: usize = 100;

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

#[test]
fn cve_2025_52565_what_is_swapped_for_the_pty_is_neither_given_away_nor_made_the_console() {
    requires!(root, fixed("1.2.8"));
    // /dev is a volume of the attacker's, who has another directory for the one that devpts is mounted on.
    let bundle = with_mounts_at(Bundle::new(), &["/proc", "/dev/pts"]);
    let volume = bundle.path().join("volume");
    for directory in ["pts", "fake"] {
        fs::create_dir_all(volume.join(directory)).must("make a directory");
    }
    let secret = volume.join("fake/0");
    fs::write(&secret, "secret").must("write a secret");
    let owner = |file: fs::Metadata| (file.uid(), file.gid(), file.mode());
    let held = fs::File::open(&secret).must("open the secret");
    let before = owner(held.metadata().must("look at the secret"));
    let bundle = bundle
        .edit(|config| {
            let bind = json!({ "destination": "/dev", "type": "bind", "source": &volume, "options": ["bind"] });
            config["mounts"].as_array_mut().must("find the mounts").insert(0, bind);
        })
        .set("/process/terminal", json!(true))
        .set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    let bundle = bundle.args(["probe", "stat", "/dev/console"]);
    let mut ran = 0;
    swapping(&volume.join("pts"), &volume.join("fake"), || {
        for _ in 0..ROUNDS {
            let mut terminal = Terminal::open(24, 80);
            let output = bundle.run_on(&mut terminal).wait();
            let shown = terminal.drain();
            if output.exit_code() == 0 {
                ran += 1;
                assert!(shown.contains("\"char\"") && shown.contains("[136,"), "{shown}");
            }
            let found = held.metadata().must("look at the secret");
            assert_eq!(owner(found), before, "it was given away");
        }
    });
    assert!(ran > 0, "no round ran");
    drop(held);
    Leftovers::assert_none(&bundle);
}
