//! The command line through the real binary: exit codes, messages, logs; and the verbs that need no container of ours to
//! run. Containers here are hand-made records of ordinary processes; only the tests of cgroups need root.
#![allow(clippy::unwrap_used)]

#[path = "cli/cgroups.rs"]
mod cgroups;
#[path = "cli/containers.rs"]
mod containers;
#[path = "cli/fixture.rs"]
mod fixture;
#[path = "cli/invalid.rs"]
mod invalid;

use fixture::{Root, assert_fails, assert_silent, rrun, stderr, stdout};
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn help_and_version_go_to_standard_output_and_succeed() {
    for (line, part) in [
        (&[][..], "Usage: rrun"),
        (&["--help"], "Usage: rrun"),
        (&["help", "exec"], "--ignore-paused"),
        (&["run", "--help"], "--no-subreaper"),
    ] {
        let output = rrun(line);
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
        assert!(stdout(&output).contains(part), "{}", stdout(&output));
    }
    let version = rrun(["--version"]);
    let lines: Vec<_> = stdout(&version).lines().collect();
    assert_eq!(lines[0], format!("rrun version {}", env!("CARGO_PKG_VERSION")));
    assert!(lines[1].starts_with("commit: ") && lines[2] == "spec: 1.3.0", "{lines:?}");
}

#[test]
fn exit_codes_are_those_that_callers_know() {
    let root = Root::new();
    for (line, code, part) in [
        ("bogus", 3, "unknown command \"bogus\""),
        ("--nope list", 1, "unknown flag --nope"),
        ("list --nope", 1, "list: unknown flag --nope"),
        ("state", 1, "state: <ID> is missing"),
        ("state a/b", 1, "invalid container id"),
        ("state web", 1, "container does not exist: \"web\""),
        ("kill web", 1, "container does not exist: \"web\""),
        ("delete web", 1, "container does not exist: \"web\""),
        ("exec", 1, "exec: <ID> is missing"),
        ("exec --nope web ls", 1, "exec: unknown flag --nope"),
        ("--root= list", 1, "--root: \"\" is empty"),
        ("--root / list", 1, "--root /: the root of the file system"),
    ] {
        assert_fails(&root.rrun(line), code, part);
    }
    assert_silent(&root.rrun("delete --force web"));
    assert!(!root.path("state").exists(), "looking made the root directory");
}

#[test]
fn a_failure_is_one_json_object_in_the_log_and_a_sentence_on_standard_error() {
    let root = Root::new();
    let log = root.path("log.json");
    let globals = format!("--log {} --log-format json", log.display());
    assert_fails(&root.rrun(&format!("{globals} state web")), 1, "container does not exist");
    let entry: serde_json::Value = serde_json::from_slice(&fs::read(&log).unwrap()).unwrap();
    assert_eq!((&entry["level"], &entry["kind"]), (&"error".into(), &"not-found".into()));
    assert!(entry["msg"].as_str().unwrap().contains("container does not exist: \"web\""));

    fs::remove_file(&log).unwrap();
    assert_fails(&root.rrun(&format!("{globals} run --nope web")), 1, "unknown flag --nope");
    let entry: serde_json::Value = serde_json::from_slice(&fs::read(&log).unwrap()).unwrap();
    assert_eq!(entry["kind"], "usage");
}

#[test]
fn without_a_log_json_goes_to_standard_error_alone() {
    let output = Root::new().rrun("--log-format json state web");
    let entry: serde_json::Value = serde_json::from_str(stderr(&output)).unwrap();
    assert_eq!((output.status.code(), &entry["kind"]), (Some(1), &"not-found".into()));
}

#[test]
fn a_text_log_reads_as_logrus_writes_it_and_success_writes_nothing() {
    let root = Root::new();
    let log = root.path("log");
    let line = |verb: &str| root.rrun(&format!("--log {} {verb}", log.display()));
    assert_silent(&line("delete -f web"));
    assert_eq!(fs::read_to_string(&log).unwrap(), "");
    assert_eq!(line("state web").status.code(), Some(1));
    let text = fs::read_to_string(&log).unwrap();
    assert!(
        text.starts_with("time=\"") && text.contains("\" level=error msg=\"container"),
        "{text}"
    );
}

#[test]
fn a_log_that_cannot_be_opened_is_the_failure() {
    assert_fails(
        &rrun(["--log", "/nowhere/log", "list"]),
        1,
        "open --log /nowhere/log: no such file",
    );
}

#[test]
fn warnings_do_not_spoil_a_json_log() {
    let root = Root::new();
    let damaged = root.path("state/damaged");
    fs::create_dir_all(&damaged).unwrap();
    fs::write(damaged.join("state.json"), "{").unwrap();
    let log = root.path("log.json");
    let output = root.rrun(&format!("--log {} --log-format json list -q", log.display()));
    assert_silent(&output);
    assert_eq!(fs::read_to_string(&log).unwrap(), "");
    let output = root.rrun("list -q");
    assert!(stderr(&output).starts_with("rrun: warning: container \"damaged\" left out"));
}

#[test]
fn an_ordinary_user_keeps_containers_in_the_runtime_directory() {
    let root = Root::new();
    let line = |xdg: Option<&Path>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rrun"));
        command.args(["--rootless=true", "state", "web"]).env_remove("XDG_RUNTIME_DIR");
        if let Some(xdg) = xdg {
            command.env("XDG_RUNTIME_DIR", xdg);
        }
        command.output().unwrap()
    };
    let looked_in = format!("does not exist: \"web\" in {}", root.path("rrun").display());
    assert_fails(&line(Some(&root.0)), 1, &looked_in);
    assert_fails(&line(None), 1, "XDG_RUNTIME_DIR is not set; set it, or say where");
}

#[test]
fn spec_writes_a_configuration_once() {
    let root = Root::new();
    let line = format!("spec --bundle {}", root.0.display());
    assert_silent(&root.rrun(&line));
    let config: serde_json::Value =
        serde_json::from_slice(&fs::read(root.path("config.json")).unwrap()).unwrap();
    assert_eq!(config["root"]["path"], "rootfs");
    assert_fails(&root.rrun(&line), 1, "config.json exists; remove it first");
}

#[test]
fn features_are_json_on_standard_output() {
    let output = rrun(["features"]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
    let features: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(features["ociVersionMin"], "1.0.0");
}
