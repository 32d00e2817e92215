//! A container's life with a checkpoint in the middle.

use crate::scene::there_and_back;
use crate::scene::{checkpoint, count, counter, counts_beyond, images, quiet, restore, runtime};
use rrun_harness::{Bundle, Leftovers, Must, Terminal, eventually, requires};
use serde_json::json;
use std::fs;

#[test]
fn a_restored_container_counts_on_where_it_stood() {
    requires!(root, busybox, criu);
    let bundle = counter(&runtime());
    bundle.up();
    let before = counts_beyond(&bundle, 10);
    checkpoint(&bundle, &[]).success().stdout_is("");
    bundle.runtime().state(bundle.id()).failure();
    let kept = count(&bundle);
    restore(&bundle, &bundle, &[]).success().stdout_is("");
    assert_eq!(bundle.status(), "running");
    // A new one would begin at 1, and be seen below what was kept.
    assert!(eventually(|| count(&bundle) > kept) && kept >= before);
    bundle.exec(&[], &["probe", "say", "here"]).success().stdout_is("here\n");
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn it_may_come_back_under_another_name_on_another_copy_of_its_root() {
    requires!(root, busybox, criu);
    let runtime = runtime();
    let bundle = counter(&runtime);
    bundle.up();
    counts_beyond(&bundle, 10);
    checkpoint(&bundle, &[]).success();
    let kept = count(&bundle);
    let other = counter(&runtime);
    // It may have been caught with the draft of a number, which it goes on with.
    for name in ["count", "count.draft"] {
        let file = bundle.rootfs().join(name);
        if file.exists() {
            fs::copy(&file, other.rootfs().join(name)).must("copy a file of the root");
        }
    }
    restore(&other, &bundle, &[]).success();
    assert!(eventually(|| count(&other) > kept), "{} after {kept}", count(&other));
    assert_eq!(count(&bundle), kept, "it wrote to where it came from");
    assert_eq!(other.state()["id"], other.id());
    other.delete_force().success();
    Leftovers::assert_none(&other);
    Leftovers::assert_none(&bundle);
}

#[test]
fn with_leave_running_it_goes_on_and_the_images_are_those_of_that_moment() {
    requires!(root, busybox, criu);
    let runtime = runtime();
    let bundle = counter(&runtime);
    bundle.up();
    counts_beyond(&bundle, 10);
    checkpoint(&bundle, &["--leave-running"]).success();
    assert_eq!(bundle.status(), "running");
    let far = count(&bundle) + 200;
    counts_beyond(&bundle, far);
    bundle.delete_force().success();
    restore(&bundle, &bundle, &[]).success();
    assert!(eventually(|| (1..far).contains(&count(&bundle))), "{} of {far}", count(&bundle));
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_paused_container_can_be_written_and_stays_paused_if_it_goes_on() {
    requires!(root, busybox, criu);
    let bundle = counter(&runtime());
    bundle.up();
    counts_beyond(&bundle, 10);
    bundle.runtime().call(["pause", bundle.id()]).success();
    checkpoint(&bundle, &["--leave-running"]).success();
    assert_eq!(bundle.status(), "paused");
    bundle.runtime().call(["resume", bundle.id()]).success();
    let now = count(&bundle);
    counts_beyond(&bundle, now);
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn its_end_after_the_restore_is_its_own_and_the_foreground_passes_it_on() {
    requires!(root, busybox, criu);
    let script =
        "trap 'exit 7' TERM; i=0; while :; do i=$((i+1)); echo $i > /count; sleep 0.05; done";
    let bundle = quiet(&runtime(), script);
    bundle.up();
    counts_beyond(&bundle, 3);
    checkpoint(&bundle, &[]).success();
    let kept = count(&bundle);
    let images = images(&bundle).to_string_lossy().into_owned();
    let path = bundle.path().to_string_lossy().into_owned();
    let words = ["restore", "--image-path", &images, "--bundle", &path, bundle.id()];
    let waiting = bundle.runtime().start_command(words);
    assert!(eventually(|| count(&bundle) > kept));
    // It runs a moment before it is told of.
    assert!(eventually(|| bundle.runtime().state(bundle.id()).exit_code() == 0));
    bundle.kill("TERM").success();
    waiting.wait().code(7);
    bundle.runtime().state(bundle.id()).failure();
    Leftovers::assert_none(&bundle);
}

#[test]
fn the_pid_file_and_the_state_name_the_restored_process() {
    requires!(root, busybox, criu);
    let bundle = counter(&runtime());
    bundle.up();
    counts_beyond(&bundle, 3);
    checkpoint(&bundle, &[]).success();
    let file = bundle.path().join("pid");
    restore(&bundle, &bundle, &["--pid-file", &file.to_string_lossy()]).success();
    let pid = fs::read_to_string(&file).must("read the pid file");
    assert_eq!(bundle.state()["pid"].to_string(), pid.trim());
    let name = fs::read_to_string(format!("/proc/{}/comm", pid.trim())).must("look at it");
    assert_eq!(name.trim(), "probe");
    bundle.delete_force().success();
}

#[test]
fn the_hooks_of_the_hosts_side_run_before_it_goes_on_and_those_after_its_end() {
    requires!(root, busybox, criu);
    let bundle = counter(&runtime());
    let journal = bundle.path().join("journal");
    let hook = |word: &str| {
        let line = format!("echo {word} >> {}", journal.display());
        json!([{ "path": "/bin/sh", "args": ["sh", "-c", line] }])
    };
    let bundle = bundle
        .set("/hooks/prestart", hook("prestart"))
        .set("/hooks/createRuntime", hook("createRuntime"))
        .set("/hooks/poststop", hook("poststop"));
    bundle.up();
    there_and_back(&bundle, &[]);
    bundle.delete_force().success();
    let told = fs::read_to_string(&journal).must("read the journal");
    let once = ["prestart", "createRuntime", "poststop"];
    assert_eq!(told.lines().collect::<Vec<_>>(), [once, once].concat());
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_terminal_comes_back_with_what_runs_on_it() {
    requires!(root, busybox, criu, rrun);
    let bundle = Bundle::in_runtime(&runtime())
        .set("/process/terminal", json!(true))
        .set("/root/readonly", json!(false))
        .script("n=0; while read line; do n=$((n+1)); echo \"$n:$line\"; done; exit 5");
    let mut terminal = Terminal::open(24, 80);
    let running = bundle.run_on(&mut terminal);
    terminal.type_in("one\n");
    terminal.expect("1:one");
    checkpoint(&bundle, &[]).success();
    running.wait().code(137);
    let mut terminal = Terminal::open(24, 80);
    let images = images(&bundle).to_string_lossy().into_owned();
    let path = bundle.path().to_string_lossy().into_owned();
    let words = ["restore", "--image-path", &images, "--bundle", &path, bundle.id()];
    let running = terminal.start(&bundle.runtime().command(words));
    terminal.type_in("two\n");
    // The second line, and not the first of another shell.
    terminal.expect("2:two");
    terminal.type_in("\u{4}");
    running.wait().code(5);
    Leftovers::assert_none(&bundle);
}
