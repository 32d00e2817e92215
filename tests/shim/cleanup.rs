//! `delete`: what is left of a container whose shim is gone, and of one of which nothing is left.

use super::containerd::Containerd;
use containerd_shim_protos::api::DeleteResponse;
use nix::mount::{MsFlags, mount};
use nix::sys::signal::{Signal, kill};
use protobuf::Message;
use rrun_harness::{Bundle, Leftovers, requires};
use std::fs;
use std::path::Path;
use std::process::Output;

fn response(output: &Output) -> DeleteResponse {
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let response = DeleteResponse::parse_from_bytes(&output.stdout).unwrap();
    assert_eq!(response.exit_status, 137);
    assert!(response.exited_at.seconds > 0);
    response
}

/// Options as a shim keeps them: the state is in the fixture's directory.
fn keep_state_in(directory: &Path, bundle: &Path) {
    let options = serde_json::json!({"Root": directory.join("state")});
    fs::write(bundle.join("options.json"), options.to_string()).unwrap();
}

#[test]
fn nothing_to_delete_is_success_as_often_as_it_is_asked() {
    requires!(root);
    let containerd = Containerd::new();
    let bundle = containerd.bundle("web", &[]);
    keep_state_in(&containerd.directory, &bundle);
    for _ in 0..2 {
        assert_eq!(response(&containerd.delete("web", &bundle)).pid, 0);
    }
    let mut elsewhere = containerd.command("web", Path::new("/"));
    let output = elsewhere.arg("-bundle").arg(&bundle).arg("delete").output().unwrap();
    assert_eq!(response(&output).pid, 0);
}

#[test]
fn mounts_go_and_what_was_mounted_stays() {
    requires!(root);
    let containerd = Containerd::new();
    let bundle = containerd.bundle("web", &[]);
    keep_state_in(&containerd.directory, &bundle);
    let (source, rootfs) = (containerd.directory.join("snapshot"), bundle.join("rootfs"));
    for directory in [&source, &rootfs, &source.join("in side")] {
        fs::create_dir(directory).unwrap();
    }
    fs::write(source.join("file"), "kept").unwrap();
    let none = None::<&str>;
    mount(Some(&source), &rootfs, none, MsFlags::MS_BIND, none).unwrap();
    mount(Some(&source), &rootfs, none, MsFlags::MS_BIND, none).unwrap();
    mount(none, &rootfs.join("in side"), Some("tmpfs"), MsFlags::empty(), none).unwrap();
    // Somebody is still in there.
    let busy = fs::File::open(rootfs.join("in side")).unwrap();

    response(&containerd.delete("web", &bundle));
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(rootfs.to_str().unwrap()), "{mounts}");
    assert!(fs::read_dir(&rootfs).unwrap().next().is_none());
    assert_eq!(fs::read_to_string(source.join("file")).unwrap(), "kept");
    drop(busy);
}

#[test]
fn a_killed_shim_s_socket_goes_and_a_living_ones_stays() {
    requires!(root);
    let containerd = Containerd::new();
    let bundle = containerd.bundle("web", &[]);
    let shim = containerd.start("web", &bundle);
    response(&containerd.delete("web", &bundle));
    assert!(shim.socket.exists() && shim.is_alive());
    let socket = shim.socket.clone();
    // At once, as containerd does it when the connection breaks.
    kill(shim.pid, Signal::SIGKILL).unwrap();
    response(&containerd.delete("web", &bundle));
    assert!(!socket.exists());
}

/// The container is the command's here: what `delete` finds is a record and processes, whoever made them.
#[test]
fn a_running_container_is_ended_by_force_and_its_pid_is_told() {
    requires!(root);
    let mut containerd = Containerd::new();
    let container = Bundle::new().args(["probe", "sleep"]);
    container.up().success();
    let pid = container.state()["pid"].as_u64().unwrap();
    // The command keeps its containers below `state`, as a shim keeps those of a namespace of that name.
    containerd.namespace = "state".into();
    let options = serde_json::json!({"Root": container.runtime().root().parent().unwrap()});
    fs::write(container.path().join("options.json"), options.to_string()).unwrap();

    assert_eq!(response(&containerd.delete(container.id(), container.path())).pid, pid as u32);
    Leftovers::assert_none(&container);
    assert_eq!(response(&containerd.delete(container.id(), container.path())).pid, 0);
}
