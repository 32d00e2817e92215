//! `tmpcopyup`, and the mode of a tmpfs.

use rrun_harness::{Bundle, Must, requires};
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::Path;

#[track_caller]
fn stat(bundle: &Bundle, path: &str) -> Value {
    bundle.exec(&[], &["probe", "stat", path]).success().json()
}

#[track_caller]
fn plant(path: &Path, content: &str, mode: u32, owner: u32) {
    fs::create_dir_all(path.parent().must("find a parent")).must("make a directory");
    fs::write(path, content).must("write a file");
    chown(path, Some(owner), Some(owner + 1)).must("give a file away");
    fs::set_permissions(path, Permissions::from_mode(mode)).must("set a mode");
}

#[test]
fn a_tmpfs_with_tmpcopyup_starts_with_what_it_covers() {
    requires!(root);
    let bundle = Bundle::new();
    let covered = bundle.rootfs().join("covered");
    plant(&covered.join("plain"), "plain", 0o644, 5);
    plant(&covered.join("setuid"), "setuid", 0o4755, 1000);
    plant(&covered.join("deep/er/file"), "deep", 0o600, 0);
    let sticky = Permissions::from_mode(0o1777);
    fs::set_permissions(covered.join("deep/er"), sticky).must("set a mode");
    symlink("/etc/passwd", covered.join("link")).must("make a link");
    lchown(covered.join("link"), Some(7), Some(8)).must("give a link away");
    fs::set_permissions(&covered, Permissions::from_mode(0o751)).must("set a mode");
    for n in 0..200 {
        plant(&covered.join(format!("many/file-with-a-longer-name-{n}")), "", 0o644, 0);
    }
    let bundle = bundle.args(["probe", "sleep"]).mount(
        "/covered",
        "tmpfs",
        "tmpfs",
        &["tmpcopyup", "nosuid", "ro"],
    );
    bundle.up();
    bundle.exec(&[], &["probe", "read", "/covered/plain"]).success().stdout_is("plain");
    bundle.exec(&[], &["probe", "read", "/covered/deep/er/file"]).success().stdout_is("deep");
    let plain = stat(&bundle, "/covered/plain");
    assert_eq!(
        (&plain["mode"], &plain["uid"], &plain["gid"]),
        (&"644".into(), &5.into(), &6.into())
    );
    assert_eq!(stat(&bundle, "/covered/setuid")["mode"], "4755");
    assert_eq!(stat(&bundle, "/covered/setuid")["uid"], 1000);
    // runc 1.1.5 makes directories under its umask.
    let sticky = if bundle.runtime().is_rrun() { "1777" } else { "1755" };
    assert_eq!(stat(&bundle, "/covered/deep/er")["mode"], sticky);
    let link = stat(&bundle, "/covered/link");
    assert_eq!((&link["target"], &link["uid"]), (&"/etc/passwd".into(), &7.into()));
    assert_eq!(stat(&bundle, "/covered")["mode"], "751");
    assert_eq!(stat(&bundle, "/covered/many/file-with-a-longer-name-199")["type"], "file");
    // A copy: the image keeps its own.
    bundle.exec(&[], &["probe", "write", "/covered/new", "x"]).failure().stdout_is("EROFS\n");
    assert!(!covered.join("new").exists());
}

#[test]
fn tmpcopyup_of_a_directory_that_is_missing_is_an_empty_tmpfs() {
    requires!(root);
    let bundle = Bundle::new().mount("/nothing/here", "tmpfs", "tmpfs", &["tmpcopyup"]);
    bundle.args(["probe", "open", "/nothing/here/file", "c"]).run().success();
}

#[test]
fn a_tmpfs_has_the_mode_of_what_it_covers_unless_it_names_one() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "sleep"]);
    for (name, mode) in [("closed", 0o711), ("sticky", 0o1777)] {
        fs::create_dir(bundle.rootfs().join(name)).must("make a directory");
        let mode = Permissions::from_mode(mode);
        fs::set_permissions(bundle.rootfs().join(name), mode).must("set a mode");
    }
    let bundle = bundle
        .mount("/closed", "tmpfs", "tmpfs", &[])
        .mount("/sticky", "tmpfs", "tmpfs", &[])
        .mount("/named", "tmpfs", "tmpfs", &["mode=0700"])
        .mount("/missing", "tmpfs", "tmpfs", &[]);
    bundle.up();
    for (path, mode) in
        [("/closed", "711"), ("/sticky", "1777"), ("/named", "700"), ("/missing", "1777")]
    {
        assert_eq!(stat(&bundle, path)["mode"], mode, "{path}");
    }
}
