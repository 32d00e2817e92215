//! Everything as an ordinary user: no privileges, no cgroup unless one is given, ids as /etc/subuid allows.
//!
//! What a newcomer would get wrong: natively the user need not exist, and then nothing that asks newuidmap(1) can run;
//! the guest has one with subordinate ids, `rrun-user`.

#[path = "unpack/archive.rs"]
#[allow(dead_code, reason = "other tests write worse archives")]
#[allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]
mod archive;
#[path = "rootless/cgroups.rs"]
mod cgroups;
#[path = "rootless/ids.rs"]
mod ids;
#[path = "rootless/life.rs"]
mod life;
#[path = "rootless/limits.rs"]
mod limits;
#[path = "rootless/locked.rs"]
mod locked;

use rrun_harness::{
    Bundle, Leftovers, Must, ORDINARY_USER, Output, Runtime, harness_binary, requires,
};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

const UID: u32 = ORDINARY_USER.1;
const GID: u32 = ORDINARY_USER.2;

/// The runtime, called by the user.
fn runtime() -> Runtime {
    Runtime::under_test().as_user(UID, GID)
}

/// A container of the user's in which the user is root and nobody else exists.
fn alone() -> Bundle {
    Bundle::in_runtime(&runtime()).mapped(&[(0, UID, 1)]).owned_by(UID, GID)
}

/// A program called by the user, with nothing in its environment that the test did not put there.
fn as_user(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.uid(UID).gid(GID).env_remove("XDG_RUNTIME_DIR").current_dir("/");
    command
}

/// `command`, through setpriv(1): for what starts a program in its own way.
fn through_setpriv(command: &Command) -> Command {
    let (uid, gid) = (UID.to_string(), GID.to_string());
    let mut wrapped = Command::new("setpriv");
    wrapped.args(["--reuid", &uid, "--regid", &gid, "--clear-groups"]);
    wrapped.arg(command.get_program()).args(command.get_args());
    wrapped
}

fn run_in(runtime: &Runtime, bundle: &Path, id: &str) -> Output {
    runtime.call(["run", "--bundle", &bundle.to_string_lossy(), id])
}

/// Changes a configuration that the runtime wrote itself.
fn edit(bundle: &Path, change: impl FnOnce(&mut Value)) {
    let file = bundle.join("config.json");
    let text = fs::read(&file).must("read config.json");
    let mut config: Value = serde_json::from_slice(&text).must("parse config.json");
    change(&mut config);
    fs::write(&file, config.to_string()).must("write config.json");
}

#[test]
fn the_configuration_that_spec_makes_for_a_user_runs() {
    requires!(root, userns);
    let bundle = Bundle::in_runtime(&runtime()).owned_by(UID, GID);
    let path = bundle.path().to_string_lossy().into_owned();
    bundle.runtime().call(["spec", "--rootless", "--bundle", &path]).success();
    edit(bundle.path(), |config| {
        config["process"]["terminal"] = json!(false);
        config["process"]["args"] = json!(["/bin/probe", "facts", "user", "uid_map", "hostname"]);
    });
    let output = run_in(bundle.runtime(), bundle.path(), bundle.id()).success();
    let facts = output.json();
    assert_eq!(facts["user"]["uid"], 0);
    assert_eq!(
        facts["uid_map"].as_str().map(|map| map.split_whitespace().collect()),
        Some(vec!["0", "4242", "1"])
    );
    assert_eq!(output.stderr(), "");
    Leftovers::assert_none(&bundle);
}

#[test]
fn an_image_unpacked_by_a_user_runs() {
    requires!(root, userns, rrun);
    let runtime = runtime();
    let bundle = Bundle::in_runtime(&runtime).owned_by(UID, GID);
    let (image, unpacked) = (bundle.path().join("image"), bundle.path().join("unpacked"));
    fs::create_dir(&image).must("make a directory");
    let tar = archive::Tar::new().directory("etc").file("etc/motd", "unpacked");
    let execution = json!({ "Entrypoint": ["/bin/probe"], "Cmd": ["read", "/etc/motd"] });
    archive::layout(&image, &[tar.into()], &execution);
    runtime.call(["unpack", &image.to_string_lossy(), &unpacked.to_string_lossy()]).success();
    // The probe is bound, not packed: it is large, and digests are slow where a processor is emulated.
    let probe = json!({ "destination": "/bin/probe", "type": "bind", "source": harness_binary("probe"), "options": ["bind", "ro"] });
    edit(&unpacked, |config| {
        config["process"]["terminal"] = json!(false);
        config["mounts"].as_array_mut().must("the mounts").push(probe);
    });
    run_in(&runtime, &unpacked, bundle.id()).success().stdout_is("unpacked");
    Leftovers::assert_none(&bundle);
}

#[test]
fn without_root_the_state_lives_in_the_users_runtime_directory() {
    requires!(root, userns, rrun);
    let bundle = alone().args(["probe", "sleep"]);
    bundle.write_config();
    let home = bundle.path().join("xdg");
    fs::create_dir(&home).must("make a directory");
    chown(&home, Some(UID), Some(GID)).must("give it to the user");
    let path = bundle.path().to_string_lossy().into_owned();
    let call = |words: &[&str]| {
        let mut command = as_user(bundle.runtime().program());
        command.args(words).env("XDG_RUNTIME_DIR", &home);
        bundle.runtime().finish(command)
    };
    call(&["create", "--bundle", &path, bundle.id()]).success();
    assert!(home.join("rrun").join(bundle.id()).is_dir());
    call(&["start", bundle.id()]).success();
    call(&["list", "--quiet"]).success().stdout_is(&format!("{}\n", bundle.id()));
    call(&["exec", bundle.id(), "probe", "exit", "7"]).code(7);
    call(&["delete", "--force", bundle.id()]).success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn without_a_user_namespace_a_user_is_told_what_to_do() {
    requires!(root);
    let bundle = Bundle::in_runtime(&runtime()).owned_by(UID, GID);
    let output = bundle.run().failure();
    if bundle.runtime().is_rrun() {
        output.stderr_has("CAP_SYS_ADMIN").stderr_has("rrun spec --rootless");
    }
    Leftovers::assert_none(&bundle);
}

#[test]
fn the_containers_of_a_user_cannot_write_the_runtimes_program() {
    requires!(root, userns, rrun);
    let bundle = alone();
    bundle.create().success();
    let exe = format!("/proc/{}/exe", bundle.state()["pid"]);
    let link = fs::read_link(&exe).must("read the link");
    assert!(link.to_string_lossy().starts_with("/memfd:rrun"), "{}", link.display());
    // Some kernels refuse to open a running program for writing, the seals refuse every write.
    let written = fs::OpenOptions::new().write(true).open(&exe).and_then(|mut exe| exe.write(b"!"));
    assert!(written.is_err(), "it was written");
}
