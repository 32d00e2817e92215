//! Signals between the runtime in the foreground and its container; the reaping of orphans.

use super::by_shell;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rrun_harness::{Bundle, Leftovers, Must, Running, Runtime, Stdio, eventually, requires};
use std::fs;

#[test]
fn the_signals_a_service_gets_are_the_programs() {
    requires!(root);
    for signal in [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGQUIT,
        Signal::SIGUSR1,
        Signal::SIGWINCH,
    ] {
        // Runc keeps this one to itself, even where it has no terminal to resize.
        if signal == Signal::SIGWINCH && !Runtime::under_test().is_rrun() {
            continue;
        }
        let number = signal as i32;
        let code = 40 + number;
        let bundle = Bundle::new().args(["probe", "trap", &number.to_string(), &code.to_string()]);
        let running = bundle.start_run(&[]);
        running.expect_stdout("ready");
        running.signal(signal);
        running.wait().code(code);
    }
}

#[test]
fn a_signal_that_ends_the_program_is_in_the_exit_code() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "sleep"]).without_namespace("pid");
    let running = bundle.start_run(&[]);
    running.expect_stdout("ready");
    running.signal(Signal::SIGUSR2);
    running.wait().code(128 + 12);
    Leftovers::assert_none(&bundle);
}

/// A Rust program ignores SIGPIPE, a daemon's child maybe more, and what is ignored or blocked survives execve(2).
#[test]
fn the_program_starts_with_every_signal_at_its_default() {
    // Runc passes on what it was told to ignore.
    requires!(root, busybox, rrun);
    let clean = |text: &str| {
        for set in ["SigBlk", "SigIgn"] {
            assert!(text.contains(&format!("{set}:\t0000000000000000")), "{text}");
        }
    };
    let bundle = Bundle::new().script("cat /proc/self/status; sleep 1000");
    bundle.write_config();
    let path = bundle.path().to_string_lossy().into_owned();
    let words = ["run", "--detach", "--bundle", &path, bundle.id()];
    let script = "trap '' HUP PIPE USR1; exec \"$@\"";
    let command = by_shell(script, &bundle.runtime().command(words));
    let output = Running::start(command, &Stdio::Kept, bundle.path()).wait().success();
    assert!(eventually(|| output.stdout().contains("SigIgn")), "{}", output.account());
    clean(&output.stdout());
    let words = ["exec", bundle.id(), "cat", "/proc/self/status"];
    let command = by_shell(script, &bundle.runtime().command(words));
    clean(&Running::start(command, &Stdio::Kept, bundle.path()).wait().success().stdout());
}

fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.split(' ').nth(1)?.parse().ok()
}

#[test]
fn orphans_come_to_the_runtime_and_are_reaped_unless_it_shall_not() {
    requires!(root, busybox);
    let script = "sh -c 'sleep 1000 >/dev/null & echo $!'; while :; do sleep 1; done";
    for (flags, ours) in [(&[][..], true), (&["--no-subreaper"][..], false)] {
        let bundle = Bundle::new().script(script).without_namespace("pid");
        let running = bundle.start_run(flags);
        running.expect_stdout("\n");
        let orphan: i32 = running.stdout().trim().parse().must("read the orphan's pid");
        let foster = running.pid();
        let adopted = || parent_of(orphan).is_some_and(|parent| (parent == foster) == ours);
        assert!(eventually(adopted), "{flags:?}: {:?} has it, not {foster}", parent_of(orphan));
        kill(Pid::from_raw(orphan), Signal::SIGKILL).must("end the orphan");
        if ours {
            assert!(eventually(|| parent_of(orphan).is_none()), "nobody reaped the orphan");
        }
        bundle.kill("KILL").success();
        running.wait().code(137);
    }
}

#[test]
fn containers_that_end_at_once_are_never_waited_for_in_vain() {
    requires!(root);
    // The guest emulates its processor: a twentieth of the rounds takes as long.
    let strict = std::env::var_os("RRUN_TEST_STRICT").is_some();
    let bundle = Bundle::new().args(["probe", "exit", "7"]);
    for _ in 0..if strict { 10 } else { 200 } {
        bundle.run().code(7);
    }
    Leftovers::assert_none(&bundle);
}
