//! Binds that leave symbolic links alone: made anew, bound themselves, mounted over.

use rrun_harness::{Bundle, Leftovers, Must, requires};
use serde_json::json;
use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::{Path, PathBuf};

/// A link beside the rootfs, to a file that the host and the container have with different content.
fn stage() -> (Bundle, PathBuf) {
    let bundle = Bundle::new();
    let link = bundle.path().join("link");
    let here = bundle.path().join("told");
    fs::write(&here, "outside").must("write a file");
    symlink(&here, &link).must("make a link");
    let inside = bundle.rootfs().join(here.strip_prefix("/").must("an absolute path"));
    fs::create_dir_all(inside.parent().must("a parent")).must("make a directory");
    fs::write(&inside, "inside").must("write a file");
    (bundle, link)
}

fn reads(bundle: Bundle, path: &str) -> String {
    let bundle = bundle.args(["probe", "read", path]);
    let said = bundle.run().success().stdout();
    Leftovers::assert_none(&bundle);
    said
}

#[test]
fn a_link_that_is_followed_shows_what_the_host_has() {
    requires!(root);
    let (bundle, link) = stage();
    assert_eq!(reads(bundle.bind(&link, "/etc/told", &[]), "/etc/told"), "outside");
}

#[test]
fn a_source_that_is_a_link_is_bound_itself() {
    requires!(root, rrun);
    let (bundle, link) = stage();
    let bundle = bundle.bind(&link, "/etc/told", &["src-nofollow", "ro"]);
    let bundle = bundle.args(["probe", "read", "/etc/told"]);
    bundle.run().success().stdout_is("inside");
    // Nothing of it is in the rootfs but an empty file to lie on.
    let on = fs::symlink_metadata(bundle.rootfs().join("etc/told")).must("look at it");
    assert!(on.is_file() && on.len() == 0, "{on:?}");
}

#[test]
fn a_source_that_is_no_link_is_bound_as_ever() {
    requires!(root, rrun);
    let (bundle, link) = stage();
    let told = fs::read_link(&link).must("read the link");
    for (index, options) in
        [["src-nofollow"], ["copy-symlink"], ["dest-nofollow"]].iter().enumerate()
    {
        let bundle = Bundle::new().bind(&told, &format!("/etc/told{index}"), options);
        assert_eq!(reads(bundle, &format!("/etc/told{index}")), "outside", "{options:?}");
    }
    let directory = bundle.path().join("directory");
    fs::create_dir(&directory).must("make a directory");
    fs::write(directory.join("file"), "below").must("write a file");
    let bundle = bundle.bind(&directory, "/new/directory", &["copy-symlink", "dest-nofollow"]);
    assert_eq!(reads(bundle, "/new/directory/file"), "below");
}

#[test]
fn a_link_is_copied_where_nothing_or_the_same_is() {
    requires!(root, rrun);
    let (bundle, link) = stage();
    let told = fs::read_link(&link).must("read the link");
    let copied = bundle.rootfs().join("made/for/it");
    let bundle = bundle.bind(&link, "/made/for/it", &["copy-symlink"]);
    let bundle = bundle.args(["probe", "facts", "mounts"]);
    for time in ["first", "second"] {
        let facts = bundle.run().success().json();
        assert_eq!(fs::read_link(&copied).must("read the copy"), told, "{time}");
        assert!(!facts.to_string().contains("/made/for"), "{time}: it was mounted");
    }
    // One that leads nowhere on the host is as good.
    fs::remove_file(&told).must("remove the file");
    assert_eq!(reads(bundle, "/made/for/it"), "inside");
}

#[test]
fn a_link_is_not_copied_over_anything_else() {
    requires!(root, rrun);
    for what in ["a file", "a directory", "a link that leads elsewhere"] {
        let (bundle, link) = stage();
        let there = bundle.rootfs().join("etc/told");
        match what {
            "a file" => fs::write(&there, "kept").must("write a file"),
            "a directory" => fs::create_dir(&there).must("make a directory"),
            _ => symlink("kept", &there).must("make a link"),
        }
        let before = fs::symlink_metadata(&there).must("look").file_type();
        let bundle = bundle.bind(&link, "/etc/told", &["copy-symlink"]);
        let last = bundle.config()["mounts"].as_array().must("find the mounts").len() - 1;
        let output = bundle.run().failure();
        output.stderr_has(&format!("/mounts/{last}")).stderr_has("something else is there");
        assert_eq!(fs::symlink_metadata(&there).must("look").file_type(), before, "{what}");
        if what.contains("link") {
            assert_eq!(fs::read_link(&there).must("read it"), Path::new("kept"));
        }
        Leftovers::assert_none(&bundle);
    }
}

#[test]
fn links_of_the_image_lead_no_copy_and_no_mount_out_of_it() {
    requires!(root, rrun);
    for options in [&["copy-symlink"][..], &["dest-nofollow"], &["src-nofollow", "dest-nofollow"]] {
        let (bundle, link) = stage();
        let outside = bundle.path().join("elsewhere");
        fs::create_dir(&outside).must("make a directory");
        for (name, target) in [("absolute", outside.clone()), ("upward", "../elsewhere".into())] {
            symlink(target, bundle.rootfs().join(name)).must("make a link");
        }
        let bundle = bundle
            .bind(&link, "/absolute/it", options)
            .bind(&link, "/upward/it", options)
            .args(["probe", "exit", "0"]);
        bundle.run().success();
        let left: Vec<_> = fs::read_dir(&outside).must("list it").flatten().collect();
        assert!(left.is_empty(), "{options:?} made {left:?} outside");
        let inside = bundle.rootfs().join("elsewhere/it");
        assert!(fs::symlink_metadata(inside).is_ok(), "{options:?} made nothing in the rootfs");
    }
}

#[test]
fn a_destination_that_is_a_link_is_mounted_over_and_what_it_leads_to_is_not() {
    requires!(root, rrun);
    for (options, at_link, behind) in
        [(&["dest-nofollow"][..], "outside", "kept"), (&[], "outside", "outside")]
    {
        for (path, expected) in [("/etc/linked", at_link), ("/etc/behind", behind)] {
            let (bundle, link) = stage();
            let etc = bundle.rootfs().join("etc");
            fs::write(etc.join("behind"), "kept").must("write a file");
            symlink("behind", etc.join("linked")).must("make a link");
            let bundle = bundle.bind(&link, "/etc/linked", options);
            assert_eq!(reads(bundle, path), expected, "{path} with {options:?}");
        }
    }
}

#[test]
fn a_link_is_bound_over_a_link() {
    requires!(root, rrun);
    let (bundle, link) = stage();
    symlink("/nowhere", bundle.rootfs().join("etc/linked")).must("make a link");
    let bundle = bundle.bind(&link, "/etc/linked", &["src-nofollow", "dest-nofollow"]);
    assert_eq!(reads(bundle, "/etc/linked"), "inside");
}

#[test]
fn links_are_left_alone_with_users_of_its_own_too() {
    requires!(root, rrun);
    for options in [&["src-nofollow"][..], &["copy-symlink"], &["src-nofollow", "dest-nofollow"]] {
        let (bundle, link) = stage();
        let bundle = bundle.mapped(&[(0, 100_000, 65536)]).bind(&link, "/etc/told", options);
        for path in [bundle.rootfs(), bundle.rootfs().join("etc")] {
            chown(path, Some(100_000), Some(100_000)).must("give the rootfs away");
        }
        assert_eq!(reads(bundle, "/etc/told"), "inside", "{options:?}");
    }
}

#[test]
fn data_of_a_file_system_changes_nothing_about_a_bind_and_is_told() {
    requires!(root, rrun);
    let (bundle, link) = stage();
    let bundle = bundle.bind(&link, "/etc/told", &["mode=755", "size=1k", "ro"]);
    let bundle = bundle.args(["probe", "read", "/etc/told"]);
    let output = bundle.run().success();
    assert_eq!(output.stdout(), "outside");
    output.stderr_has("mode=755").stderr_has("size=1k").stderr_has("has no effect on a bind");
}

#[test]
fn a_running_container_gets_no_mounts_of_links() {
    requires!(root, rrun);
    let (bundle, link) = stage();
    let bundle = bundle.args(["probe", "sleep"]);
    bundle.up();
    let list = bundle.path().join("list.json");
    for word in ["copy-symlink", "src-nofollow", "dest-nofollow"] {
        let mounts =
            json!([{ "destination": "/x", "type": "bind", "source": link, "options": [word] }]);
        fs::write(&list, mounts.to_string()).must("write the list");
        let file = list.to_string_lossy().into_owned();
        let output = bundle.runtime().call(["mounts", "add", bundle.id(), &file]).failure();
        output.stderr_has("/mounts/0").stderr_has("symbolic link");
    }
}
