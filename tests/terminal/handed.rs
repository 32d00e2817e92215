//! What a service manager hands on: listening sockets, and a socket to say that one is ready.

use super::by_shell;
use rrun_harness::{Bundle, Must, Running, Stdio, eventually, requires};
use serde_json::{Value, json};
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

fn run_of(bundle: &Bundle, flags: &[&str]) -> Command {
    bundle.write_config();
    let path = bundle.path().to_string_lossy().into_owned();
    let words = ["run", "--bundle", &path].into_iter().chain(flags.iter().copied());
    bundle.runtime().command(words.chain([bundle.id()]))
}

fn facts_of(command: Command, bundle: &Bundle) -> Value {
    Running::start(command, &Stdio::Kept, bundle.path()).wait().success().json()
}

fn descriptors(facts: &Value) -> Vec<&String> {
    facts["fds"].as_object().must("read the descriptors").keys().collect()
}

#[test]
fn listening_sockets_are_passed_on_to_pid_1() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "facts", "env", "fds"]);
    let script = "LISTEN_PID=$$ LISTEN_FDS=2 exec \"$@\" 3</dev/null 4</dev/zero 5</dev/full";
    let facts = facts_of(by_shell(script, &run_of(&bundle, &[])), &bundle);
    assert_eq!(
        (&facts["env"]["LISTEN_FDS"], &facts["env"]["LISTEN_PID"]),
        (&json!("2"), &json!("1"))
    );
    assert_eq!(descriptors(&facts), ["0", "1", "2", "3", "4"]);
}

#[test]
fn listening_sockets_meant_for_another_process_are_not_ours_to_pass() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "facts", "env", "fds"]);
    let script = "LISTEN_PID=1 LISTEN_FDS=1 exec \"$@\" 3</dev/null";
    let facts = facts_of(by_shell(script, &run_of(&bundle, &[])), &bundle);
    assert_eq!(descriptors(&facts), ["0", "1", "2"]);
    assert_eq!(facts["env"]["LISTEN_FDS"], Value::Null);
}

#[test]
fn preserved_descriptors_reach_the_program_and_the_next_does_not() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "facts", "fds"]);
    let script = "exec \"$@\" 3</dev/null 4</dev/zero";
    let facts = facts_of(by_shell(script, &run_of(&bundle, &["--preserve-fds", "1"])), &bundle);
    assert_eq!(descriptors(&facts), ["0", "1", "2", "3"]);
    assert_eq!(facts["fds"]["3"], "/dev/null");
}

#[test]
fn a_descriptor_that_is_not_there_cannot_be_preserved() {
    // Runc 1.1.5 has opened one of its own by the time it looks.
    requires!(root, rrun);
    let bundle = Bundle::new();
    let command = by_shell("exec \"$@\" 3<&-", &run_of(&bundle, &["--preserve-fds", "1"]));
    Running::start(command, &Stdio::Kept, bundle.path()).wait().code(1);
}

/// One that plays systemd.
struct Manager {
    socket: UnixDatagram,
    path: String,
}

impl Manager {
    fn listen(bundle: &Bundle) -> Self {
        let path = bundle.path().join("manager.sock");
        let socket = UnixDatagram::bind(&path).must("listen as a service manager");
        socket.set_read_timeout(Some(Duration::from_secs(60))).must("bound the wait");
        Self { socket, path: path.to_string_lossy().into_owned() }
    }

    fn heard(&self) -> String {
        let mut bytes = [0; 512];
        let length = self.socket.recv(&mut bytes).must("hear from the container");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    /// Waits until it was told that the service is ready, and returns its main pid.
    fn main_pid(&self) -> String {
        let mut all = String::new();
        // Runc sends the two in two datagrams.
        while !(all.contains("READY=1") && all.contains("MAINPID=")) {
            all.push_str(&self.heard());
            all.push('\n');
        }
        let pid = all.lines().find_map(|line| line.strip_prefix("MAINPID="));
        pid.must("find the main pid").to_owned()
    }
}

fn started(mut command: Command, manager: &Manager, bundle: &Bundle) -> Running {
    command.env("NOTIFY_SOCKET", &manager.path);
    Running::start(command, &Stdio::Kept, bundle.path())
}

/// A service that says at its very start that it is ready: its socket must be there by then.
fn service() -> Bundle {
    Bundle::new().script("probe notify READY=1 && probe sleep")
}

#[test]
fn a_service_in_the_foreground_tells_the_manager_that_it_is_ready() {
    // Runc does not know the main process in the foreground: it is itself.
    requires!(root, busybox, rrun);
    let bundle = service();
    let manager = Manager::listen(&bundle);
    let running = started(run_of(&bundle, &[]), &manager, &bundle);
    assert_eq!(manager.main_pid(), bundle.state()["pid"].to_string());
    running.expect_stdout("sent");
    bundle.kill("KILL").success();
    running.wait().code(137);
}

#[test]
fn a_detached_service_is_ready_when_run_returns() {
    requires!(root, busybox);
    let bundle = service();
    let manager = Manager::listen(&bundle);
    started(run_of(&bundle, &["--detach"]), &manager, &bundle).wait().success();
    assert_eq!(manager.main_pid(), bundle.state()["pid"].to_string());
}

#[test]
fn a_created_service_is_ready_when_start_returns() {
    requires!(root, busybox);
    let bundle = service();
    bundle.write_config();
    let manager = Manager::listen(&bundle);
    let path = bundle.path().to_string_lossy().into_owned();
    let create = bundle.runtime().command(["create", "--bundle", &path, bundle.id()]);
    started(create, &manager, &bundle).wait().success();
    let start = bundle.runtime().command(["start", bundle.id()]);
    started(start, &manager, &bundle).wait().success();
    assert_eq!(manager.main_pid(), bundle.state()["pid"].to_string());
}

#[test]
fn a_service_that_ends_before_it_is_ready_is_not_waited_for() {
    // Runc does not look at a zombie twice, and waits for ever.
    requires!(root, rrun);
    let bundle = Bundle::new().args(["probe", "exit", "0"]);
    let manager = Manager::listen(&bundle);
    started(run_of(&bundle, &["--detach"]), &manager, &bundle).wait().success();
    assert!(eventually(|| bundle.status() == "stopped"));
}
