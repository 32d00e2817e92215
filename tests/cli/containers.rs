//! state, list, kill and delete of containers without a cgroup.

use crate::fixture::{Root, Sleeper, assert_fails, assert_silent, stderr, stdout};
use std::fs;
use std::os::unix::net::UnixListener;
use std::process::Output;

#[test]
fn state_shows_what_is_observed() {
    let (root, sleeper) = (Root::new(), Sleeper::new());
    let directory = sleeper.recorded(&root, "web");
    let state = || -> serde_json::Value {
        let output = root.rrun("state web");
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let running = state();
    assert_eq!(running["status"], "running");
    assert_eq!(running["pid"], sleeper.0.id());
    assert_eq!(running["ociVersion"], "1.3.0");
    assert_eq!(running["bundle"], "/b");
    assert_eq!(running["rootfs"], "/b/rootfs");
    assert_eq!(running["created"], "2026-11-22T07:59:21.5Z");
    assert!(running["owner"].is_string());
    let gate = UnixListener::bind(directory.join("gate")).unwrap();
    assert_eq!(state()["status"], "created");
    drop(gate);
    drop(sleeper);
    let stopped = state();
    assert_eq!((&stopped["status"], &stopped["pid"]), (&"stopped".into(), &0.into()));
}

#[test]
fn a_pid_that_was_reused_is_neither_running_nor_killed() {
    let (root, mut sleeper) = (Root::new(), Sleeper::new());
    root.record("web", sleeper.0.id(), sleeper.start_time() + 1);
    assert!(stdout(&root.rrun("state web")).contains("\"stopped\""));
    assert_fails(&root.rrun("kill web KILL"), 1, "container not running: \"web\"");
    assert_silent(&root.rrun("kill --all web KILL"));
    assert_silent(&root.rrun("delete --force web"));
    assert_eq!(sleeper.0.try_wait().unwrap(), None, "a stranger was killed");
}

#[test]
fn kill_sends_the_signal_it_was_given_and_term_by_default() {
    for (line, signal) in [
        ("kill web", 15),
        ("kill web KILL", 9),
        ("kill web sigusr1", 10),
        ("kill web 2", 2),
        ("kill --all web 9", 9),
    ] {
        let (root, mut sleeper) = (Root::new(), Sleeper::new());
        sleeper.recorded(&root, "web");
        assert_silent(&root.rrun("kill web 0"));
        assert_silent(&root.rrun(line));
        assert_eq!(sleeper.signal_that_ended_it(), Some(signal), "{line}");
        assert_fails(&root.rrun("kill web"), 1, "container not running");
        assert_silent(&root.rrun("kill --all web 9"));
    }
}

#[test]
fn delete_refuses_what_runs_unless_forced() {
    let (root, mut sleeper) = (Root::new(), Sleeper::new());
    let directory = sleeper.recorded(&root, "web");
    let refusal = "cannot delete container \"web\" that is not stopped: running";
    assert_fails(&root.rrun("delete web"), 1, refusal);
    assert_silent(&root.rrun("delete --force web"));
    assert_eq!(sleeper.signal_that_ended_it(), Some(9));
    assert!(!directory.exists());
    assert_fails(&root.rrun("delete web"), 1, "container does not exist");
    assert_silent(&root.rrun("delete -f web"));
}

#[test]
fn delete_takes_stopped_and_created_containers_and_all_their_files() {
    let (root, mut sleeper) = (Root::new(), Sleeper::new());
    let stopped = root.record("stopped", 0, 0);
    fs::create_dir_all(stopped.join("notify/deep")).unwrap();
    fs::write(stopped.join("notify/deep/file"), "").unwrap();
    assert_silent(&root.rrun("delete stopped"));
    assert!(!stopped.exists());

    let created = sleeper.recorded(&root, "created");
    let _gate = UnixListener::bind(created.join("gate")).unwrap();
    assert_silent(&root.rrun("delete created"));
    assert_eq!(sleeper.signal_that_ended_it(), Some(9));
    assert!(!created.exists());
}

#[test]
fn what_an_interrupted_create_left_can_be_forced_away() {
    let root = Root::new();
    let debris = root.path("state/web");
    fs::create_dir_all(&debris).unwrap();
    fs::write(debris.join("gate"), "").unwrap();
    assert_fails(&root.rrun("delete web"), 1, "\"rrun delete --force web\" removes it");
    assert_fails(&root.rrun("state web"), 1, "container does not exist");
    assert_eq!(stdout(&root.rrun("list -q")), "");
    assert_silent(&root.rrun("delete web --force"));
    assert!(!debris.exists());
}

#[test]
fn another_versions_record_is_left_alone() {
    let root = Root::new();
    let directory = root.record("web", 0, 0);
    let file = directory.join("state.json");
    let newer = fs::read_to_string(&file).unwrap().replace("\"version\":1", "\"version\":2");
    fs::write(&file, newer).unwrap();
    for line in ["state web", "delete --force web"] {
        assert_fails(&root.rrun(line), 1, "has version 2, this rrun understands 1");
    }
    assert!(file.exists());
}

#[test]
fn lists_are_sorted_and_have_runcs_columns() {
    let (root, sleeper) = (Root::new(), Sleeper::new());
    let pid = sleeper.0.id();
    assert_eq!(stdout(&root.rrun("list")).split_whitespace().count(), 6, "only the heading");
    assert_eq!(stdout(&root.rrun("list -f json")), "[]\n");
    root.record("zzz", 0, 0);
    sleeper.recorded(&root, "a-rather-long-id");

    assert_eq!(stdout(&root.rrun("list --quiet")), "a-rather-long-id\nzzz\n");
    let table = root.rrun("list");
    let lines: Vec<_> = stdout(&table).lines().collect();
    let heading =
        "ID                 PID         STATUS      BUNDLE      CREATED                  OWNER";
    assert_eq!(lines[0], heading);
    let running =
        format!("a-rather-long-id   {pid:<12}running     /b          2026-11-22T07:59:21.5Z   ");
    assert!(lines[1].starts_with(&running), "{table:?}");
    assert!(lines[2].starts_with("zzz                0           stopped     /b "), "{table:?}");

    let json = root.rrun("list --format=json");
    let states: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(states[0]["id"], "a-rather-long-id");
    assert_eq!(states[1]["status"], "stopped");
}

#[test]
fn two_deletes_at_once_end_in_one_deletion() {
    let (root, mut sleeper) = (Root::new(), Sleeper::new());
    let directory = sleeper.recorded(&root, "web");
    let outputs: Vec<Output> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..4).map(|_| scope.spawn(|| root.rrun("delete --force web"))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    outputs.iter().for_each(assert_silent);
    assert_eq!(sleeper.signal_that_ended_it(), Some(9));
    assert!(!directory.exists());
}
