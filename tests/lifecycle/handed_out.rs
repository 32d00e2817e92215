//! What `create`, `run` and `exec` hand out: pid files, pidfds, and a container that `run` leaves alone.

use crate::sleeper;
use rrun_harness::{Bundle, Leftovers, Must, eventually, requires};
use std::fs;
use std::io::Read;
use std::os::unix::net::UnixListener;

#[test]
fn a_detached_run_writes_the_pid_file_and_leaves_the_container_running() {
    requires!(root);
    let bundle = sleeper();
    let file = bundle.path().join("pid");
    bundle.run_with(&["--detach", "--pid-file", &file.to_string_lossy()]).success();
    let pid = fs::read_to_string(&file).must("read the pid file");
    assert_eq!(pid, bundle.state()["pid"].to_string());
    bundle.kill("KILL").success();
    bundle.expect_status("stopped");
    bundle.delete().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn whoever_sees_the_pid_file_may_exec() {
    requires!(root);
    let bundle = sleeper();
    let file = bundle.path().join("pid");
    let run = bundle.start_run(&["--pid-file", &file.to_string_lossy()]);
    assert!(eventually(|| file.exists()), "run never wrote the pid file");
    bundle.exec(&[], &["probe", "say", "inside"]).success().stdout_is("inside\n");
    bundle.kill("KILL").success();
    run.wait().code(137);
}

#[test]
fn a_pid_file_is_replaced_whole() {
    requires!(root);
    let bundle = Bundle::new();
    let file = bundle.path().join("pid");
    fs::write(&file, "an old and longer text").must("write a file");
    bundle.run_with(&["--pid-file", &file.to_string_lossy()]).success();
    let pid = fs::read_to_string(&file).must("read the pid file");
    assert!(pid.parse::<i32>().is_ok_and(|pid| pid > 1), "{pid:?}");
}

#[test]
fn the_pid_file_of_an_exec_names_its_process() {
    requires!(root);
    let bundle = sleeper();
    bundle.up();
    let file = bundle.path().join("pid");
    let flags = ["--detach", "--pid-file", &file.to_string_lossy()];
    bundle.exec(&flags, &["probe", "sleep"]).success();
    let pid = fs::read_to_string(&file).must("read the pid file");
    let seen = fs::read_to_string(format!("/proc/{pid}/status")).must("find the process");
    // pid, as the host and as the container number it.
    let numbers = seen.lines().find_map(|line| line.strip_prefix("NSpid:")).must("find its pids");
    assert_eq!(numbers.split_whitespace().next(), Some(pid.as_str()));
    assert_eq!(numbers.split_whitespace().count(), 2, "{numbers}");
}

/// runc has `--pidfd-socket` since 1.2.
#[test]
fn a_pidfd_socket_gets_a_name_and_one_descriptor() {
    requires!(root, rrun);
    let bundle = sleeper();
    let path = bundle.path().join("pidfd.sock");
    let listener = UnixListener::bind(&path).must("listen for pidfds");
    let flag = path.to_string_lossy().into_owned();
    let said = || {
        let (mut stream, _) = listener.accept().must("accept the runtime");
        let mut text = String::new();
        stream.read_to_string(&mut text).must("read the name");
        text
    };
    bundle.create_with(&["--pidfd-socket", &flag]).success();
    assert_eq!(said(), "standard");
    bundle.start().success();
    bundle.exec(&["--pidfd-socket", &flag], &["probe", "exit", "0"]).success();
    assert_eq!(said(), "setns");
}

/// runc has `--keep` since 1.1.
#[test]
fn run_keeps_a_stopped_container_when_asked() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "exit", "3"]);
    bundle.run_with(&["--keep"]).code(3);
    assert_eq!(bundle.status(), "stopped");
    assert_eq!(bundle.state()["pid"], 0);
    bundle.start().failure();
    bundle.delete().success();
    Leftovers::assert_none(&bundle);
}
