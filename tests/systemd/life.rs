//! A scope from its first process to its last.
//!
//! Knows the verbs. Refuses limits, which are in `limits`. A newcomer would let a container end and look at its unit:
//! systemd drops an empty scope at once.

use crate::unit::{Unit, cgroup, cgroup_of, reload, runtime, scoped, scoped_in};
use rrun_harness::{Bundle, Leftovers, Must, eventually, requires};
use serde_json::json;
use std::fs;
use std::process::Command;

#[test]
fn a_container_is_a_scope_until_it_is_deleted() {
    requires!(root, systemd);
    let bundle = scoped();
    bundle.create().success();
    let unit = Unit::of(&bundle);
    assert_eq!(
        cgroup(&bundle),
        std::path::Path::new("/sys/fs/cgroup/system.slice").join(&unit.name)
    );
    for (property, value) in [
        ("ActiveState", "active"),
        ("Slice", "system.slice"),
        ("Delegate", "yes"),
        ("NeedDaemonReload", "no"),
        ("Transient", "yes"),
    ] {
        assert_eq!(unit.show(property), value, "{property}");
    }
    bundle.start().success();
    reload();
    assert_eq!(unit.show("NeedDaemonReload"), "no");
    assert_eq!(bundle.status(), "running");
    bundle.delete_force().success();
    unit.assert_gone(&bundle);
}

#[test]
fn without_a_path_the_scope_is_the_runtimes_own_in_the_system_slice() {
    requires!(root, systemd, rrun);
    let bundle = Bundle::in_runtime(&runtime()).args(["probe", "sleep"]);
    bundle.up();
    assert!(cgroup(&bundle).ends_with(format!("system.slice/rrun-{}.scope", bundle.id())));
    assert_eq!(Unit::of(&bundle).show("Description"), format!("rrun container {}", bundle.id()));
}

#[test]
fn dashes_in_a_slice_are_slices_in_slices() {
    requires!(root, systemd);
    let top = format!("rrun{}", std::process::id());
    let bundle = scoped();
    let path = format!("{top}-a-b.slice:rrun:{}", bundle.id());
    let bundle = bundle.set("/linux/cgroupsPath", json!(path));
    bundle.up();
    let expected = format!("{top}.slice/{top}-a.slice/{top}-a-b.slice/rrun-{}.scope", bundle.id());
    assert!(cgroup(&bundle).ends_with(&expected), "{}", cgroup(&bundle).display());
    bundle.delete_force().success();
    Unit::of(&bundle).assert_gone(&bundle);
    // A slice is whoever's asks for it next.
    let stopped = Command::new("systemctl").args(["stop", &format!("{top}.slice")]).status();
    assert!(stopped.must("systemctl").success());
}

#[test]
fn a_run_to_the_end_leaves_no_unit_and_passes_the_code_on() {
    requires!(root, systemd);
    let bundle = scoped().args(["probe", "exit", "7"]);
    bundle.run().code(7);
    Unit::of(&bundle).assert_gone(&bundle);
}

/// The cgroup namespace's root is the scope: the child was moved before it made the namespace.
#[test]
fn the_program_sees_its_scope_as_the_root_of_all_cgroups() {
    requires!(root, systemd);
    let bundle = scoped().namespace("cgroup").args(["probe", "read", "/proc/self/cgroup"]);
    bundle.run().success().stdout_has("0::/\n");
}

#[test]
fn a_user_namespace_makes_no_difference() {
    requires!(root, systemd);
    let bundle = scoped().mapped(&[(0, 100_000, 65_536)]).owned_by(100_000, 100_000);
    bundle.up();
    assert!(cgroup(&bundle).ends_with(Unit::of(&bundle).name));
    bundle.exec(&[], &["probe", "exit", "3"]).code(3);
    bundle.delete_force().success();
    Unit::of(&bundle).assert_gone(&bundle);
}

#[test]
fn an_exec_is_in_the_scope_too() {
    requires!(root, systemd);
    let bundle = scoped();
    bundle.up();
    let pid_file = bundle.path().join("exec.pid");
    let flags = ["--detach", "--pid-file", &pid_file.to_string_lossy()].map(str::to_owned);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    bundle.exec(&flags, &["probe", "sleep"]).success();
    let pid = fs::read_to_string(&pid_file).must("the pid file").parse().must("a pid");
    assert_eq!(cgroup_of(pid), cgroup(&bundle));
}

#[test]
fn a_scope_is_paused_and_resumed() {
    requires!(root, systemd);
    let bundle = scoped();
    bundle.up();
    bundle.runtime().call(["pause", bundle.id()]).success();
    assert_eq!(bundle.status(), "paused");
    bundle.runtime().call(["resume", bundle.id()]).success();
    assert_eq!(bundle.status(), "running");
    bundle.delete_force().success();
    Unit::of(&bundle).assert_gone(&bundle);
}

#[test]
fn what_systemd_stops_is_stopped_and_can_be_deleted() {
    requires!(root, systemd);
    let bundle = scoped().args(["probe", "trap", "15", "0"]);
    bundle.up();
    let unit = Unit::of(&bundle);
    unit.systemctl(&["stop", &unit.name]);
    bundle.expect_status("stopped");
    bundle.delete().success();
    unit.assert_gone(&bundle);
}

#[test]
fn a_unit_of_that_name_is_not_taken_over() {
    requires!(root, systemd);
    let first = scoped();
    first.up();
    let path = first.config()["linux"]["cgroupsPath"].clone();
    let second = scoped().set("/linux/cgroupsPath", path);
    let refused = second.create().failure();
    if second.runtime().is_rrun() {
        refused.stderr_has("/linux/cgroupsPath").stderr_has("another container has that unit");
    }
    Leftovers::assert_none(&second);
    assert_eq!(first.status(), "running");
    assert_eq!(Unit::of(&first).show("ActiveState"), "active");
}

/// A scope that failed stays in systemd's memory and holds its name.
#[test]
fn a_unit_that_has_failed_makes_way() {
    requires!(root, systemd);
    let bundle = scoped();
    let unit = Unit::of(&bundle);
    let mut sleep = Command::new("systemd-run")
        .args(["--scope", "--quiet", "--unit", &unit.name, "--property=RuntimeMaxSec=100ms"])
        .args(["sleep", "60"])
        .spawn()
        .must("systemd-run");
    sleep.wait().must("wait");
    assert!(eventually(|| unit.show("ActiveState") == "failed"), "{}", unit.show("ActiveState"));
    bundle.up();
    assert_eq!(unit.show("ActiveState"), "active");
    bundle.delete_force().success();
    unit.assert_gone(&bundle);
}

#[test]
fn the_private_socket_serves_where_no_bus_runs() {
    requires!(root, systemd, rrun);
    let runtime = runtime().with_env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent");
    let bundle = scoped_in(&runtime);
    bundle.up();
    assert_eq!(Unit::of(&bundle).show("ActiveState"), "active");
    bundle.delete_force().success();
    Unit::of(&bundle).assert_gone(&bundle);
}

/// The record is written when the child is in its scope; a runtime that is killed before leaves what systemd clears.
#[test]
fn a_runtime_that_is_killed_at_any_moment_leaves_nothing_that_delete_can_not_remove() {
    requires!(root, systemd);
    for delay in [5, 15, 30, 60, 90] {
        let bundle = scoped();
        bundle.write_config();
        let path = bundle.path().to_string_lossy().into_owned();
        let mut command = bundle.runtime().command(["create", "--bundle", &path, bundle.id()]);
        let null = std::process::Stdio::null;
        command.stdin(null()).stdout(null()).stderr(null());
        let mut child = command.spawn().must("create");
        std::thread::sleep(std::time::Duration::from_millis(delay));
        child.kill().must("kill it");
        child.wait().must("wait");
        bundle.delete_force().success();
        Unit::of(&bundle).assert_gone(&bundle);
    }
}
