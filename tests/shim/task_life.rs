//! A container from Create to Delete, and what is told of it in which order.
//!
//! What a newcomer would get wrong: a program may end before its start was told of; containerd must hear of both, in the
//! order in which they would have been.

use super::containerd::timeout;
use super::stage::{Code, SIGKILL, SIGTERM, Stage, lives, often, refused};
use containerd_shim_protos::api::{ConnectRequest, PauseRequest, ResumeRequest, Status};
use rrun_harness::{Bundle, Leftovers, eventually, requires};
use std::fs;

#[test]
fn a_container_is_created_started_and_deleted_with_its_code() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "exit", "7"]);
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    let pid = stage.create(&bundle);
    let state = stage.state(id, "").unwrap();
    assert_eq!((state.id.as_str(), state.pid), (id, pid));
    assert_eq!(state.status.unwrap(), Status::CREATED);
    assert_eq!(state.bundle, bundle.path().display().to_string());
    let connect = ConnectRequest { id: id.into(), ..Default::default() };
    assert_eq!(stage.task.connect(timeout(), &connect).unwrap().task_pid, pid);

    assert_eq!(stage.start(id, "").unwrap(), pid);
    assert_eq!(stage.wait(id, ""), 7);
    let state = stage.state(id, "").unwrap();
    assert_eq!((state.status.unwrap(), state.exit_status), (Status::STOPPED, 7));
    assert!(state.exited_at.seconds > 0);
    // Known before the end is asked for, and after it.
    assert_eq!(stage.wait(id, ""), 7);
    let deleted = stage.delete(id, "").unwrap();
    assert_eq!((deleted.pid, deleted.exit_status), (pid, 7));
    assert_eq!(deleted.exited_at, state.exited_at);
    assert_eq!(stage.story(id, "delete 7"), ["create", "start", "exit init 7", "delete 7"]);
    assert_eq!(refused(stage.delete(id, "")).0, Code::NOT_FOUND);
    assert_eq!(refused(stage.state(id, "")).0, Code::NOT_FOUND);
    stage.shim.shutdown();
    assert!(stage.shim.ends());
    Leftovers::assert_none(&bundle);
    assert!(stage.containerd.is_silent());
}

#[test]
fn a_hundred_that_die_at_once_are_told_of_in_order() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "exit", "3"]);
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    // The first has made what every other has, too: the connection for events, threads.
    for round in 0..often(100) {
        stage.up(&bundle);
        assert_eq!(stage.wait(id, ""), 3, "round {round}");
        stage.delete(id, "").unwrap();
        let story = stage.story(id, "delete 3");
        assert_eq!(story, ["create", "start", "exit init 3", "delete 3"], "round {round}");
    }
}

#[test]
fn cycles_leave_the_shim_as_it_was() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "exit", "0"]);
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    let cycle = || {
        stage.up(&bundle);
        stage.wait(id, "");
        stage.delete(id, "").unwrap();
        stage.story(id, "delete 0");
    };
    let memory = || -> u64 {
        let kilobytes = stage.shim.status("RssAnon");
        kilobytes.trim_end_matches(" kB").parse().unwrap()
    };
    (0..often(50)).for_each(|_| cycle());
    let (held, before) = (stage.held(), memory());
    (0..often(100)).for_each(|_| cycle());
    stage.holds_no_more_than(held);
    let after = memory();
    // The allocator takes some more for each thread that meets another, up to a point; containers must leave nothing.
    assert!(after < before + 512, "{before} kB before, {after} kB after");
}

#[test]
fn a_signal_ends_it_and_is_told_as_a_shell_would() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "trap", "15", "9"]);
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    let out = stage.containerd.directory.join("out");
    let mut request = stage.request(&bundle);
    request.stdout = format!("file://{}", out.display());
    stage.ask(&request).unwrap();
    stage.start(id, "").unwrap();
    assert!(eventually(|| fs::read_to_string(&out).is_ok_and(|text| text == "ready\n")));
    let (code, words) = refused(stage.delete(id, ""));
    assert_eq!(code, Code::FAILED_PRECONDITION, "{words}");
    assert_eq!(stage.state(id, "").unwrap().status.unwrap(), Status::RUNNING);
    stage.kill(id, "", SIGTERM, false).unwrap();
    assert_eq!(stage.wait(id, ""), 9);
    let (code, words) = refused(stage.kill(id, "", SIGTERM, false));
    assert_eq!(code, Code::NOT_FOUND, "{words}");
    assert_eq!(refused(stage.kill(id, "", SIGKILL, true)).0, Code::NOT_FOUND);
    // containerd, restarted, takes a shim without processes for a leftover.
    assert_eq!(stage.pids(id).len(), 1);
    stage.delete(id, "").unwrap();

    stage.up(&bundle);
    assert_eq!(stage.end(id), 137);
}

#[test]
fn one_that_was_never_started_ends_by_its_deletion() {
    requires!(root);
    let bundle = Bundle::new();
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    let pid = stage.create(&bundle);
    let deleted = stage.delete(id, "").unwrap();
    assert_eq!((deleted.pid, deleted.exit_status), (pid, 137));
    assert_eq!(stage.story(id, "delete 137"), ["create", "exit init 137", "delete 137"]);
    stage.leaves_nothing_of(&bundle);

    stage.create(&bundle);
    stage.kill(id, "", SIGKILL, false).unwrap();
    assert_eq!(stage.wait(id, ""), 137);
    let (code, words) = refused(stage.start(id, ""));
    assert_eq!(code, Code::FAILED_PRECONDITION, "{words}");
    stage.delete(id, "").unwrap();
    stage.leaves_nothing_of(&bundle);
}

#[test]
fn a_second_start_is_refused() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "sleep"]);
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    stage.up(&bundle);
    assert_eq!(refused(stage.start(id, "")).0, Code::FAILED_PRECONDITION);
    assert_eq!(stage.state(id, "").unwrap().status.unwrap(), Status::RUNNING);
    stage.end(id);
    assert_eq!(refused(stage.start(id, "")).0, Code::NOT_FOUND);
    let story = stage.story(id, "delete 137");
    assert_eq!(story, ["create", "start", "exit init 137", "delete 137"]);
}

#[test]
fn what_is_paused_says_so_and_goes_on() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "sleep"]);
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    stage.up(&bundle);
    let status = || stage.state(id, "").unwrap().status.unwrap();
    let pause = PauseRequest { id: id.into(), ..Default::default() };
    let resume = ResumeRequest { id: id.into(), ..Default::default() };
    stage.task.pause(timeout(), &pause).unwrap();
    assert_eq!(status(), Status::PAUSED);
    assert_eq!(refused(stage.task.pause(timeout(), &pause)).0, Code::FAILED_PRECONDITION);
    stage.exec(id, "e", &["probe", "exit", "0"]).unwrap();
    assert_eq!(refused(stage.start(id, "e")).0, Code::FAILED_PRECONDITION);
    stage.task.resume(timeout(), &resume).unwrap();
    assert_eq!(status(), Status::RUNNING);
    assert_eq!(refused(stage.task.resume(timeout(), &resume)).0, Code::FAILED_PRECONDITION);
    stage.start(id, "e").unwrap();
    assert_eq!(stage.wait(id, "e"), 0);

    // SIGKILL ends what is paused, too.
    stage.task.pause(timeout(), &pause).unwrap();
    stage.kill(id, "", SIGKILL, false).unwrap();
    assert_eq!(stage.wait(id, ""), 137);
    stage.delete(id, "").unwrap();
    let story = stage.story(id, "delete 137");
    let told = ["create", "start", "paused", "added e", "resumed", "started e", "exit e 0"];
    assert_eq!(story, [&told[..], &["paused", "exit init 137", "delete 137"]].concat());
}

/// In the pid namespace of the host nothing but us ends what the first process leaves.
#[test]
fn without_a_pid_namespace_the_end_of_the_first_is_everybodys() {
    requires!(root, busybox);
    let bundle = Bundle::new().without_namespace("pid").script("sleep 1000 & echo $!; exit 4");
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    let out = stage.containerd.directory.join("out");
    let mut request = stage.request(&bundle);
    request.stdout = format!("file://{}", out.display());
    stage.ask(&request).unwrap();
    stage.start(id, "").unwrap();
    assert_eq!(stage.wait(id, ""), 4);
    let left: u32 = fs::read_to_string(&out).unwrap().trim().parse().unwrap();
    // Before it is deleted: what is left would keep the container's streams open, and containerd waiting for their end.
    assert!(eventually(|| !lives(left)), "{left} outlives its container");
    assert_eq!(stage.delete(id, "").unwrap().exit_status, 4);
    stage.leaves_nothing_of(&bundle);
}
