//! Who may map which ids, and with whose help.

use super::{GID, UID, alone, runtime};
use rrun_harness::{
    Bundle, Leftovers, Must, ORDINARY_USER, Running, Runtime, Stdio, harness_binary, requires,
};
use serde_json::json;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::process::Command;

/// The first subordinate id of the guest's user.
const SUBID: u32 = 300_000;

#[test]
fn one_id_is_mapped_without_help() {
    requires!(root, userns, rrun);
    let bundle = alone().args(["probe", "write", "/made", "inside"]);
    bundle.write_config();
    let path = bundle.path().to_string_lossy().into_owned();
    let mut command = bundle.runtime().command(["run", "--bundle", &path, bundle.id()]);
    command.env("PATH", "/nowhere");
    bundle.runtime().finish(command).success();
    let made = fs::metadata(bundle.rootfs().join("made")).must("look at the file");
    assert_eq!((made.uid(), made.gid()), (UID, GID));
}

#[test]
fn for_one_id_setgroups_is_given_up_and_groups_are_left_out_with_a_warning() {
    // runc refuses additional groups of a rootless container.
    requires!(root, userns, rrun);
    let bundle = alone().set("/process/user/additionalGids", json!([5]));
    let bundle = bundle.args(["probe", "read", "/proc/self/setgroups"]);
    bundle.run().success().stdout_is("deny\n").stderr_has("additionalGids");
}

#[test]
fn without_newuidmap_more_than_one_id_is_an_error_that_names_the_package() {
    requires!(root, userns, rrun);
    let bundle = Bundle::in_runtime(&runtime()).owned_by(UID, GID);
    let bundle = bundle.mapped(&[(0, UID, 1), (1, SUBID, 1000)]);
    bundle.write_config();
    let path = bundle.path().to_string_lossy().into_owned();
    let mut command = bundle.runtime().command(["run", "--bundle", &path, bundle.id()]);
    command.env("PATH", "/nowhere");
    let output = bundle.runtime().finish(command).failure();
    output.stderr_has("/linux/gidMappings").stderr_has("uidmap");
    Leftovers::assert_none(&bundle);
}

#[test]
fn ids_that_are_not_the_users_are_refused_with_the_file_to_change() {
    requires!(root, userns, program("newuidmap"));
    let bundle = Bundle::in_runtime(&runtime()).owned_by(UID, GID);
    let bundle = bundle.mapped(&[(0, UID, 1), (1, 900_000, 1000)]);
    let output = bundle.run().failure();
    if bundle.runtime().is_rrun() {
        output.stderr_has("/etc/subgid").stderr_has("/linux/gidMappings");
    }
    Leftovers::assert_none(&bundle);

    let bundle = bundle.edit(|config| {
        config["linux"]["gidMappings"] = json!([{ "containerID": 0, "hostID": GID, "size": 1 }])
    });
    let output = bundle.run().failure();
    if bundle.runtime().is_rrun() {
        output.stderr_has("/etc/subuid").stderr_has("/linux/uidMappings");
    }
    Leftovers::assert_none(&bundle);
}

#[test]
fn subordinate_ids_are_mapped_with_help() {
    requires!(root, userns, subids(ORDINARY_USER.0));
    let bundle = Bundle::in_runtime(&runtime())
        .owned_by(UID, GID)
        .mapped(&[(0, UID, 1), (1, SUBID, 65_536)])
        .set("/process/user", json!({ "uid": 1000, "gid": 1001 }))
        .args(["probe", "write", "/tmp/made", "inside"]);
    bundle.run().success();
    let made = fs::metadata(bundle.rootfs().join("tmp/made")).must("look at the file");
    assert_eq!((made.uid(), made.gid()), (SUBID + 999, SUBID + 1000));
    let bundle = bundle.args(["probe", "sleep"]);
    bundle.up();
    let facts = bundle.exec(&["--user", "5:6"], &["probe", "facts", "user"]).success().json();
    assert_eq!((&facts["user"]["uid"], &facts["user"]["gid"]), (&json!(5), &json!(6)));
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn groups_of_a_subordinate_range_can_be_given() {
    // runc gives a rootless container no groups.
    requires!(root, userns, subids(ORDINARY_USER.0), rrun);
    let bundle = Bundle::in_runtime(&runtime())
        .mapped(&[(0, SUBID, 65_536)])
        .owned_by(SUBID, SUBID)
        .set("/process/user", json!({ "uid": 1000, "gid": 1001, "additionalGids": [5, 7] }));
    chown(bundle.path(), Some(UID), Some(GID)).must("give the bundle to the user");
    let bundle = bundle.args(["probe", "facts", "user"]);
    let output = bundle.run().success();
    assert_eq!(output.json()["user"]["groups"], json!([5, 7]));
    assert_eq!(output.stderr(), "");
    let bundle = bundle.args(["probe", "sleep"]);
    bundle.up();
    let flags = ["--additional-gids", "9"];
    let facts = bundle.exec(&flags, &["probe", "facts", "user"]).success().json();
    assert_eq!(facts["user"]["groups"], json!([5, 7, 9]));
}

#[test]
fn root_of_a_users_namespace_maps_its_ids_itself() {
    // As podman's and docker's rootless daemons call runtimes.
    requires!(root, userns, rrun, program("nsenter"));
    let bundle = Bundle::in_runtime(&Runtime::under_test())
        .mapped(&[(0, 10, 20)])
        .owned_by(400_010, 400_010)
        .set("/process/user/additionalGids", json!([7]))
        .args(["probe", "facts", "user", "uid_map"]);
    let mut command = Command::new("unshare");
    command.args(["--user", "--mount"]).arg(harness_binary("probe")).arg("sleep");
    let holder = Running::start(command, &Stdio::Kept, bundle.path());
    holder.expect_stdout("ready");
    let target = holder.pid().to_string();
    for map in ["uid_map", "gid_map"] {
        fs::write(format!("/proc/{target}/{map}"), "0 400000 1000").must("write a map");
    }
    chown(bundle.path(), Some(400_000), Some(400_000)).must("give the bundle away");
    bundle.write_config();
    let path = bundle.path().to_string_lossy().into_owned();
    let mut command = Command::new("nsenter");
    command.args(["--target", &target, "--user", "--mount", "--"]).arg(bundle.runtime().program());
    command.arg("--root").arg(bundle.path().join("state"));
    command.args(["run", "--bundle", &path, bundle.id()]);
    let output = bundle.runtime().finish(command).success();
    let facts = output.json();
    assert_eq!(facts["user"]["groups"], json!([7]));
    let map: Vec<_> = facts["uid_map"].as_str().must("a map").split_whitespace().collect();
    assert_eq!(map, ["0", "10", "20"]);
    Leftovers::assert_none(&bundle);
}

#[test]
fn in_a_users_namespace_that_was_there_before_devices_are_bound() {
    // As rootless podman calls runtimes: it has made the namespace, and the configuration names none. Root of it has
    // CAP_MKNOD, which mknod(2) does not count there.
    requires!(root, userns, program("nsenter"));
    let bundle = Bundle::in_runtime(&Runtime::under_test()).args(["probe", "facts", "dev"]);
    let mut command = Command::new("unshare");
    command.args(["--user", "--mount"]).arg(harness_binary("probe")).arg("sleep");
    let holder = Running::start(command, &Stdio::Kept, bundle.path());
    holder.expect_stdout("ready");
    let target = holder.pid().to_string();
    for map in ["uid_map", "gid_map"] {
        fs::write(format!("/proc/{target}/{map}"), "0 0 65536").must("write a map");
    }
    bundle.write_config();
    let path = bundle.path().to_string_lossy().into_owned();
    let mut command = Command::new("nsenter");
    command.args(["--target", &target, "--user", "--mount", "--"]).arg(bundle.runtime().program());
    command.arg("--root").arg(bundle.path().join("state"));
    command.args(["run", "--bundle", &path, bundle.id()]);
    let facts = bundle.runtime().finish(command).success().json();
    for name in ["null", "zero", "full", "random", "urandom", "tty"] {
        assert!(facts["dev"][name].is_object(), "{name} in {:#}", facts["dev"]);
    }
    Leftovers::assert_none(&bundle);
}
