//! The words of `mounts[].options`.

use crate::{assert_options, words};
use nix::mount::MsFlags;
use rrun_harness::{Bundle, HostMounts, requires};

/// Each word alone, and what the mount then has.
const FLAGS: [(&str, &str); 7] = [
    ("ro", "ro"),
    ("nosuid", "nosuid"),
    ("nodev", "nodev"),
    ("noexec", "noexec"),
    ("noatime", "noatime"),
    ("nodiratime", "nodiratime"),
    ("relatime", "relatime"),
];

/// A source mount that has every flag, and a mount below it that has them too.
fn all_flags(host: &mut HostMounts, source: &std::path::Path) {
    let flags = MsFlags::MS_NOSUID
        | MsFlags::MS_NODEV
        | MsFlags::MS_NOEXEC
        | MsFlags::MS_NOATIME
        | MsFlags::MS_NODIRATIME;
    host.tmpfs(source, flags);
    host.tmpfs(&source.join("below"), flags);
    let read_only = flags | MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    host.change(&source.join("below"), read_only);
    host.change(source, read_only);
}

#[test]
fn a_new_mount_has_the_flags_it_asks_for_and_no_other() {
    requires!(root);
    let mut bundle = Bundle::new().mount("/m/plain", "tmpfs", "tmpfs", &["async"]);
    for (word, _) in FLAGS {
        bundle = bundle.mount(&format!("/m/{word}"), "tmpfs", "tmpfs", &[word]);
    }
    let positive = ["rw", "suid", "dev", "exec", "atime", "diratime"];
    let facts = bundle
        .mount("/m/positive", "tmpfs", "tmpfs", &positive)
        .mount("/m/strictatime", "tmpfs", "tmpfs", &["strictatime"])
        .facts();
    for (word, has) in FLAGS {
        let path = format!("/m/{word}");
        let others: Vec<&str> = FLAGS.map(|(_, other)| other).into_iter().collect();
        // A mount that chooses no mode of access times has relatime.
        let lacks: Vec<&str> =
            others.into_iter().filter(|other| *other != has && *other != "relatime").collect();
        assert_options(&facts, &path, &[has], &lacks);
    }
    for path in ["/m/plain", "/m/positive"] {
        let lacks = ["ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime"];
        assert_options(&facts, path, &["rw"], &lacks);
    }
    assert_options(&facts, "/m/strictatime", &["rw"], &["noatime", "relatime"]);
}

#[test]
fn superblock_flags_reach_the_superblock() {
    requires!(root);
    let facts = Bundle::new()
        .mount("/m/sync", "tmpfs", "tmpfs", &["sync"])
        .mount("/m/dirsync", "tmpfs", "tmpfs", &["dirsync"])
        .mount("/m/async", "tmpfs", "tmpfs", &["sync", "async"])
        .facts();
    for word in ["sync", "dirsync"] {
        let found = words(&facts, &format!("/m/{word}"), "super");
        assert!(found.iter().any(|option| option == word), "{found:?}");
    }
    assert!(!words(&facts, "/m/async", "super").iter().any(|option| option == "sync"));
}

#[test]
fn the_words_that_came_later_work_too() {
    // runc 1.1.5 takes these for options of tmpfs.
    requires!(root, rrun);
    let facts = Bundle::new()
        .mount("/m/nosymfollow", "tmpfs", "tmpfs", &["nosymfollow"])
        .mount("/m/lazytime", "tmpfs", "tmpfs", &["lazytime"])
        .mount(
            "/m/quiet",
            "tmpfs",
            "tmpfs",
            &["defaults", "silent", "iversion", "nolazytime", "symfollow"],
        )
        .facts();
    assert_options(&facts, "/m/nosymfollow", &["nosymfollow"], &[]);
    assert!(words(&facts, "/m/lazytime", "super").contains(&"lazytime".to_owned()));
    assert_options(&facts, "/m/quiet", &["rw"], &["nosymfollow"]);
}

#[test]
fn options_of_the_file_system_reach_it_each_alone_or_joined() {
    requires!(root);
    let facts = Bundle::new()
        .mount("/m/a", "tmpfs", "tmpfs", &["size=64k", "nr_inodes=32", "mode=701", "uid=5"])
        .mount("/m/b", "tmpfs", "tmpfs", &["size=64k,nr_inodes=32"])
        .facts();
    let found = words(&facts, "/m/a", "super");
    for word in ["size=64k", "nr_inodes=32", "mode=701", "uid=5"] {
        assert!(found.iter().any(|option| option == word), "{word} is not in {found:?}");
    }
    assert!(words(&facts, "/m/b", "super").contains(&"nr_inodes=32".to_owned()));
}

#[test]
fn a_bind_has_the_flags_it_asks_for() {
    requires!(root);
    let mut bundle = Bundle::new();
    let source = bundle.path().join("volume");
    let mut host = HostMounts::private();
    host.tmpfs(&source, MsFlags::empty());
    for (word, _) in FLAGS {
        bundle = bundle.bind(&source, &format!("/m/{word}"), &[word]);
    }
    let bundle = bundle.bind(&source, "/m/plain", &[]);
    let bundle = bundle.args(["probe", "facts"]);
    let facts = bundle.run().success().json();
    for (word, has) in FLAGS {
        assert_options(&facts, &format!("/m/{word}"), &[has], &[]);
    }
    let lacks = ["ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime"];
    assert_options(&facts, "/m/plain", &["rw"], &lacks);
    drop(host);
}

#[test]
fn a_bind_keeps_the_flags_of_its_source_and_clears_those_it_is_told_to() {
    // runc 1.1.5 clears none: it remounts only to set a flag.
    requires!(root, rrun);
    let words = ["rw", "suid", "dev", "exec", "atime", "diratime"];
    let flags = ["ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime"];
    let mut bundle = Bundle::new();
    let source = bundle.path().join("volume");
    let mut host = HostMounts::private();
    all_flags(&mut host, &source);
    for word in words {
        bundle = bundle.bind(&source, &format!("/m/{word}"), &[word]);
    }
    let bundle = bundle.bind(&source, "/m/kept", &[]);
    let bundle = bundle.args(["probe", "facts"]);
    let facts = bundle.run().success().json();
    assert_options(&facts, "/m/kept", &flags, &[]);
    for (word, flag) in words.iter().zip(flags) {
        let others: Vec<&str> = flags.into_iter().filter(|other| *other != flag).collect();
        assert_options(&facts, &format!("/m/{word}"), &others, &[flag]);
    }
    drop(host);
}

#[test]
fn recursive_words_reach_the_whole_tree_and_others_its_top_alone() {
    requires!(root);
    let recursive = ["rnosuid", "rnodev", "rnoexec", "rnoatime", "rnodiratime"];
    let flags = ["nosuid", "nodev", "noexec", "noatime", "nodiratime"];
    let bundle = Bundle::new();
    let source = bundle.path().join("volume");
    let mut host = HostMounts::private();
    host.tmpfs(&source, MsFlags::empty());
    host.tmpfs(&source.join("below"), MsFlags::empty());
    let text = source.to_string_lossy().into_owned();
    let bundle = bundle
        .mount("/top", "none", &text, &["rbind", "ro"])
        .mount("/tree", "none", &text, &["rbind", "rro"])
        .mount(
            "/all",
            "none",
            &text,
            &["rbind"].iter().chain(&recursive).copied().collect::<Vec<_>>(),
        )
        .mount("/alone", "none", &text, &["bind"]);
    let bundle = bundle.args(["probe", "facts"]);
    let facts = bundle.run().success().json();
    assert_options(&facts, "/top", &["ro"], &[]);
    assert_options(&facts, "/top/below", &["rw"], &["ro"]);
    assert_options(&facts, "/tree", &["ro"], &[]);
    assert_options(&facts, "/tree/below", &["ro"], &[]);
    for path in ["/all", "/all/below"] {
        assert_options(&facts, path, &flags, &["ro"]);
    }
    assert!(!facts.to_string().contains("/alone/below"), "`bind` brought the mounts below along");
    drop(host);
}

#[test]
fn recursive_words_clear_in_the_whole_tree() {
    // runc 1.1.5 clears access times in a way that the kernel refuses.
    requires!(root, rrun);
    let words = ["rbind", "rrw", "rsuid", "rdev", "rexec", "ratime", "rdiratime"];
    let flags = ["ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime"];
    let bundle = Bundle::new();
    let source = bundle.path().join("volume");
    let mut host = HostMounts::private();
    all_flags(&mut host, &source);
    let bundle = bundle.mount("/tree", "none", &source.to_string_lossy(), &words);
    let bundle = bundle.args(["probe", "facts"]);
    let facts = bundle.run().success().json();
    for path in ["/tree", "/tree/below"] {
        assert_options(&facts, path, &["rw"], &flags);
    }
    drop(host);
}

#[test]
fn a_remount_changes_what_an_earlier_entry_mounted() {
    requires!(root, rrun);
    let facts = Bundle::new()
        .mount("/m", "tmpfs", "tmpfs", &["nosuid"])
        .mount("/m/below", "tmpfs", "tmpfs", &[])
        .mount("/m", "", "", &["remount", "ro", "nodev"])
        .facts();
    assert_options(&facts, "/m", &["ro", "nodev", "nosuid"], &[]);
    assert_options(&facts, "/m/below", &["rw"], &["ro"]);
}

#[test]
fn an_option_that_the_file_system_does_not_know_is_named() {
    requires!(root);
    let bundle = Bundle::new().mount("/m", "tmpfs", "tmpfs", &["nonsense=1"]);
    let output = bundle.run().failure();
    if bundle.runtime().is_rrun() {
        output.stderr_has("nonsense").stderr_has("/mounts/6");
    }
    rrun_harness::Leftovers::assert_none(&bundle);
}

#[test]
fn a_file_system_that_the_kernel_does_not_have_is_named() {
    requires!(root, rrun);
    let bundle = Bundle::new().mount("/m", "nosuchfs", "x", &[]);
    bundle.run().failure().stderr_has("nosuchfs").stderr_has("/mounts/6");
    rrun_harness::Leftovers::assert_none(&bundle);
}

#[test]
fn a_value_longer_than_the_kernel_takes_is_refused_before_anything_is_made() {
    // mount(2), runc's way, takes a page of options in one string; fsconfig(2) takes 255 bytes for each.
    requires!(root, rrun);
    let long = format!("lowerdir={}", "/".repeat(256));
    let bundle = Bundle::new().mount("/m", "overlay", "overlay", &[&long]);
    bundle.run().failure().stderr_has("255").stderr_has("/mounts/6").stderr_has("lowerdir");
    rrun_harness::Leftovers::assert_none(&bundle);
}

#[test]
fn a_source_that_is_missing_is_named() {
    requires!(root);
    let bundle = Bundle::new();
    let source = bundle.path().join("missing");
    let bundle = bundle.bind(&source, "/m", &[]);
    bundle.run().failure().stderr_has(&source.to_string_lossy());
    rrun_harness::Leftovers::assert_none(&bundle);
}

#[test]
fn an_overlay_is_a_mount_like_any_other() {
    requires!(root, busybox);
    let bundle = Bundle::new();
    let stage = bundle.path().join("stage");
    let mut host = HostMounts::private();
    host.tmpfs(&stage, MsFlags::empty());
    for (directory, file) in [("lower", "a"), ("upper", "b"), ("work", "")] {
        let directory = stage.join(directory);
        std::fs::create_dir(&directory).expect("make a layer");
        if !file.is_empty() {
            std::fs::write(directory.join(file), file).expect("fill a layer");
        }
    }
    let at = |name: &str| format!("{name}dir={}", stage.join(name).display());
    let options = [at("lower"), at("upper"), at("work")];
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let script = "cat /merged/a /merged/b && echo -n new > /merged/c";
    let bundle = bundle.mount("/merged", "overlay", "overlay", &options).script(script);
    bundle.run().success().stdout_is("ab");
    assert_eq!(std::fs::read(stage.join("upper/c")).expect("read the upper layer"), b"new");
    drop(host);
}
