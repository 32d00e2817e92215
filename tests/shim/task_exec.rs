//! More processes in a container: announced, started, ended, and told of before the container's end.
//!
//! What a newcomer would get wrong: containerd takes the first process's exit for the container's, and forgets whatever
//! comes after it. So every other exit comes before.

use super::containerd::timeout;
use super::stage::{Code, SIGKILL, SIGTERM, Stage, exec_request, lives, often, refused};
use containerd_shim_protos::api::Status;
use rrun_harness::{Bundle, eventually, requires};

#[test]
fn an_exec_is_announced_started_and_deleted_with_its_code() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "sleep"]);
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    let init = stage.up(&bundle);
    stage.exec(id, "e", &["probe", "exit", "5"]).unwrap();
    let status = || stage.state(id, "e").unwrap().status.unwrap();
    assert_eq!(status(), Status::CREATED);
    let (code, words) = refused(stage.exec(id, "e", &["probe", "exit", "6"]));
    assert_eq!(code, Code::ALREADY_EXISTS, "{words}");
    let (code, words) = refused(stage.kill(id, "e", SIGTERM, false));
    assert_eq!(code, Code::FAILED_PRECONDITION, "{words}");
    let pid = stage.start(id, "e").unwrap();
    assert!(pid != 0 && pid != init);
    assert_eq!(stage.wait(id, "e"), 5);
    assert_eq!((status(), stage.state(id, "e").unwrap().exit_status), (Status::STOPPED, 5));
    assert_eq!(refused(stage.start(id, "e")).0, Code::FAILED_PRECONDITION);
    assert_eq!(refused(stage.kill(id, "e", SIGKILL, false)).0, Code::NOT_FOUND);
    let deleted = stage.delete(id, "e").unwrap();
    assert_eq!((deleted.pid, deleted.exit_status), (pid, 5));
    assert_eq!(refused(stage.delete(id, "e")).0, Code::NOT_FOUND);
    // The name is free again.
    stage.exec(id, "e", &["probe", "exit", "6"]).unwrap();
    // Never started, it has no end to tell of.
    assert_eq!(stage.delete(id, "e").unwrap().exit_status, 0);
    for unknown in [refused(stage.start(id, "f")), refused(stage.state(id, "f"))] {
        assert_eq!(unknown.0, Code::NOT_FOUND, "{}", unknown.1);
    }
    stage.end(id);
    let told = ["create", "start", "added e", "started e", "exit e 5", "added e"];
    let story = stage.story(id, "delete 137");
    assert_eq!(story, [&told[..], &["exit init 137", "delete 137"]].concat());
}

#[test]
fn hundreds_that_die_at_once_are_told_of_in_order_and_nothing_is_kept() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "sleep"]);
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    stage.up(&bundle);
    stage.story(id, "start");
    let round = |round: usize| {
        let name = format!("e{round}");
        stage.exec(id, &name, &["probe", "exit", "0"]).unwrap();
        stage.start(id, &name).unwrap();
        assert_eq!(stage.wait(id, &name), 0);
        stage.delete(id, &name).unwrap();
        let last = format!("exit {name} 0");
        let told = [format!("added {name}"), format!("started {name}"), last.clone()];
        assert_eq!(stage.story(id, &last), told);
    };
    (0..10).for_each(round);
    let held = stage.held();
    (10..10 + often(200)).for_each(round);
    stage.holds_no_more_than(held);
    stage.end(id);
}

#[test]
fn many_at_once_each_have_their_own_end() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "sleep"]);
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    stage.up(&bundle);
    std::thread::scope(|scope| {
        for number in 0..20 {
            let stage = &stage;
            scope.spawn(move || {
                let (name, code) = (format!("e{number}"), (number + 1).to_string());
                stage.exec(id, &name, &["probe", "exit", &code]).unwrap();
                stage.start(id, &name).unwrap();
                assert_eq!(stage.wait(id, &name), number + 1);
                assert_eq!(stage.delete(id, &name).unwrap().exit_status, number + 1);
            });
        }
    });
    assert_eq!(stage.end(id), 137);
}

#[test]
fn a_missing_program_is_named_and_the_exec_may_be_deleted() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "sleep"]);
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    stage.up(&bundle);
    for (name, program, words) in [
        ("a", "nowhere", "executable file not found in $PATH"),
        ("b", "/nowhere", "no such file or directory"),
    ] {
        stage.exec(id, name, &[program]).unwrap();
        let (code, said) = refused(stage.start(id, name));
        // docker's 127 comes from these words.
        assert!(said.starts_with("OCI runtime exec failed: ") && said.contains(words), "{said}");
        assert_eq!(code, Code::UNKNOWN);
        assert_eq!(stage.state(id, name).unwrap().status.unwrap(), Status::CREATED);
        stage.delete(id, name).unwrap();
    }
    stage.exec(id, "c", &["/etc/passwd"]).unwrap();
    let (_, said) = refused(stage.start(id, "c"));
    assert!(said.contains("permission denied"), "{said}");
    let mut bad = exec_request(id, "d", &[]);
    bad.spec.mut_or_insert_default().value = b"{\"args\": []}".to_vec();
    let (code, said) = refused(stage.exec_as(&bad));
    assert_eq!(code, Code::INVALID_ARGUMENT, "{said}");
    // What was never started says nothing, and does not hold up the container's end.
    assert_eq!(stage.end(id), 137);
    let story = stage.story(id, "delete 137");
    let told = ["create", "start", "added a", "added b", "added c"];
    assert_eq!(story, [&told[..], &["exit init 137", "delete 137"]].concat());
}

fn ends_before_the_container(bundle: &Bundle) {
    let (stage, id) = (Stage::of(bundle), bundle.id());
    stage.up(bundle);
    let pids: Vec<u32> = ["a", "b", "c"]
        .iter()
        .map(|name| {
            stage.exec(id, name, &["probe", "sleep"]).unwrap();
            stage.start(id, name).unwrap()
        })
        .collect();
    stage.story(id, "started c");
    let named = stage.pids(id);
    assert_eq!(named.len(), 4, "{named:?}");
    for (pid, name) in pids.iter().zip(["a", "b", "c"]) {
        assert_eq!(named[pid], name);
    }
    let (code, words) = refused(stage.delete(id, "a"));
    assert_eq!(code, Code::FAILED_PRECONDITION, "{words}");
    stage.kill(id, "", SIGKILL, false).unwrap();
    assert_eq!(stage.wait(id, ""), 137);
    for name in ["a", "b", "c"] {
        assert_eq!(stage.wait(id, name), 137);
    }
    let (code, words) = refused(stage.exec(id, "late", &["probe", "sleep"]));
    assert_eq!(code, Code::FAILED_PRECONDITION, "{words}");
    assert_eq!(stage.pids(id).len(), 1);
    for name in ["a", "b", "c"] {
        stage.delete(id, name).unwrap();
    }
    stage.delete(id, "").unwrap();
    let mut story = stage.story(id, "delete 137");
    story[..3].sort();
    let told = ["exit a 137", "exit b 137", "exit c 137", "exit init 137", "delete 137"];
    assert_eq!(story, told);
    stage.leaves_nothing_of(bundle);
}

#[test]
fn execs_end_with_the_pid_namespace_and_are_told_first() {
    requires!(root);
    ends_before_the_container(&Bundle::new().args(["probe", "sleep"]));
}

#[test]
fn execs_are_ended_without_a_pid_namespace_and_are_told_first() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "sleep"]).without_namespace("pid");
    ends_before_the_container(&bundle);
}

/// Whatever comes first: no exec is forgotten, and none outlives the container.
#[test]
fn an_exec_that_meets_the_containers_end_is_refused_or_ended() {
    requires!(root);
    for own_namespace in [true, false] {
        let bundle = Bundle::new().args(["probe", "sleep"]);
        let bundle = if own_namespace { bundle } else { bundle.without_namespace("pid") };
        let (stage, id) = (Stage::of(&bundle), bundle.id());
        for _ in 0..often(10) {
            stage.up(&bundle);
            for name in ["a", "b"] {
                stage.exec(id, name, &["probe", "sleep"]).unwrap();
            }
            let started = std::thread::scope(|scope| {
                let [a, b] = ["a", "b"].map(|name| scope.spawn(|| stage.start(id, name)));
                stage.kill(id, "", SIGKILL, false).unwrap();
                [a.join().unwrap(), b.join().unwrap()]
            });
            assert_eq!(stage.wait(id, ""), 137);
            for pid in started.iter().flatten() {
                assert!(eventually(|| !lives(*pid)));
            }
            stage.delete(id, "").unwrap();
            let story = stage.story(id, "delete 137");
            let at = |what: &str| story.iter().position(|told| told == what);
            for (name, started) in ["a", "b"].into_iter().zip(&started) {
                let (began, end) =
                    (at(&format!("started {name}")), at(&format!("exit {name} 137")));
                assert_eq!(
                    (began.is_some(), end.is_some()),
                    (started.is_ok(), started.is_ok()),
                    "{story:?}"
                );
                assert!(began <= end && end < at("exit init 137"), "{story:?}");
            }
        }
    }
}

#[test]
fn a_signal_to_an_exec_ends_that_one() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "sleep"]);
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    stage.up(&bundle);
    for name in ["a", "b"] {
        stage.exec(id, name, &["probe", "sleep"]).unwrap();
        stage.start(id, name).unwrap();
    }
    stage.kill(id, "a", SIGTERM, false).unwrap();
    assert_eq!(stage.wait(id, "a"), 143);
    let status = |name| stage.state(id, name).unwrap().status.unwrap();
    assert_eq!((status("b"), status("")), (Status::RUNNING, Status::RUNNING));
    let (code, words) = refused(stage.kill(id, "b", 200, false));
    assert_eq!(code, Code::INVALID_ARGUMENT, "{words}");
    stage.kill(id, "", SIGKILL, true).unwrap();
    assert_eq!((stage.wait(id, "b"), stage.wait(id, "")), (137, 137));
    let late = stage.task.close_io(
        timeout(),
        &containerd_shim_protos::api::CloseIORequest {
            id: id.into(),
            exec_id: "b".into(),
            stdin: true,
            ..Default::default()
        },
    );
    late.unwrap();
    stage.delete(id, "").unwrap();
}
