//! What annotations of ours take away, asked of the kernel.
//!
//! What a newcomer would get wrong: a program that is denied by its credentials proves nothing; each test sees the same
//! thing allowed without the annotation.

use rrun_harness::{Bundle, Leftovers, Must, requires};
use serde_json::{Value, json};
use std::fs;

fn annotated(name: &str, value: impl ToString) -> Bundle {
    Bundle::new().set(&format!("/annotations/{name}"), json!(value.to_string()))
}

/// A container under this ruleset; the probe itself may be executed.
fn under(rules: &Value) -> Bundle {
    annotated("org.rrun.landlock", rules)
}

fn reading_only() -> Value {
    json!({ "paths": [
        { "path": "/bin", "access": ["read", "execute"] },
        { "path": "/etc/passwd", "access": ["read"] },
        { "path": "/tmp", "access": ["all"] },
    ] })
}

#[test]
fn landlock_denies_root_what_no_rule_allows() {
    requires!(root, rrun, kernel(5, 13));
    let paths = ["/etc/passwd", "/etc/group", "/bin/probe"];
    for (mode, free, bound) in [
        ("r", ["ok", "ok", "ok"], ["ok", "EACCES", "ok"]),
        // Whether a program is running is asked first.
        ("w", ["ok", "ok", "ETXTBSY"], ["EACCES", "EACCES", "ETXTBSY"]),
    ] {
        let words = || ["probe", "try", mode].into_iter().chain(paths);
        let seen = |answers: [&str; 3]| -> Value { paths.into_iter().zip(answers).collect() };
        let without = Bundle::new().args(words()).run().success().json();
        assert_eq!(without, seen(free), "{mode}");
        let with = under(&reading_only()).args(words()).run().success().json();
        assert_eq!(with, seen(bound), "{mode}");
    }
    let bundle = under(&reading_only()).args(["probe", "try", "c", "/tmp/new", "/etc/new"]);
    assert_eq!(bundle.run().success().json(), json!({ "/tmp/new": "ok", "/etc/new": "EACCES" }));
}

#[test]
fn landlock_binds_what_is_run_in_the_container_later_too() {
    requires!(root, rrun, kernel(5, 13));
    let bundle = under(&reading_only()).args(["probe", "sleep"]);
    bundle.up();
    let words = ["probe", "try", "r", "/etc/passwd", "/etc/group"];
    for flags in [&[][..], &["--user", "1000"]] {
        let seen = bundle.exec(flags, &words).success().json();
        assert_eq!(seen, json!({ "/etc/passwd": "ok", "/etc/group": "EACCES" }), "{flags:?}");
    }
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn landlock_needs_neither_no_new_privs_nor_a_privileged_program() {
    requires!(root, rrun, kernel(5, 13));
    for no_new in [false, true] {
        let bundle = under(&reading_only())
            .set("/process/noNewPrivileges", json!(no_new))
            .set("/process/user", json!({ "uid": 1000, "gid": 1000 }))
            .args(["probe", "try", "r", "/etc/passwd", "/etc/group"]);
        let seen = bundle.run().success().json();
        assert_eq!(seen, json!({ "/etc/passwd": "ok", "/etc/group": "EACCES" }), "{no_new}");
    }
}

#[test]
fn a_program_that_may_not_be_executed_does_not_start() {
    requires!(root, rrun, kernel(5, 13));
    let bundle = under(&json!({ "paths": [{ "path": "/bin", "access": ["read"] }] }));
    bundle.run().failure().stderr_has("EACCES").stderr_has("/process/args");
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_path_of_a_rule_is_the_containers_and_a_missing_one_is_named() {
    requires!(root, rrun, kernel(5, 13));
    let outside = Bundle::new();
    let secret = outside.path().join("secret");
    fs::write(&secret, "secret").must("write a secret");
    let rules = |mode: &str| {
        json!({ "mode": mode, "paths": [
            { "path": "/bin", "access": ["read", "execute"] },
            { "path": secret, "access": ["read"] },
        ] })
    };
    let bundle = under(&rules("strict"));
    let output = bundle.run().failure();
    output.stderr_has("/annotations/org.rrun.landlock").stderr_has(&secret.to_string_lossy());
    Leftovers::assert_none(&bundle);
    under(&rules("bestEffort")).run().success();
}

#[test]
fn a_link_of_the_image_in_a_rule_leads_no_further_than_the_image() {
    requires!(root, rrun, kernel(5, 13));
    let bundle = under(&json!({ "paths": [
        { "path": "/bin", "access": ["read", "execute"] },
        { "path": "/up", "access": ["read"] },
    ] }));
    std::os::unix::fs::symlink("../../../../etc", bundle.rootfs().join("up")).must("make a link");
    let bundle = bundle.args(["probe", "try", "r", "/etc/passwd", "/proc/version"]);
    let seen = bundle.run().success().json();
    assert_eq!(seen, json!({ "/etc/passwd": "ok", "/proc/version": "EACCES" }));
}

#[test]
fn landlock_knows_ports() {
    requires!(root, rrun, busybox, kernel(6, 7));
    let rules = json!({ "ports": [{ "port": 4321, "access": ["bind", "connect"] }] });
    // The listener ends with its first connection.
    let script = "nc -l -p 4321 >/tmp/got & \
                  n=0; until echo hello | nc 127.0.0.1 4321; do \
                  n=$((n + 1)); test $n -lt 100 || exit 9; sleep 0.1; done; \
                  wait; cat /tmp/got; nc -l -p 4322 </dev/null && exit 8; exit 0";
    let bundle = under(&rules).script(script);
    bundle.run().success().stdout_is("hello\n").stderr_has("Permission denied");
}

#[test]
fn landlock_keeps_signals_inside() {
    requires!(root, rrun, newer(6, 12));
    // kill(2) with no signal, of a process of the host's.
    let bundle = under(&json!({ "scopes": ["signal"] })).without_namespace("pid").args([
        "probe",
        "syscall",
        "62",
        &std::process::id().to_string(),
        "0",
    ]);
    bundle.run().failure().stdout_is("EPERM\n");
    let free = Bundle::new().without_namespace("pid").args([
        "probe",
        "syscall",
        "62",
        &std::process::id().to_string(),
        "0",
    ]);
    free.run().success().stdout_is("0\n");
}

#[test]
fn proc_can_hide_everything_that_is_no_process() {
    requires!(root, rrun);
    let paths = ["/proc/self/status", "/proc/version", "/proc/sys/kernel/osrelease"];
    let words = || ["probe", "try", "r"].into_iter().chain(paths);
    let free = Bundle::new().args(words()).run().success().json();
    let seen = |answers: [&str; 3]| -> Value { paths.into_iter().zip(answers).collect() };
    assert_eq!(free, seen(["ok", "ok", "ok"]));
    // Masks and read-only paths below it have nothing to hide; sysctls are written all the same.
    let bundle = annotated("org.rrun.proc.subset", "pid")
        .set("/linux/sysctl", json!({ "kernel.msgmax": "4321" }))
        .args(words());
    assert_eq!(bundle.run().success().json(), seen(["ok", "ENOENT", "ENOENT"]));
}

#[test]
fn proc_can_hide_the_processes_of_others() {
    requires!(root, rrun);
    let seen = |bundle: Bundle| {
        let bundle = bundle.args(["probe", "sleep"]);
        bundle.up();
        // The group 0 may see everything: the option gid= of the mount says who else.
        bundle.exec(&["--user", "1000:1000"], &["probe", "stat", "/proc/1"]).success().json()
    };
    assert_eq!(seen(Bundle::new())["type"], "dir");
    let hidden = seen(annotated("org.rrun.proc.hidepid", "invisible"));
    assert!(hidden["error"].is_string(), "{hidden}");
}

#[test]
fn memory_does_not_become_executable() {
    requires!(root, rrun, kernel(6, 3));
    // mmap(2) of a page: writable and executable at once, private and anonymous.
    let call = ["probe", "syscall", "9", "0", "4096", "7", "34", "-1", "0"];
    Bundle::new().args(call).run().success();
    annotated("org.rrun.mdwe", "true").args(call).run().failure().stdout_is("EACCES\n");
    let bundle = annotated("org.rrun.mdwe", "true").args(["probe", "sleep"]);
    bundle.up();
    bundle.exec(&[], &call).failure().stdout_is("EACCES\n");
}

#[test]
fn features_names_the_annotations_as_potentially_unsafe() {
    requires!(rrun);
    let bundle = Bundle::new();
    let features = bundle.runtime().call(["features"]).success().json();
    let names = features["potentiallyUnsafeConfigAnnotations"].as_array().must("find the list");
    for name in ["org.rrun.", "run.oci."] {
        assert!(names.contains(&json!(name)), "{name}: {names:?}");
    }
}
