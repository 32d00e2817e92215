//! `run` and `exec --tty` in the foreground of a terminal.

use super::{by_shell, with_terminal};
use nix::sys::termios::{LocalFlags, tcgetattr};
use rrun_harness::{Bundle, Leftovers, Must, Running, Stdio, Terminal, requires};
use serde_json::json;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;

/// `run` and `exec --tty` of the same program: the second in a container that sleeps.
fn in_both_ways(program: &[&str], check: impl Fn(Terminal, Running, &Bundle)) {
    let bundle = with_terminal().args(program);
    let mut terminal = Terminal::open(40, 100);
    let running = bundle.run_on(&mut terminal);
    check(terminal, running, &bundle);
    Leftovers::assert_none(&bundle);

    let bundle = Bundle::new().args(["probe", "sleep"]);
    bundle.up();
    let mut terminal = Terminal::open(40, 100);
    let words = ["exec", "--tty", bundle.id()].into_iter().chain(program.iter().copied());
    let running = terminal.start(&bundle.runtime().command(words));
    check(terminal, running, &bundle);
}

#[test]
fn the_terminal_has_our_size_and_follows_it() {
    requires!(root);
    in_both_ways(&["probe", "winsize"], |mut terminal, running, bundle| {
        terminal.expect("40 100");
        terminal.resize(50, 132);
        terminal.expect("50 132");
        bundle.kill("KILL").success();
        running.wait().code(137);
    });
}

#[test]
fn what_is_typed_reaches_the_program_and_control_c_is_a_signal() {
    requires!(root, busybox);
    let script = "trap 'echo caught; exit 11' INT; read word; echo got $word; \
        while :; do sleep 1; done";
    in_both_ways(&["sh", "-c", script], |mut terminal, running, _| {
        terminal.type_in("hello\r");
        terminal.expect("got hello");
        terminal.type_in("\x03");
        terminal.expect("caught");
        running.wait().code(11);
    });
}

#[test]
fn the_program_has_a_session_with_this_terminal() {
    requires!(root, busybox);
    let script = "tty; echo direct >/dev/tty; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all; \
        set -- $(cut -d')' -f2 /proc/$$/stat); echo $$ leads $4 in front $6; exit 3";
    in_both_ways(&["sh", "-c", script], |mut terminal, running, _| {
        let shown = terminal.drain();
        for line in ["/dev/pts/0\r\n", "direct\r\n", "all\r\n"] {
            assert!(shown.contains(line), "no {line:?} in {shown:?}");
        }
        let about = shown.lines().find(|line| line.contains("leads")).must("find the last line");
        let [pid, _, session, _, _, front] = about.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{about:?}");
        };
        assert_eq!((pid, pid), (session, front), "it leads its session, in the foreground");
        running.wait().code(3);
    });
}

#[test]
fn dev_console_is_the_terminal() {
    requires!(root, busybox);
    let script = "stat -c '%t:%T' /dev/console /dev/pts/0 | uniq | wc -l; echo said >/dev/console";
    let bundle = with_terminal().script(script);
    let mut terminal = Terminal::open(24, 80);
    let running = bundle.run_on(&mut terminal);
    let shown = terminal.drain();
    assert_eq!(shown, "1\r\nsaid\r\n");
    running.wait().success();
}

#[test]
fn a_user_owns_its_terminal() {
    requires!(root, busybox);
    let bundle = with_terminal()
        .script("echo mine >$(tty) && stat -c %u $(tty)")
        .set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    let mut terminal = Terminal::open(24, 80);
    let running = bundle.run_on(&mut terminal);
    assert_eq!(terminal.drain(), "mine\r\n1000\r\n");
    running.wait().success();
}

#[test]
fn a_mebibyte_arrives_before_the_end() {
    requires!(root, busybox);
    let script = "head -c 1048576 /dev/zero | tr '\\0' x; echo; echo last words; exit 9";
    in_both_ways(&["sh", "-c", script], |mut terminal, running, _| {
        let shown = terminal.drain();
        assert_eq!(shown.bytes().filter(|byte| *byte == b'x').count(), 1 << 20);
        assert!(shown.ends_with("last words\r\n"));
        running.wait().code(9);
    });
}

#[test]
fn our_terminal_is_raw_meanwhile_and_as_it_was_afterwards() {
    requires!(root);
    // However it ends: by itself, killed, by a signal to the runtime, or because it cannot start.
    let before_and_after = "before=$(stty -g); \"$@\"; code=$?; \
        [ \"$(stty -g)\" = \"$before\" ] && echo restored || echo changed; exit $code";
    for (program, end, code) in [
        ("trap 15 7", "TERM", 7),
        ("sleep", "KILL", 137),
        ("exit 3", "", 3),
        ("no-such-verb", "", 2),
    ] {
        let words = ["probe"].into_iter().chain(program.split(' '));
        let bundle = with_terminal().args(words);
        bundle.write_config();
        let mut terminal = Terminal::open(24, 80);
        let settings = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOCTTY)
            .open(terminal.name())
            .must("open the terminal");
        let path = bundle.path().to_string_lossy().into_owned();
        let command = bundle.runtime().command(["run", "--bundle", &path, bundle.id()]);
        let running = terminal.start(&by_shell(before_and_after, &command));
        if !end.is_empty() {
            terminal.expect("ready");
            let flags = tcgetattr(&settings).must("read the settings").local_flags;
            assert!(!flags.intersects(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG));
            bundle.kill(end).success();
        }
        terminal.expect("restored");
        running.wait().code(code);
    }
}

#[test]
fn our_terminal_is_as_it_was_when_the_program_cannot_start() {
    requires!(root);
    let bundle = with_terminal().args(["no-such-program"]);
    bundle.write_config();
    let path = bundle.path().to_string_lossy().into_owned();
    let command = bundle.runtime().command(["run", "--bundle", &path, bundle.id()]);
    let script = "before=$(stty -g); \"$@\"; [ \"$(stty -g)\" = \"$before\" ] && echo restored";
    let mut terminal = Terminal::open(24, 80);
    let running = terminal.start(&by_shell(script, &command));
    let shown = terminal.expect("restored");
    assert!(shown.contains("executable file not found in $PATH"), "{shown:?}");
    running.wait().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn input_that_is_no_terminal_is_passed_on_and_ends() {
    // Runc wants a terminal of its own when the container is to have one.
    requires!(root, busybox, rrun);
    let bundle = with_terminal().script("cat; echo at the end; exit 4");
    let output = bundle.run_with_input(b"one\ntwo").code(4);
    let shown = output.stdout();
    assert!(shown.contains("one\n") && shown.contains("two"), "{shown:?}");
    assert!(shown.ends_with("at the end\n"), "{shown:?}");

    let output = bundle.run().code(4);
    assert!(output.stdout().ends_with("at the end\n"), "{}", output.account());

    let bundle = Bundle::new().args(["probe", "sleep"]);
    bundle.up();
    let script = "cat; exit 5";
    let words = ["exec", "-t", bundle.id(), "sh", "-c", script];
    let input = Stdio::Input(b"one\n".to_vec());
    let output = Running::start(bundle.runtime().command(words), &input, bundle.path()).wait();
    let output = output.code(5);
    assert!(output.stdout().contains("one\n"), "{}", output.account());
}
