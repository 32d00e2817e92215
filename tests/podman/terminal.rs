//! Terminals: run -it, exec -it, attach and detach, and stdin without a terminal.

use rrun_harness::engines::Set;
use rrun_harness::{Stdio, Terminal, requires};

use crate::{IMAGE, detached, podman, remove};

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn a_terminal_has_the_size_of_ours_follows_it_and_hands_on_the_status() {
    requires!(root, busybox, engines(Set::Own));
    let podman = podman();
    let mut terminal = Terminal::open(33, 111);
    let mut command = podman.podman();
    // podman learns of a size by a signal, and the terminal by conmon: the program, and what is typed, may be there before.
    let script = "tty; while [ \"$(stty size)\" != '33 111' ]; do sleep 0.05; done; stty size; \
                  while [ \"$(stty size)\" != '44 122' ]; do sleep 0.05; done; \
                  echo resized; read word; echo got $word; exit 4";
    command.args(["run", "--rm", "-it", IMAGE, "/bin/sh", "-c", script]);
    let running = terminal.start(&command);
    terminal.expect("/dev/pts/0");
    terminal.expect("33 111");
    terminal.resize(44, 122);
    terminal.expect("resized");
    terminal.type_in("hello\n");
    terminal.expect("got hello");
    running.wait().code(4);
}

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn an_exec_has_a_terminal_of_its_own() {
    requires!(root, busybox, engines(Set::Own));
    let podman = podman();
    detached(&podman, "sleeps", &[], "exec sleep 1000");
    let mut terminal = Terminal::open(22, 77);
    let mut command = podman.podman();
    command.args([
        "exec",
        "-it",
        "sleeps",
        "/bin/sh",
        "-c",
        "while [ \"$(stty size)\" != '22 77' ]; do sleep 0.1; done; read word; echo got $word; exit 5",
    ]);
    // Who is told the size is conmon, and it may be told when the program runs already.
    let running = terminal.start(&command);
    terminal.type_in("hello\n");
    terminal.expect("got hello");
    running.wait().code(5);
    remove(&podman, &["sleeps"]);
}

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn who_attaches_sees_what_is_said_and_may_leave_again() {
    requires!(root, busybox, engines(Set::Own));
    let podman = podman();
    let options = ["-it"];
    detached(
        &podman,
        "listens",
        &options,
        "while read word; do echo got $word; [ $word = end ] && exit 6; done",
    );
    for (word, leaves) in [("one", true), ("end", false)] {
        let mut terminal = Terminal::open(24, 80);
        let mut command = podman.podman();
        command.args(["attach", "--detach-keys", "ctrl-a,d", "listens"]);
        let running = terminal.start(&command);
        terminal.type_in(&format!("{word}\n"));
        terminal.expect(&format!("got {word}"));
        if leaves {
            // podman compares what it reads at once with one key, and a pause makes two reads of two keys.
            terminal.type_in("\u{1}");
            std::thread::sleep(std::time::Duration::from_millis(200));
            terminal.type_in("d");
            running.wait().success();
        } else {
            // podman 4.3 hands no status on to who attached.
            running.wait().success();
            podman.call(&["wait", "listens"]).success().stdout_is("6\n");
        }
    }
    remove(&podman, &["listens"]);
}

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn stdin_reaches_the_container_to_its_end() {
    requires!(root, busybox, engines(Set::Own));
    let podman = podman();
    let mut command = podman.podman();
    command.args(["run", "--rm", "-i", IMAGE, "/bin/sh", "-c", "wc -c; exit 8"]);
    let input = Stdio::Input(vec![b'x'; 100_000]);
    podman.room().start(command, &input).wait().code(8).stdout_is("100000\n");
}
