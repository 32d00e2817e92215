//! Fields that are longer than somebody thought, and files that a runtime writes for itself.

use crate::{decoy, names, plant_link};
use rrun_harness::{Bundle, Leftovers, Must, requires};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;

/// More than 16 bits can count.
const LONG: usize = 70_000;

#[test]
fn cve_2021_43784_a_field_of_more_than_64_kib_arrives_whole() {
    requires!(root);
    let long = "x".repeat(LONG);
    let bundle = Bundle::new();
    let state = bundle.path().join("state");
    let script = format!("cat >'{}'", state.display());
    let hook =
        json!({ "path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/usr/bin:/bin"] });
    let bundle = bundle
        .set("/annotations/long", json!(long))
        .push("/hooks/createContainer", hook)
        .env(&format!("LONG={long}"));
    let said = bundle.args(["probe", "say", &long]);
    said.run().success().stdout_is(&format!("{long}\n"));
    let state: Value =
        serde_json::from_slice(&fs::read(&state).must("read the state")).must("parse the state");
    assert_eq!(state["annotations"]["long"], long);
    let facts = said.args(["probe", "facts", "env"]).run().success().json();
    assert_eq!(facts["env"]["LONG"], long);
}

#[test]
fn cve_2021_43784_what_is_too_long_is_refused_and_never_cut() {
    requires!(root, rrun);
    let long = format!("/{}", "x".repeat(LONG));
    for pointer in [
        "/hostname",
        "/process/cwd",
        "/linux/maskedPaths/0",
        "/linux/cgroupsPath",
        "/mounts/0/destination",
        "/root/path",
    ] {
        let bundle = Bundle::new().set(pointer, json!(long));
        let output = bundle.run();
        assert_ne!(output.exit_code(), 0, "{pointer}");
        Leftovers::assert_none(&bundle);
    }
    // 340 lines are the most that the kernel takes (user_namespaces(7)); 8,000 would be more than 64 KiB of text.
    let lines: Vec<(u32, u32, u32)> = (0..8_000).map(|n| (n, 100_000 + n, 1)).collect();
    let bundle = Bundle::new().mapped(&lines);
    bundle.run().failure();
    Leftovers::assert_none(&bundle);
}

#[test]
fn cve_2020_15257_no_socket_of_a_waiting_container_is_reached_by_its_network() {
    requires!(root, rrun);
    let bundle = Bundle::new().without_namespace("network").args(["probe", "sleep"]);
    bundle.create().success();
    let pid = bundle.state()["pid"].to_string();
    let sockets: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .must("list the descriptors")
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|to| Some(to.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let table = fs::read_to_string(format!("/proc/{pid}/net/unix")).must("read the sockets");
    let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let ours =
        lines.filter(|line| line.get(6).is_some_and(|inode| sockets.iter().any(|s| s == inode)));
    let names: Vec<String> =
        ours.filter_map(|line| line.get(7).map(|name| (*name).to_owned())).collect();
    // An abstract name begins with @, and belongs to whoever shares the network namespace.
    assert!(names.iter().all(|name| name.starts_with('/')), "{names:?}");
    assert_eq!(names.len(), 1, "the gate that start knocks at: {names:?}");
    let of_root = fs::metadata(bundle.runtime().root().join(bundle.id())).must("look at the state");
    assert_eq!((of_root.uid(), of_root.mode() & 0o077), (0, 0));
}

#[test]
fn cve_2024_3154_annotations_run_nothing() {
    requires!(root);
    let bundle = Bundle::new();
    let file = bundle.path().join("made");
    let command = format!("[('/bin/sh', ['sh', '-c', 'touch {}'], false)]", file.display());
    let mut bundle = bundle;
    for name in ["ExecStartPre", "ExecStopPost", "ExecStart", "Exec"] {
        bundle = bundle.set(&format!("/annotations/org.systemd.property.{name}"), json!(command));
    }
    // Refused or ignored.
    drop(bundle.run());
    assert!(!file.exists());
    Leftovers::assert_none(&bundle);
}

#[test]
fn cve_2025_24965_what_the_runtime_makes_for_itself_lies_inside() {
    requires!(root, rrun);
    let bundle = Bundle::new();
    let outside = decoy(&bundle);
    let listener = bundle.path().join("notify");
    let _socket = UnixDatagram::bind(&listener).must("listen");
    // The place of the proxy's socket in the container, and the mount point of its directory.
    for (path, target) in [("run", outside.clone()), ("run", "../decoy".into())] {
        plant_link(&bundle, path, &target);
        let runtime = bundle.runtime().clone().with_env("NOTIFY_SOCKET", listener.display());
        bundle.write_config();
        let words = ["run", "--bundle", &bundle.path().to_string_lossy(), bundle.id()];
        let output = runtime.call(words);
        // Inside, a link from /run to somewhere below /run leads to itself: a guest has its bundles there.
        if target.starts_with("/run") {
            output.failure().stderr_has("ELOOP");
        } else {
            output.success();
        }
        assert_eq!(names(&outside), ["ptmx"]);
        Leftovers::assert_none(&bundle);
    }
}
