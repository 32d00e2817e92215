//! Create, start, exec, kill, delete, hooks and terminals around a user namespace.

use super::{ROOT, mapped, namespace, sleeper};
use rrun_harness::{ConsoleSocket, Leftovers, Must, Terminal, eventually, requires};
use serde_json::json;
use std::fs;

#[test]
fn a_container_waits_at_the_gate_starts_is_killed_and_deleted() {
    requires!(root);
    let bundle = mapped().args(["probe", "trap", "15", "0"]);
    let created = bundle.create().success();
    assert_eq!(bundle.status(), "created");
    assert_eq!(created.stdout(), "");
    bundle.start().success();
    assert!(eventually(|| created.stdout().contains("ready")), "{}", created.account());
    assert_eq!(bundle.status(), "running");
    bundle.kill("TERM").success();
    bundle.expect_status("stopped");
    bundle.delete().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn exec_joins_every_namespace_and_passes_exit_codes_on() {
    requires!(root);
    let bundle = sleeper();
    bundle.up();
    let pid = bundle.state()["pid"].clone();
    let facts = bundle.exec(&[], &["probe", "facts", "namespaces", "user"]).success().json();
    for kind in ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"] {
        assert_eq!(facts["namespaces"][kind].to_string(), namespace(&pid, kind), "{kind}");
    }
    assert_eq!(facts["user"]["uid"], 0);
    bundle.exec(&[], &["probe", "exit", "7"]).code(7);
    bundle.exec(&[], &["probe", "kill-self", "9"]).code(137);
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn hooks_inside_run_as_the_mapped_root() {
    requires!(root, busybox);
    let hook = |text: &str| json!([{ "path": "/bin/sh", "args": ["sh", "-c", text] }]);
    let bundle = mapped();
    let marks = bundle.path().join("marks");
    fs::create_dir(&marks).must("make a directory");
    std::os::unix::fs::chown(&marks, Some(ROOT), Some(ROOT)).must("give it away");
    let report = format!("cat >/dev/null; cat /proc/self/uid_map > {}/created", marks.display());
    let bundle = bundle
        .set("/hooks/createContainer", hook(&report))
        .set("/hooks/startContainer", hook("cat > /state; cat /proc/self/uid_map > /started"))
        .args(["probe", "read", "/started"]);
    bundle.run().success().stdout_has("100000");
    let created = fs::read_to_string(marks.join("created")).must("read what the hook wrote");
    assert!(created.contains("100000"), "{created}");
    let state = fs::read_to_string(bundle.rootfs().join("state")).must("read the state");
    assert!(state.contains(bundle.id()), "{state}");
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_terminal_inside_belongs_to_the_mapped_user() {
    requires!(root, busybox);
    let bundle = mapped()
        .set("/process/terminal", json!(true))
        .set("/process/user/uid", json!(1000))
        .script("tty; stat -c 'owner %u' $(tty); stat -c 'console %t' /dev/console; exit 9");
    let mut terminal = Terminal::open(24, 80);
    let running = bundle.run_on(&mut terminal);
    let shown = terminal.drain();
    running.wait().code(9);
    assert!(shown.contains("/dev/pts/0"), "{shown}");
    assert!(shown.contains("owner 1000"), "{shown}");
    assert!(shown.contains("console 88"), "{shown}");
    Leftovers::assert_none(&bundle);
}

#[test]
fn the_console_socket_gets_the_terminal_of_a_created_container() {
    requires!(root, busybox);
    let bundle = mapped().set("/process/terminal", json!(true)).script("echo hello from $(tty)");
    let socket = ConsoleSocket::listen(bundle.path());
    let create = bundle.create_with(&["--console-socket", &socket.path()]);
    let (mut terminal, _) = socket.receive();
    create.success();
    bundle.start().success();
    terminal.expect("hello from /dev/pts/0");
}

#[test]
fn an_exec_with_a_terminal_has_one_of_the_containers_own() {
    requires!(root, busybox);
    let bundle = sleeper();
    bundle.up();
    let mut terminal = Terminal::open(24, 80);
    let exec = ["exec", "--tty", bundle.id(), "sh", "-c", "tty; id -u; exit 5"];
    let running = terminal.start(&bundle.runtime().command(exec));
    let shown = terminal.drain();
    running.wait().code(5);
    assert!(shown.contains("/dev/pts/0"), "{shown}");
}

#[test]
fn a_container_without_a_pid_namespace_is_killed_whole() {
    requires!(root, busybox);
    // The kernel gives a user namespace a procfs only for a pid namespace of its own.
    let bundle = mapped().without_namespace("pid").edit(|config| {
        config["mounts"][0] = json!({ "destination": "/proc", "type": "none", "source": "/proc", "options": ["rbind"] });
    });
    let bundle = bundle.script("sleep 1000 & sleep 1000");
    bundle.up();
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}
