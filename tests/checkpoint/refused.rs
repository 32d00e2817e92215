//! What can't be written or read is refused in one line with its fix, and nothing of it stays.

use crate::scene::{checkpoint, count, counter, counts_beyond, images, restore, runtime};
use rrun_harness::{Bundle, Leftovers, Must, Runtime, requires};
use serde_json::json;
use std::fs;

#[test]
fn without_criu_one_line_says_what_to_install() {
    requires!(root, rrun);
    let bundle = Bundle::in_runtime(&Runtime::under_test().with_env("PATH", "/nonexistent"));
    let bundle = bundle.args(["probe", "sleep"]);
    bundle.up();
    let refused = checkpoint(&bundle, &[]).failure();
    assert_eq!(refused.stderr().lines().count(), 1, "{}", refused.account());
    refused.stderr_has("criu, which is not on PATH").stderr_has("install the package criu");
    assert_eq!(bundle.status(), "running");
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_bind_that_leaves_links_alone_is_refused_and_the_container_goes_on() {
    requires!(root, rrun, criu);
    let bundle = Bundle::in_runtime(&runtime()).args(["probe", "sleep"]);
    let link = bundle.path().join("link");
    std::os::unix::fs::symlink("/etc", &link).must("make a link");
    let bundle = bundle.bind(&link, "/linked", &["src-nofollow"]);
    let last = bundle.config()["mounts"].as_array().must("find the mounts").len() - 1;
    bundle.up();
    let refused = checkpoint(&bundle, &[]).failure();
    refused.stderr_has(&format!("/mounts/{last}/options")).stderr_has("symbolic links");
    assert_eq!(bundle.status(), "running");
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_directory_without_a_checkpoint_is_named() {
    requires!(root, busybox, criu);
    let bundle = counter(&runtime());
    let refused = restore(&bundle, &bundle, &[]).failure();
    if bundle.runtime().is_rrun() {
        refused.stderr_has("images holds no checkpoint").stderr_has("--image-path");
    }
    Leftovers::assert_none(&bundle);
}

#[test]
fn damaged_images_leave_no_container_no_cgroup_and_no_mount() {
    requires!(root, busybox, criu);
    let bundle = counter(&runtime());
    bundle.up();
    counts_beyond(&bundle, 5);
    checkpoint(&bundle, &[]).success();
    fs::write(images(&bundle).join("pstree.img"), "nonsense").must("damage an image");
    let mounts = || fs::read_to_string("/proc/self/mountinfo").must("read the mounts");
    let before = mounts();
    let refused = restore(&bundle, &bundle, &[]).failure();
    if bundle.runtime().is_rrun() {
        assert_eq!(refused.stderr().lines().count(), 1, "{}", refused.account());
        refused.stderr_has("criu could not restore").stderr_has("work/restore.log");
    }
    assert_eq!(mounts(), before);
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_hook_that_fails_ends_the_restore_and_is_the_error() {
    requires!(root, busybox, criu);
    let bundle = counter(&runtime());
    bundle.up();
    counts_beyond(&bundle, 5);
    checkpoint(&bundle, &[]).success();
    let hook = json!([{ "path": "/bin/sh", "args": ["sh", "-c", "echo no luck >&2; exit 3"] }]);
    let bundle = bundle.set("/hooks/createRuntime", hook);
    let refused = restore(&bundle, &bundle, &[]).failure();
    if bundle.runtime().is_rrun() {
        refused.stderr_has("createRuntime hook /bin/sh: exit status 3: no luck");
    }
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_process_of_exec_is_named_instead_of_lost() {
    requires!(root, busybox, criu, rrun);
    let bundle = counter(&runtime());
    bundle.up();
    counts_beyond(&bundle, 5);
    let file = bundle.path().join("second.pid").to_string_lossy().into_owned();
    bundle.exec(&["--detach", "--pid-file", &file], &["probe", "sleep"]).success();
    let pid = fs::read_to_string(&file).must("read the pid file");
    let refused = checkpoint(&bundle, &[]).failure();
    refused.stderr_has(&format!("processes of exec ({})", pid.trim()));
    let now = count(&bundle);
    counts_beyond(&bundle, now);
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn one_that_does_not_run_is_refused_in_its_status() {
    requires!(root, busybox, criu);
    let bundle = counter(&runtime());
    bundle.create().success();
    let refused = checkpoint(&bundle, &[]).failure();
    if bundle.runtime().is_rrun() {
        refused.stderr_has("in the created state");
    }
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_name_that_is_taken_stays_with_its_container() {
    requires!(root, busybox, criu);
    let bundle = counter(&runtime());
    bundle.up();
    counts_beyond(&bundle, 5);
    checkpoint(&bundle, &["--leave-running"]).success();
    restore(&bundle, &bundle, &[]).failure().stderr_has("already exists");
    assert_eq!(bundle.status(), "running");
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}
