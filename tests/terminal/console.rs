//! `--console-socket`: the terminal goes to somebody else.

use super::with_terminal;
use rrun_harness::{Bundle, ConsoleSocket, Leftovers, requires};
use serde_json::json;

#[test]
fn create_sends_the_terminal_to_the_console_socket() {
    requires!(root, busybox);
    let bundle = with_terminal()
        .script("read word; stty size; echo got $word; exit 3")
        .set("/process/consoleSize", json!({ "height": 11, "width": 222 }));
    let socket = ConsoleSocket::listen(bundle.path());
    let created = bundle.create_with(&["--console-socket", &socket.path()]).success();
    let (mut terminal, name) = socket.receive();
    // Runc's name is that of the master.
    if bundle.runtime().is_rrun() {
        assert_eq!(name, "/dev/pts/0");
    }
    bundle.start().success();
    terminal.type_in("hello\r");
    terminal.expect("got hello");
    let shown = terminal.drain();
    assert!(shown.contains("11 222"), "{shown:?}");
    assert_eq!((created.stdout().as_str(), created.stderr()), ("", ""));
    bundle.expect_status("stopped");
    bundle.delete().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_detached_run_sends_it_too() {
    requires!(root);
    let bundle = with_terminal().args(["probe", "winsize"]);
    let socket = ConsoleSocket::listen(bundle.path());
    bundle.run_with(&["--detach", "--console-socket", &socket.path()]).success().stdout_is("");
    let (mut terminal, _) = socket.receive();
    terminal.expect("0 0");
    bundle.delete_force().success();
    terminal.drain();
}

#[test]
fn exec_sends_its_terminal_to_the_console_socket() {
    requires!(root, busybox);
    let bundle = Bundle::new().args(["probe", "sleep"]);
    bundle.up();
    let socket = ConsoleSocket::listen(bundle.path());
    let flags = ["--detach", "--tty", "--console-socket", &socket.path()];
    bundle.exec(&flags, &["sh", "-c", "tty; read word; echo got $word"]).success().stdout_is("");
    let (mut terminal, _) = socket.receive();
    terminal.expect("/dev/pts/0");
    terminal.type_in("hello\r");
    terminal.expect("got hello");
    terminal.drain();
}

#[test]
fn a_terminal_that_nobody_would_have_is_refused_and_so_is_a_socket_for_none() {
    requires!(root);
    let bundle = with_terminal();
    let socket = ConsoleSocket::listen(bundle.path());
    let to_socket = ["--console-socket", &socket.path()];
    for output in [bundle.create(), bundle.run_with(&["--detach"])] {
        output.code(1).stderr_has("console");
    }
    // In the foreground the terminal is ours.
    bundle.run_with(&to_socket).code(1).stderr_has("console");
    let without = Bundle::new().args(["probe", "sleep"]);
    without.create_with(&to_socket).code(1).stderr_has("console");
    without.run_with(&["--detach", to_socket[0], to_socket[1]]).code(1).stderr_has("console");
    Leftovers::assert_none(&bundle);
    Leftovers::assert_none(&without);

    without.up();
    let refused = |flags: &[&str]| without.exec(flags, &["probe", "exit", "0"]).code(255);
    refused(&["--detach", "--tty"]).stderr_has("console");
    refused(&["--detach", to_socket[0], to_socket[1]]).stderr_has("console");
}

#[test]
fn a_console_socket_that_nobody_listens_on_leaves_nothing_behind() {
    requires!(root);
    let bundle = with_terminal();
    let path = bundle.path().join("nobody").to_string_lossy().into_owned();
    let output = bundle.create_with(&["--console-socket", &path]).code(1);
    assert!(output.stderr().contains("nobody"), "{}", output.account());
    Leftovers::assert_none(&bundle);
}
