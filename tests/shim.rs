//! The outside of containerd's shim, with a containerd of our own: the command line, the address, the server, the end.
//!
//! What a newcomer would get wrong: the shims here outlive the command that started them, as they must; each test ends its
//! own, and its sockets are in its own directory but where the point is that they are in containerd's.

#![allow(clippy::unwrap_used)]

#[path = "shim/abstract_names.rs"]
mod abstract_names;
#[path = "shim/cleanup.rs"]
mod cleanup;
#[path = "shim/containerd.rs"]
mod containerd;
#[path = "shim/input.rs"]
mod input;
#[path = "shim/stage.rs"]
mod stage;
#[path = "shim/task_checkpoint.rs"]
mod task_checkpoint;
#[path = "shim/task_exec.rs"]
mod task_exec;
#[path = "shim/task_io.rs"]
mod task_io;
#[path = "shim/task_life.rs"]
mod task_life;
#[path = "shim/task_limits.rs"]
mod task_limits;
#[path = "shim/task_mounts.rs"]
mod task_mounts;
#[path = "shim/task_pod.rs"]
mod task_pod;
#[path = "shim/task_refused.rs"]
mod task_refused;

use containerd::{Containerd, SHIM, Shim, timeout};
use containerd_shim_protos::api::{ConnectRequest, ConnectResponse, StateRequest};
use nix::sys::signal::{Signal, kill};
use protobuf::Message;
use rrun_harness::{eventually, requires};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

#[test]
fn start_prints_an_address_and_nothing_else_and_the_shim_answers_under_both_names() {
    requires!(root);
    let containerd = Containerd::new();
    let bundle = containerd.bundle("web", &[]);
    let output = containerd.start_with("web", &bundle, b"");
    let address = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{:?}", output.stderr);
    let shim = Shim::at(&address, &bundle);
    assert_eq!(shim.socket.parent().unwrap().to_str(), Some("/run/containerd/s"));
    assert!(address.len() - "unix://".len() <= 106 && !address.contains('\n'), "{address}");

    for version in [2, 3] {
        let answer = shim.call(version, "Connect", &ConnectRequest::new()).unwrap();
        let answer = ConnectResponse::parse_from_bytes(&answer).unwrap();
        assert_eq!(answer.shim_pid, u32::try_from(shim.pid.as_raw()).unwrap(), "v{version}");
    }
    let unknown = shim.call(4, "Connect", &ConnectRequest::new()).unwrap_err();
    assert!(unknown.to_string().contains("/containerd.task.v4.Task/Connect"), "{unknown}");
    shim.shutdown();
    assert!(shim.ends() && !shim.socket.exists());
    assert!(containerd.is_silent());
}

#[test]
fn cve_2020_15257_only_root_reaches_the_socket() {
    requires!(root);
    let containerd = Containerd::new();
    let bundle = containerd.bundle("web", &[]);
    let shim = containerd.start("web", &bundle);
    let mode = |path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!((mode(containerd.directory.join("s")), mode(shim.socket.clone())), (0o700, 0o600));

    // Who may write to the directory could put another socket in the place of ours.
    let open = containerd.bundle("open", &[]);
    let sockets = containerd.directory.join("s");
    fs::set_permissions(&sockets, fs::Permissions::from_mode(0o777)).unwrap();
    let refused =
        containerd.start_with("open", &open, &containerd.params("open").write_to_bytes().unwrap());
    assert!(!refused.status.success() && refused.stdout.is_empty());
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("others may write to it; give it to root alone"), "{said}");
    assert!(!open.join("shim.pid").exists() && !open.join("address").exists());
}

#[test]
fn a_shim_leaves_its_starter_and_protects_itself() {
    requires!(root);
    let containerd = Containerd::new();
    let bundle = containerd.bundle("web", &[]);
    let own: i32 = fs::read_to_string("/proc/self/oom_score_adj").unwrap().trim().parse().unwrap();
    let shim = containerd.start("web", &bundle);
    shim.task().connect(timeout(), &ConnectRequest::new()).unwrap();

    let of = |name: &str| format!("/proc/{}/{name}", shim.pid);
    assert_eq!(fs::read_to_string(of("comm")).unwrap(), "containerd-shim\n");
    assert_eq!(nix::unistd::getsid(Some(shim.pid)).unwrap(), shim.pid);
    assert_eq!(fs::read_link(of("cwd")).unwrap(), bundle.canonicalize().unwrap());
    for descriptor in ["fd/0", "fd/1", "fd/2"] {
        assert_eq!(fs::read_link(of(descriptor)).unwrap().to_str(), Some("/dev/null"));
    }
    let score: i32 = fs::read_to_string(of("oom_score_adj")).unwrap().trim().parse().unwrap();
    assert_eq!(score, (own + 1).min(1000));
    // SIGCHLD alone, which is read from a descriptor: what is started from here, or cloned, resets it.
    assert_eq!(shim.status("SigBlk"), "0000000000010000");
    // SIGPIPE alone: Rust ignores it in every program, and what is started from here resets it.
    assert_eq!(shim.status("SigIgn"), "0000000000001000");

    // CVE-2019-5736: nobody can write to the program that containers may get hold of.
    let program = fs::OpenOptions::new().write(true).open(of("exe")).unwrap_err();
    let refusals = [libc::EROFS, libc::EPERM, libc::ETXTBSY];
    assert!(refusals.contains(&program.raw_os_error().unwrap()), "{program}");
    assert_ne!(fs::metadata(of("exe")).unwrap().dev(), 0);

    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGPIPE] {
        kill(shim.pid, signal).unwrap();
        shim.task().connect(timeout(), &ConnectRequest::new()).unwrap();
    }
}

#[test]
fn what_belongs_to_one_pod_has_one_shim() {
    requires!(root);
    let containerd = Containerd::new();
    for annotation in ["io.kubernetes.cri.sandbox-id", "io.containerd.runc.v2.group"] {
        let group = [(annotation, "pod")];
        let sandbox = containerd.bundle(&format!("{annotation}-a"), &group);
        let shim = containerd.start("pod", &sandbox);
        let member = containerd.bundle(&format!("{annotation}-b"), &group);
        let input = containerd.params("member").write_to_bytes().unwrap();
        let output = containerd.start_with("member", &member, &input);
        assert!(output.status.success(), "{output:?}");
        let address = format!("unix://{}", shim.socket.display());
        assert_eq!(fs::read_to_string(member.join("address")).unwrap(), address);
        assert!(!member.join("shim.pid").exists(), "a second shim was started");
        shim.shutdown();
        assert!(shim.ends());
    }
    let one = containerd.start("one", &containerd.bundle("one", &[]));
    let other = containerd.start("other", &containerd.bundle("other", &[]));
    assert_ne!((&one.socket, one.pid), (&other.socket, other.pid));
}

#[test]
fn a_stale_socket_is_replaced() {
    requires!(root);
    let containerd = Containerd::new();
    let bundle = containerd.bundle("web", &[]);
    let shim = containerd.start("web", &bundle);
    let (socket, first) = (shim.socket.clone(), shim.pid);
    drop(shim);
    assert!(socket.exists(), "a killed shim removes nothing");
    let shim = containerd.start("web", &bundle);
    assert_eq!(shim.socket, socket);
    assert_ne!(shim.pid, first);
    shim.task().connect(timeout(), &ConnectRequest::new()).unwrap();
}

#[test]
fn a_start_that_fails_halfway_leaves_nothing() {
    requires!(root);
    let containerd = Containerd::new();
    for (number, file) in ["shim.pid", "address"].iter().enumerate() {
        let id = format!("web{number}");
        let bundle = containerd.bundle(&id, &[]);
        // A directory stands where the file should be.
        fs::create_dir_all(bundle.join(file).join("taken")).unwrap();
        let input = containerd.params(&id).write_to_bytes().unwrap();
        let output = containerd.start_with(&id, &bundle, &input);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{file}");
        assert!(said.contains(&format!("/{file}: is a directory")), "{said}");
        assert!(containerd.has_no_shim(), "{file}");
        assert_eq!(fs::read_dir(containerd.directory.join("s")).unwrap().count(), 0, "{file}");
        fs::remove_dir_all(bundle).unwrap();
    }
}

#[test]
fn the_log_is_the_bundles_fifo_whether_or_not_somebody_reads() {
    requires!(root);
    let containerd = Containerd::new();
    let bundle = containerd.bundle("web", &[]);
    let log = bundle.join("log");
    nix::unistd::mkfifo(&log, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let shim = containerd.start("web", &bundle);
    // Read only now: the line has waited for us.
    let mut reader = fs::File::open(&log).unwrap();
    let mut line = [0; 4096];
    let length = std::io::Read::read(&mut reader, &mut line).unwrap();
    let line = String::from_utf8_lossy(&line[..length]);
    assert!(
        line.starts_with("time=\"") && line.contains("level=debug msg=\"shim of web"),
        "{line}"
    );
    drop(reader);
    shim.task().connect(timeout(), &ConnectRequest::new()).unwrap();
}

#[test]
fn a_server_that_start_did_not_start_says_so() {
    let containerd = Containerd::new();
    let bundle = containerd.bundle("web", &[]);
    let output = containerd::fed(&mut containerd.command("web", &bundle), b"");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("no listening socket"), "{said}");
    let output = Command::new(SHIM).args(["-id", "web", "start"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("containerd-shim-rrun-v2: flag -namespace: invalid \"\""), "{said}");
}

#[test]
fn an_idle_shim_keeps_few_threads_and_no_connection_costs_another() {
    requires!(root);
    let containerd = Containerd::new();
    let shim = containerd.start("web", &containerd.bundle("web", &[]));
    for _ in 0..20 {
        // Not there, or not known: the answer does not matter.
        drop(shim.task().state(timeout(), &StateRequest::new()));
    }
    let threads = || shim.status("Threads").parse::<u32>().unwrap();
    assert!(eventually(|| threads() <= 5), "{} threads after the last call", threads());
    let kept = shim.task();
    kept.connect(timeout(), &ConnectRequest::new()).unwrap();
    assert!(eventually(|| threads() <= 10), "{} threads for one connection", threads());
}
