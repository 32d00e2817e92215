//! Who the program is and what it may do.

use crate::{facts, field};
use rrun_harness::{Bundle, Running, Stdio, requires};
use serde_json::{Value, json};
use std::fs;

const CHOWN: u64 = 1;
const KILL: u64 = 1 << 5;
const NET_BIND: u64 = 1 << 10;
const SYS_RESOURCE: u64 = 1 << 24;

/// The five sets, from inside.
fn capabilities(bundle: Bundle) -> Value {
    facts(bundle, &["caps"])["caps"].clone()
}

#[test]
fn root_has_exactly_the_capabilities_of_the_five_sets() {
    requires!(root);
    let seen = capabilities(Bundle::new().set(
        "/process/capabilities",
        json!({
            "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
            "permitted": ["CAP_CHOWN", "CAP_KILL"],
            "effective": ["CAP_CHOWN"],
            "inheritable": [],
            "ambient": [],
        }),
    ));
    // Without no_new_privs execve(2) would give root all of its bounding set (capabilities(7)).
    assert_eq!(seen["bounding"], CHOWN | KILL | NET_BIND);
    assert_eq!(seen["inheritable"], 0);
    assert_eq!(seen["ambient"], 0);
    assert_eq!(seen["permitted"], CHOWN | KILL);
    assert_eq!(seen["effective"], CHOWN | KILL);
}

#[test]
fn without_capabilities_root_has_none() {
    requires!(root);
    let bundle = Bundle::new().edit(|config| {
        config["process"].as_object_mut().map(|process| process.remove("capabilities"));
    });
    let seen = capabilities(bundle);
    for set in ["bounding", "permitted", "effective", "inheritable", "ambient"] {
        assert_eq!(seen[set], 0, "{set}: {seen}");
    }
}

#[test]
fn another_user_has_its_ambient_capabilities_and_no_other() {
    requires!(root);
    let both = json!(["CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    let bundle = Bundle::new().set("/process/user", json!({ "uid": 1000, "gid": 1000 })).set(
        "/process/capabilities",
        json!({
            "bounding": both, "permitted": both, "effective": both, "inheritable": both,
            "ambient": ["CAP_NET_BIND_SERVICE"],
        }),
    );
    let seen = capabilities(bundle);
    assert_eq!(seen["ambient"], NET_BIND);
    assert_eq!(seen["permitted"], NET_BIND);
    assert_eq!(seen["effective"], NET_BIND);
    assert_eq!(seen["inheritable"], KILL | NET_BIND);
    assert_eq!(seen["bounding"], KILL | NET_BIND);
}

#[test]
fn another_user_without_ambient_capabilities_has_none_in_force() {
    requires!(root);
    let seen =
        capabilities(Bundle::new().set("/process/user", json!({ "uid": 1000, "gid": 1000 })));
    for set in ["permitted", "effective", "inheritable", "ambient"] {
        assert_eq!(seen[set], 0, "{set}: {seen}");
    }
}

#[test]
fn capabilities_nobody_knows_or_can_grant_are_warned_about_and_left_out() {
    requires!(root, rrun);
    let names = json!(["CAP_KILL", "CAP_NONSENSE", "CAP_SYS_RESOURCE"]);
    let bundle = Bundle::new()
        .set(
            "/process/capabilities",
            json!({
                "bounding": names, "permitted": names, "effective": names, "inheritable": names,
                "ambient": ["CAP_CHOWN"],
            }),
        )
        .args(["probe", "facts", "caps"]);
    let output = bundle.run().success().stderr_has("CAP_NONSENSE");
    let seen = output.json()["caps"].clone();
    let output = output.stderr_has("ambient").stderr_has("CAP_CHOWN");
    assert_eq!(seen["ambient"], 0);
    let held = u64::from_str_radix(&field("/proc/self/status", "CapPrm"), 16).unwrap_or(0);
    if held & SYS_RESOURCE == 0 {
        output.stderr_has("CAP_SYS_RESOURCE");
        assert_eq!(seen["permitted"], KILL);
    } else {
        assert_eq!(seen["permitted"], KILL | SYS_RESOURCE);
    }
}

#[test]
fn no_new_privileges_is_as_asked() {
    requires!(root);
    for (asked, value) in [(true, 1), (false, 0)] {
        let bundle = Bundle::new().set("/process/noNewPrivileges", json!(asked));
        assert_eq!(facts(bundle, &["status"])["status"]["no_new_privs"], value);
    }
}

#[test]
fn user_groups_umask_and_home_are_as_asked() {
    requires!(root);
    let bundle = Bundle::new().set(
        "/process/user",
        json!({ "uid": 1000, "gid": 1001, "additionalGids": [6, 5], "umask": 0o027 }),
    );
    let passwd = "root:x:0:0::/root:/bin/sh\nuser:x:1000:1001::/home/user:/bin/sh\n";
    fs::write(bundle.rootfs().join("etc/passwd"), passwd).expect("write passwd");
    let seen = facts(bundle, &["user", "status", "env"]);
    let user = &seen["user"];
    assert_eq!([&user["uid"], &user["euid"], &user["suid"]], [1000, 1000, 1000]);
    assert_eq!([&user["gid"], &user["egid"], &user["sgid"]], [1001, 1001, 1001]);
    // runc 1.1.5 adds the group itself nowhere either.
    assert_eq!(user["groups"], json!([5, 6]));
    assert_eq!(seen["status"]["umask"], "0027");
    assert_eq!(seen["env"]["HOME"], "/home/user");
}

#[test]
fn root_has_no_group_of_the_callers_and_the_usual_umask() {
    requires!(root);
    let seen = facts(Bundle::new(), &["user", "status", "env"]);
    assert_eq!(seen["user"]["groups"], json!([]));
    assert_eq!(seen["status"]["umask"], "0022");
    assert_eq!(seen["env"]["HOME"], "/root");
}

#[test]
fn a_user_that_the_image_does_not_know_has_a_home_all_the_same() {
    requires!(root);
    let bundle = Bundle::new().set("/process/user", json!({ "uid": 4321, "gid": 4321 }));
    assert_eq!(facts(bundle, &["env"])["env"]["HOME"], "/");
}

#[test]
fn the_environment_is_the_configurations_and_nothing_of_the_callers() {
    requires!(root);
    let variables = ["PATH=/bin", "EMPTY=", "EQUALS=a=b", "TWICE=first", "HOME=/own", "TWICE=last"];
    let bundle = Bundle::new().set("/process/env", json!(variables)).args([
        "probe",
        "read",
        "/proc/self/environ",
    ]);
    bundle.write_config();
    let path = bundle.path().to_string_lossy().into_owned();
    let mut command = bundle.runtime().command(["run", "--bundle", &path, bundle.id()]);
    command.env("OF_THE_CALLER", "1");
    let output = Running::start(command, &Stdio::Kept, bundle.path()).wait().success();
    // getenv(3) finds the first of two alike; so there is one, the last.
    let mut seen: Vec<String> = output.stdout().split_terminator('\0').map(str::to_owned).collect();
    seen.sort_unstable();
    assert_eq!(seen, ["EMPTY=", "EQUALS=a=b", "HOME=/own", "PATH=/bin", "TWICE=last"]);
}

#[test]
fn the_session_keyring_is_the_containers_own_unless_told_otherwise() {
    requires!(root);
    let keyring = |flags: &[&str]| {
        let bundle = Bundle::new().args(["probe", "facts", "keyring"]);
        let seen = bundle.run_with(flags).success().json()["keyring"].clone();
        (seen.as_str().unwrap_or_default().to_owned(), format!("_ses.{}", bundle.id()))
    };
    let (seen, own) = keyring(&[]);
    assert!(seen.ends_with(&own), "{seen}");
    let (seen, own) = keyring(&["--no-new-keyring"]);
    assert!(!seen.ends_with(&own), "{seen}");
}
