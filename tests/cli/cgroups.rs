//! kill and delete of containers with a cgroup: who dies with whom.

use crate::fixture::{Group, Root, Sleeper, assert_fails, assert_silent, stdout};

#[test]
fn killing_what_has_no_pid_namespace_of_its_own_kills_its_cgroup_before_and_after_init() {
    let Some(group) = Group::new() else { return };
    let (root, mut init, mut other) = (Root::new(), Sleeper::new(), Sleeper::new());
    group.recorded(&init.recorded(&root, "web"));
    group.holding(&[&init, &other]);
    assert_silent(&root.rrun("kill web TERM"));
    assert_eq!(init.signal_that_ended_it(), Some(15));
    assert_eq!(other.0.try_wait().unwrap(), None, "TERM is for the first process only");
    assert_fails(&root.rrun("kill web TERM"), 1, "container not running");
    assert_silent(&root.rrun("kill web KILL"));
    assert_eq!(other.signal_that_ended_it(), Some(9));
    assert_fails(&root.rrun("kill web KILL"), 1, "container not running");
    assert_silent(&root.rrun("kill --all web KILL"));
    assert_silent(&root.rrun("kill --all web TERM"));
}

#[test]
fn kill_all_reaches_every_process() {
    let Some(group) = Group::new() else { return };
    let (root, mut init, mut other) = (Root::new(), Sleeper::new(), Sleeper::new());
    group.recorded(&init.recorded(&root, "web"));
    group.holding(&[&init, &other]);
    assert_silent(&root.rrun("kill --all web USR1"));
    assert_eq!(init.signal_that_ended_it(), Some(10));
    assert_eq!(other.signal_that_ended_it(), Some(10));
}

#[test]
fn a_frozen_container_is_paused_and_a_forced_delete_ends_it_with_its_cgroup() {
    let Some(group) = Group::new() else { return };
    let (root, mut init, mut other) = (Root::new(), Sleeper::new(), Sleeper::new());
    let directory = init.recorded(&root, "web");
    group.recorded(&directory);
    group.holding(&[&init, &other]);
    group.freeze();
    assert!(stdout(&root.rrun("state web")).contains("\"paused\""));
    let refusal = "cannot delete container \"web\" that is not stopped: paused";
    assert_fails(&root.rrun("delete web"), 1, refusal);
    assert_silent(&root.rrun("delete --force web"));
    assert_eq!(init.signal_that_ended_it(), Some(9));
    assert_eq!(other.signal_that_ended_it(), Some(9));
    assert!(!group.0.exists() && !directory.exists());
}

#[test]
fn deleting_what_stopped_ends_the_processes_it_left() {
    let Some(group) = Group::new() else { return };
    let (root, mut other) = (Root::new(), Sleeper::new());
    group.recorded(&root.record("web", 0, 0));
    group.holding(&[&other]);
    assert_silent(&root.rrun("delete web"));
    assert_eq!(other.signal_that_ended_it(), Some(9));
    assert!(!group.0.exists());
}
