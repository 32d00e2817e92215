//! An ordinary user's containers, scopes of the user's own systemd.
//!
//! Knows the user of the guest, whose systemd runs and to whom memory, pids and cpu are delegated. Refuses logind. A
//! newcomer would call from a cgroup of that systemd; a login is beside it, and systemd has to move the child over.

use crate::unit::{Unit, cgroup, file, reload};
use rrun_harness::{Bundle, ORDINARY_USER, Runtime, requires};
use serde_json::json;

const UID: u32 = ORDINARY_USER.1;
const GID: u32 = ORDINARY_USER.2;

fn runtime() -> Runtime {
    let home = format!("/run/user/{UID}");
    let bus = format!("unix:path={home}/bus");
    Runtime::under_test()
        .with_globals(["--systemd-cgroup"])
        .with_env("DBUS_SESSION_BUS_ADDRESS", bus)
        .as_user(UID, GID)
}

fn scoped(runtime: &Runtime) -> Bundle {
    let bundle = Bundle::in_runtime(runtime).args(["probe", "sleep"]);
    let path = format!("user.slice:rrun:{}", bundle.id());
    bundle.set("/linux/cgroupsPath", json!(path)).mapped(&[(0, UID, 1)]).owned_by(UID, GID)
}

#[test]
fn a_users_container_is_a_scope_of_the_users_systemd() {
    requires!(root, systemd, user_systemd, cgroup_v2("memory"));
    let runtime = runtime();
    let resources = json!({"memory": {"limit": 64 << 20}, "pids": {"limit": 50}});
    let bundle = scoped(&runtime).set("/linux/resources", resources);
    bundle.up();
    let unit = Unit::of_user(&bundle, UID);
    let path = format!("user@{UID}.service/user.slice/{}", unit.name);
    assert!(cgroup(&bundle).ends_with(&path), "{}", cgroup(&bundle).display());
    assert_eq!([file(&bundle, "memory.max"), file(&bundle, "pids.max")], ["67108864", "50"]);
    assert_eq!([unit.show("MemoryMax"), unit.show("TasksMax")], ["67108864", "50"]);
    bundle.exec(&[], &["probe", "exit", "5"]).code(5);
    let update = ["update", "--memory", "33554432", bundle.id()];
    bundle.runtime().call(update).success();
    reload();
    assert_eq!(file(&bundle, "memory.max"), "33554432");
    bundle.delete_force().success();
    unit.assert_gone(&bundle);
}

#[test]
fn the_users_private_socket_serves_without_a_bus() {
    requires!(root, systemd, user_systemd, rrun);
    let runtime = runtime().with_env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent");
    // The harness gives a runtime a directory of its own, in which there is no socket.
    let runtime = runtime.with_env("XDG_RUNTIME_DIR", format!("/run/user/{UID}"));
    let bundle = scoped(&runtime);
    bundle.up();
    assert!(cgroup(&bundle).ends_with(format!("user.slice/rrun-{}.scope", bundle.id())));
    bundle.delete_force().success();
    Unit::of_user(&bundle, UID).assert_gone(&bundle);
}

#[test]
fn a_user_without_a_systemd_is_told() {
    requires!(root, userns, rrun, systemd);
    let runtime = Runtime::under_test()
        .with_globals(["--systemd-cgroup"])
        .with_env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
        .as_user(UID, GID);
    let bundle = scoped(&runtime);
    bundle
        .create()
        .failure()
        .stderr_has("the user's systemd can't be reached")
        .stderr_has("loginctl enable-linger");
}
