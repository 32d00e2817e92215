//! What really happens: full disks, roots that can't be written, bundles that are none.

use crate::fixtures::{assert_nothing_is_left, minimal};
use rrun_harness::{Bundle, Must, Output, Running, Stdio, requires};
use serde_json::json;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Asserts one line of error that has `words`.
#[track_caller]
fn assert_one_error(output: Output, words: &str) {
    let output = output.code(1).stderr_has(words);
    let errors = output.stderr().lines().filter(|line| !line.starts_with("rrun: warning: "));
    assert_eq!(errors.count(), 1, "{}", output.account());
}

/// `create` of `bundle` where `directory` is a file system without a free byte, with more words for the runtime.
fn create_with_full(bundle: &Bundle, directory: &str, root: &str, flags: &[&str]) -> Output {
    bundle.write_config();
    let path = bundle.path().to_string_lossy().into_owned();
    let program = bundle.runtime().program().to_string_lossy().into_owned();
    // The mount is the shell's own; it goes with its namespace.
    let script = "mount -t tmpfs -o size=8k none \"$1\" && (cat /dev/zero >\"$1/fill\" 2>&-; shift; exec \"$@\")";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh", directory, &program, "--root", root]);
    command.args(["create", "--bundle", &path]).args(flags).arg(bundle.id());
    command.process_group(0);
    let scratch = bundle.path().join("source");
    fs::create_dir_all(&scratch).must("make a directory for output");
    Running::start(command, &Stdio::Kept, &scratch).wait()
}

#[test]
fn a_root_without_space_is_an_error_that_leaves_nothing() {
    requires!(root, rrun, busybox);
    let bundle = minimal();
    let full = bundle.path().join("full");
    fs::create_dir(&full).must("make a mount point");
    let full = full.to_string_lossy().into_owned();
    let output = create_with_full(&bundle, &full, &format!("{full}/state"), &[]);
    assert_one_error(output, "no space left on device");
    fs::remove_dir(&full).must("remove the mount point");
    assert_nothing_is_left(&bundle);
}

#[test]
fn a_pid_file_without_space_is_an_error_that_leaves_nothing() {
    requires!(root, rrun, busybox);
    let bundle = minimal();
    let full = bundle.path().join("full");
    fs::create_dir(&full).must("make a mount point");
    let full = full.to_string_lossy().into_owned();
    let root = bundle.runtime().root().to_string_lossy().into_owned();
    let file = format!("--pid-file={full}/pid");
    assert_one_error(create_with_full(&bundle, &full, &root, &[&file]), "pid file");
    fs::remove_dir(&full).must("remove the mount point");
    assert_nothing_is_left(&bundle);
}

#[test]
fn a_pid_file_where_none_can_be_is_an_error_and_the_container_is_gone() {
    requires!(root);
    let bundle = Bundle::new();
    for verb in [&["--pid-file=/no/such/directory/pid"][..], &["--pid-file=/proc/pid"]] {
        bundle.create_with(verb).failure().stderr_has("pid");
        bundle.run_with(verb).failure().stderr_has("pid");
        assert_nothing_is_left(&bundle);
    }
}

#[test]
fn a_root_that_cannot_be_written_is_an_error_that_leaves_nothing() {
    requires!(root);
    let bundle = minimal();
    bundle.write_config();
    let path = bundle.path().to_string_lossy().into_owned();
    let file = bundle.path().join("config.json/state").to_string_lossy().into_owned();
    for (root, named) in [("/proc/no-root-of-ours", "no-root-of-ours"), (&file, "config.json")] {
        let runtime = bundle.runtime().clone().with_globals(["--root", root]);
        let output = runtime.call(["create", "--bundle", &path, bundle.id()]).failure();
        drop(output.stderr_has(named));
        assert_nothing_is_left(&bundle);
    }
}

#[test]
fn a_bundle_that_is_none_is_named() {
    requires!(root);
    let bundle = minimal();
    let create = |path: &str| bundle.runtime().call(["create", "--bundle", path, bundle.id()]);
    create("/no/such/bundle").failure().stderr_has("no such file");
    create(&bundle.path().to_string_lossy()).failure().stderr_has("config.json");
    for wrong in ["", "{", "[]", "{}", "{\"ociVersion\": \"1.0.2\"}"] {
        fs::write(bundle.path().join("config.json"), wrong).must("write config.json");
        drop(create(&bundle.path().to_string_lossy()).failure());
        assert_nothing_is_left(&bundle);
    }
}

#[test]
fn a_rootfs_that_is_missing_is_named() {
    requires!(root);
    let bundle = minimal().set("/root/path", json!("no-such-rootfs"));
    bundle.create().failure().stderr_has("no-such-rootfs");
    bundle.run().failure().stderr_has("no-such-rootfs");
    assert_nothing_is_left(&bundle);
}

#[test]
fn sockets_where_nobody_listens_are_errors_that_leave_nothing() {
    requires!(root, rrun);
    let nobody = "/no/such/socket";
    let bundle = minimal();
    let pidfd = format!("--pidfd-socket={nobody}");
    assert_one_error(bundle.create_with(&[&pidfd]), nobody);
    assert_nothing_is_left(&bundle);
    let bundle = Bundle::new().set("/process/terminal", json!(true));
    let console = format!("--console-socket={nobody}");
    assert_one_error(bundle.create_with(&[&console]), nobody);
    assert_nothing_is_left(&bundle);
}

#[test]
fn a_mount_that_is_not_there_is_named_with_its_field() {
    requires!(root, rrun);
    let bundle = Bundle::new().bind("/no/such/source".as_ref(), "/mnt", &[]);
    assert_one_error(bundle.create(), "/mounts/6");
    assert_nothing_is_left(&bundle);
}
