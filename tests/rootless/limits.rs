//! What a user may not have: privileges of the host, files of others, higher limits.

use super::{UID, alone};
use rrun_harness::{Leftovers, Must, requires};
use serde_json::json;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};

#[test]
fn the_oom_score_can_be_raised_and_lowering_it_is_an_error_with_the_reason() {
    requires!(root, userns);
    let bundle = alone().set("/process/oomScoreAdj", json!(500)).args(["probe", "sleep"]);
    bundle.up();
    let facts = bundle.exec(&[], &["probe", "facts", "oom_score_adj"]).success().json();
    assert_eq!(facts["oom_score_adj"], 500);
    let pid = bundle.state()["pid"].to_string();
    let adjust = fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).must("read it");
    assert_eq!(adjust.trim(), "500");
    let bundle = alone().set("/process/oomScoreAdj", json!(-500));
    let output = bundle.run().failure();
    if bundle.runtime().is_rrun() {
        output.stderr_has("/process/oomScoreAdj").stderr_has("CAP_SYS_RESOURCE");
    }
    Leftovers::assert_none(&bundle);
}

#[test]
fn limits_can_be_lowered_and_a_hard_one_that_rises_is_an_error_with_the_fix() {
    requires!(root, userns);
    let limit = |hard: u64| json!([{ "type": "RLIMIT_NOFILE", "soft": 64, "hard": hard }]);
    let facts = alone().set("/process/rlimits", limit(65)).facts();
    assert_eq!(facts["rlimits"]["RLIMIT_NOFILE"], json!({ "soft": 64, "hard": 65 }));
    let bundle = alone().set("/process/rlimits", limit(1 << 40));
    let output = bundle.run().failure();
    if bundle.runtime().is_rrun() {
        output.stderr_has("/process/rlimits/0").stderr_has("lower");
    }
    Leftovers::assert_none(&bundle);
}

#[test]
fn capabilities_are_those_of_the_namespace() {
    requires!(root, userns, busybox);
    let caps = json!(["CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_CHOWN"]);
    let bundle = alone()
        .set("/process/capabilities", json!({ "bounding": caps, "effective": caps, "permitted": caps }))
        .script("mount -t tmpfs none /tmp && echo mounted; ip link set lo down && echo down; chown 1 /tmp || echo no chown");
    bundle.run().stdout_has("mounted\ndown\nno chown\n");
}

#[test]
fn a_source_that_the_user_cannot_reach_is_a_clear_error() {
    requires!(root, userns);
    let bundle = alone();
    let secret = bundle.path().join("secret");
    fs::create_dir_all(secret.join("inner")).must("make it");
    fs::set_permissions(&secret, Permissions::from_mode(0o700)).must("close it");
    let source = secret.join("inner");
    let bundle = bundle.bind(&source, "/data", &["rbind"]);
    bundle.run().failure().stderr_has(&source.to_string_lossy()).stderr_has("permission denied");
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_tree_with_mounts_below_is_bound_whole_or_not_at_all() {
    // A user namespace may not uncover what lies below a mount it did not make.
    requires!(root, userns);
    let bundle = alone().bind("/dev".as_ref(), "/data", &["ro"]);
    let output = bundle.run().failure();
    if bundle.runtime().is_rrun() {
        output.stderr_has("rbind");
    }
    Leftovers::assert_none(&bundle);
    let bundle = alone().bind("/dev".as_ref(), "/data", &["rbind", "ro"]);
    bundle.args(["probe", "stat", "/data/null"]).run().success().stdout_has("char");
}

#[test]
fn a_rootfs_of_somebody_else_is_a_clear_error_where_something_must_be_made() {
    requires!(root, userns);
    let bundle = alone().mount("/missing", "tmpfs", "tmpfs", &[]);
    chown(bundle.rootfs(), Some(0), Some(0)).must("take the rootfs");
    let output = bundle.run().failure();
    if bundle.runtime().is_rrun() {
        output.stderr_has("/missing").stderr_has("chown");
    }
    chown(bundle.rootfs(), Some(UID), None).must("give it back");
    Leftovers::assert_none(&bundle);
}

#[test]
fn devices_of_the_host_are_bound_and_foreign_ones_stay_closed() {
    requires!(root, userns);
    let bundle = alone().args(["probe", "open", "/dev/null", "rw"]);
    bundle.run().success();
    let node = json!({ "path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11 });
    let bundle = alone().push("/linux/devices", node).args(["probe", "open", "/dev/kmsg", "w"]);
    bundle.run().failure().stdout_is("EACCES\n");
}
