//! What the process of a container is given: its identity, environment, limits and descriptors.
//!
//! Every test here also holds for runc (`RUNTIME_UNDER_TEST=runc`).

use rrun_harness::{Bundle, Must, requires};
use serde_json::{Value, json};

#[test]
fn the_process_is_pid_1_with_the_names_and_directory_of_its_configuration() {
    requires!(root);
    let facts =
        Bundle::new().set("/process/cwd", json!("/tmp")).set("/hostname", json!("a-name")).facts();
    assert_eq!(facts["ids"]["pid"], 1);
    assert_eq!(facts["ids"]["ppid"], 0);
    assert_eq!(facts["hostname"], "a-name");
    assert_eq!(facts["cwd"], "/tmp");
}

#[test]
fn the_environment_is_exactly_the_configured_one() {
    requires!(root);
    let facts =
        Bundle::new().set("/process/env", json!(["PATH=/bin", "A=1", "B=two words"])).facts();
    let mut given = facts["env"].clone();
    // HOME is filled in from the container's passwd file, which every caller relies on.
    assert_eq!(given["HOME"], "/root");
    given.as_object_mut().must("read the environment").remove("HOME");
    assert_eq!(given, json!({ "PATH": "/bin", "A": "1", "B": "two words" }));
}

#[test]
fn user_groups_and_umask_are_as_configured() {
    requires!(root);
    let user = json!({ "uid": 1000, "gid": 1001, "additionalGids": [5, 27], "umask": 0o27 });
    let facts = Bundle::new().set("/process/user", user).facts();
    for (name, expected) in [
        ("uid", 1000),
        ("euid", 1000),
        ("suid", 1000),
        ("gid", 1001),
        ("egid", 1001),
        ("sgid", 1001),
    ] {
        assert_eq!(facts["user"][name], expected, "{name}");
    }
    let groups: Vec<i64> = facts["user"]["groups"]
        .as_array()
        .must("read the groups")
        .iter()
        .filter_map(Value::as_i64)
        .collect();
    assert!(groups.contains(&5) && groups.contains(&27), "{groups:?}");
    assert!(groups.iter().all(|group| [5, 27, 1001].contains(group)), "{groups:?}");
    assert_eq!(facts["status"]["umask"], "0027");
}

#[test]
fn rlimits_are_as_configured() {
    requires!(root);
    let limits = json!([
        { "type": "RLIMIT_NOFILE", "soft": 100, "hard": 200 },
        { "type": "RLIMIT_CORE", "soft": 0, "hard": 0 },
    ]);
    let facts = Bundle::new().set("/process/rlimits", limits).facts();
    assert_eq!(facts["rlimits"]["RLIMIT_NOFILE"], json!({ "soft": 100, "hard": 200 }));
    assert_eq!(facts["rlimits"]["RLIMIT_CORE"], json!({ "soft": 0, "hard": 0 }));
}

#[test]
fn the_process_has_its_three_streams_and_no_other_descriptor() {
    requires!(root);
    let facts = Bundle::new().facts();
    let names: Vec<&String> =
        facts["fds"].as_object().must("read the descriptors").keys().collect();
    assert_eq!(names, ["0", "1", "2"], "{}", facts["fds"]);
}

#[test]
fn capabilities_and_no_new_privileges_are_as_configured() {
    requires!(root);
    // CAP_KILL is 5, CAP_NET_BIND_SERVICE 10, CAP_AUDIT_WRITE 29 (linux/capability.h).
    let mask: u64 = 1 << 5 | 1 << 10 | 1 << 29;
    let facts = Bundle::new().facts();
    for set in ["bounding", "permitted", "effective"] {
        assert_eq!(facts["caps"][set], mask, "{set}");
    }
    for set in ["inheritable", "ambient"] {
        assert_eq!(facts["caps"][set], 0, "{set}");
    }
    assert_eq!(facts["status"]["no_new_privs"], 1);
}
