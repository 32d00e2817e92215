//! `wait`: anybody may, and learns how it ended.
//!
//! Knows who the parent is: of a container started with `run --detach` or `start` it is not who waits. A newcomer would
//! test it on a container that has ended long ago, of which only a record or nothing can tell.
use nix::sys::signal::Signal;
use rrun_harness::{Bundle, Leftovers, Must, eventually, requires};
use serde_json::{Value, json};
use std::fs;

fn wait(bundle: &Bundle, flags: &[&str]) -> rrun_harness::Running {
    let words = ["wait"].iter().chain(flags).copied().chain([bundle.id()]);
    bundle.runtime().start_command(words)
}

/// It has its pidfd once it waits.
fn waits(running: &rrun_harness::Running) -> bool {
    fs::read_dir(format!("/proc/{}/fd", running.pid())).is_ok_and(|fds| {
        fds.flatten().any(|fd| {
            fs::read_link(fd.path()).is_ok_and(|to| to.to_string_lossy().contains("pidfd"))
        })
    })
}

/// A container that exits as `script` says once it is let go.
fn waiting(script: &str) -> (Bundle, impl Fn()) {
    let bundle = Bundle::new().script(&format!("read go < /go; {script}"));
    let go = bundle.rootfs().join("go");
    nix::unistd::mkfifo(&go, nix::sys::stat::Mode::S_IRWXU).must("make a fifo");
    (bundle, move || fs::write(&go, "go\n").must("let it go"))
}

#[test]
fn it_ends_with_the_containers_exit_code_though_it_is_not_its_parent() {
    requires!(root, rrun, busybox);
    for (script, code) in [("exit 7", 7), ("exit 0", 0), ("exit 255", 255)] {
        let (bundle, go) = waiting(script);
        let parent = bundle.start_run(&[]);
        bundle_is_up(&bundle);
        let running = wait(&bundle, &[]);
        assert!(eventually(|| waits(&running)), "it never waited");
        // A parent that is slow to reap.
        parent.signal(Signal::SIGSTOP);
        go();
        running.wait().code(code).stdout_is("");
        parent.signal(Signal::SIGCONT);
        parent.wait().code(code);
        Leftovers::assert_none(&bundle);
    }
}

fn bundle_is_up(bundle: &Bundle) {
    let up = || bundle.runtime().state(bundle.id()).stdout().contains("running");
    assert!(eventually(up), "it never ran");
}

#[test]
fn of_a_signal_it_tells_128_and_the_number_and_in_json_the_number_too() {
    requires!(root, rrun);
    let bundle = Bundle::new().args(["probe", "sleep"]);
    let parent = bundle.start_run(&[]);
    bundle_is_up(&bundle);
    let (text, json) = (wait(&bundle, &[]), wait(&bundle, &["--format", "json"]));
    assert!(eventually(|| waits(&text) && waits(&json)), "they never waited");
    parent.signal(Signal::SIGSTOP);
    bundle.kill("KILL").success();
    text.wait().code(137);
    let told: Value = json.wait().success().json();
    let expected = json!({ "id": bundle.id(), "status": "stopped", "exitCode": 137, "signal": 9 });
    assert_eq!(told, expected);
    parent.signal(Signal::SIGCONT);
    parent.wait().code(137);
}

#[test]
fn a_new_kernel_remembers_it_though_the_parent_is_quick() {
    requires!(root, rrun, busybox, newer(6, 15));
    let (bundle, go) = waiting("exit 9");
    let parent = bundle.start_run(&["--keep"]);
    bundle_is_up(&bundle);
    let running = wait(&bundle, &[]);
    assert!(eventually(|| waits(&running)), "it never waited");
    running.signal(Signal::SIGSTOP);
    go();
    parent.wait().code(9);
    // What is written down is taken away, and the process is long reaped.
    let record = bundle.runtime().root().join(bundle.id()).join("state.json");
    let text = fs::read_to_string(&record).must("read the record");
    fs::write(&record, text.replace("\"exit\":9,", "")).must("write the record");
    running.signal(Signal::SIGCONT);
    running.wait().code(9);
    bundle.delete().success();
}

#[test]
fn what_run_keeps_is_told_long_after() {
    requires!(root, rrun);
    let bundle = Bundle::new().args(["probe", "exit", "7"]);
    bundle.run_with(&["--keep"]).code(7);
    for _ in 0..2 {
        wait(&bundle, &[]).wait().code(7);
    }
    bundle.delete().success();
}

#[test]
fn what_nobody_can_tell_is_said_and_not_guessed() {
    requires!(root, rrun);
    let bundle = Bundle::new().args(["probe", "exit", "7"]);
    bundle.up();
    bundle.expect_status("stopped");
    let pid = bundle.state()["pid"].clone();
    assert_eq!(pid, json!(0));
    // As long as it is a zombie of somebody's it can still be told.
    let gone = || wait(&bundle, &["--format=json"]).wait().success().json()["exitCode"].is_null();
    assert!(eventually(gone), "its parent never reaped it");
    wait(&bundle, &[]).wait().code(255).stderr_has("nobody knows how");
    bundle.delete().success();
}

#[test]
fn a_wait_has_an_end_of_its_own_if_one_is_given() {
    requires!(root, rrun);
    let bundle = Bundle::new().args(["probe", "sleep"]);
    bundle.up();
    wait(&bundle, &["--timeout", "20ms"]).wait().code(255).stderr_has("has not ended in 0.02 s");
    bundle.runtime().call(["wait", "nobody"]).code(255).stderr_has("container does not exist");
    bundle.delete_force().success();
}
