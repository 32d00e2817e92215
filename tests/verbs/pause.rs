//! A container that is paused does nothing until it is resumed, and `ps` names its processes all the while.
//!
//! Knows a process that counts: what it wrote tells whether it runs. Refuses to look at the freezer's file, which would
//! prove only that it was written. A newcomer would wait a while and find the count unchanged; here the kernel says that
//! every process has stopped, and only then is the count read, twice, around another container's work.
use rrun_harness::{Bundle, Leftovers, Must, eventually, requires};
use serde_json::Value;
use std::fs;

fn ask(bundle: &Bundle, words: &[&str]) -> rrun_harness::Output {
    bundle.runtime().call(words)
}

/// Bytes that the container's first process has written.
fn written(bundle: &Bundle) -> u64 {
    fs::metadata(bundle.rootfs().join("count")).map_or(0, |file| file.len())
}

fn counter() -> Bundle {
    let bundle = Bundle::new().script("while :; do printf x >> /count; done");
    bundle.set("/root/readonly", Value::Bool(false))
}

#[test]
fn a_paused_container_stands_still_until_it_is_resumed() {
    requires!(root, busybox);
    let bundle = counter();
    bundle.up();
    assert!(eventually(|| written(&bundle) > 0), "it never ran");
    ask(&bundle, &["pause", bundle.id()]).success().stdout_is("");
    assert_eq!(bundle.status(), "paused");
    let before = written(&bundle);
    Bundle::new().args(["probe", "exit", "0"]).run().success();
    assert_eq!(written(&bundle), before, "it wrote while it was paused");
    ask(&bundle, &["resume", bundle.id()]).success().stdout_is("");
    assert_eq!(bundle.status(), "running");
    assert!(eventually(|| written(&bundle) > before), "it did not go on");
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn what_is_paused_can_be_deleted_with_force() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "sleep"]);
    bundle.up();
    ask(&bundle, &["pause", bundle.id()]).success();
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

/// The pids as the kernel has them, in the host's numbers.
fn pids(bundle: &Bundle) -> Vec<i64> {
    let json = ask(bundle, &["ps", "--format", "json", bundle.id()]).success().json();
    json.as_array().must("an array").iter().filter_map(Value::as_i64).collect()
}

#[test]
fn ps_names_the_first_process_and_those_beside_it() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "sleep"]);
    bundle.up();
    let init = bundle.state()["pid"].as_i64().must("a pid");
    assert_eq!(pids(&bundle), [init]);
    let pid_file = bundle.path().join("second.pid");
    let file = pid_file.to_string_lossy().into_owned();
    bundle.exec(&["--detach", "--pid-file", &file], &["probe", "sleep"]).success();
    let second = fs::read_to_string(&pid_file).must("read the pid file");
    let mut expected = [init, second.trim().parse().must("a number")];
    expected.sort_unstable();
    assert_eq!(pids(&bundle), expected);
    let json = ask(&bundle, &["ps", "-f", "json", bundle.id()]).success();
    assert_eq!(json.stdout().lines().count(), 1, "{}", json.account());
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn ps_shows_them_as_the_ps_of_the_host_does() {
    requires!(root, program("ps"));
    let bundle = Bundle::new().args(["probe", "sleep"]);
    bundle.up();
    let init = bundle.state()["pid"].to_string();
    let table = ask(&bundle, &["ps", bundle.id()]).success();
    let lines: Vec<String> = table.stdout().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("PID") && lines[0].contains("CMD"), "{lines:?}");
    assert!(lines[1].contains(&init) && lines[1].contains("probe sleep"), "{lines:?}");
    let own = ask(&bundle, &["ps", bundle.id(), "-e", "-o", "pid,comm"]).success();
    let words: Vec<String> = own.stdout().split_whitespace().map(str::to_owned).collect();
    assert_eq!(words[..2], ["PID", "COMMAND"], "{words:?}");
    assert_eq!(words[2], init);
    ask(&bundle, &["ps", bundle.id(), "-e", "-o", "comm"]).failure().stderr_has("PID");
    ask(&bundle, &["ps", bundle.id(), "--bogus"]).failure().stderr_has("ps");
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn what_is_not_there_is_said_in_the_words_that_engines_match() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "sleep"]);
    let id = bundle.id();
    for words in [
        &["pause", id][..],
        &["resume", id],
        &["ps", id],
        &["update", "--pids-limit", "9", id],
        &["events", "--stats", id],
    ] {
        ask(&bundle, words).code(1).stderr_has("container does not exist").stdout_is("");
    }
}
