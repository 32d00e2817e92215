//! Several containers of one shim, clients that come and go, and a shim that is killed.
//!
//! What a newcomer would get wrong: containerd is restarted while its containers run. Whoever waited is gone then, and asks
//! again; the exit status of what ended meanwhile must be there still.

use super::containerd::timeout;
use super::stage::{Code, SIGKILL, Stage, lives, often, refused, wait_request};
use containerd_shim_protos::api::{
    CreateTaskRequest, DeleteResponse, ShutdownRequest, StateRequest, StateResponse, Status,
    WaitResponse,
};
use nix::sys::signal::{Signal, kill};
use protobuf::Message;
use rrun_harness::{Bundle, Leftovers, eventually, requires};
use serde_json::json;
use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;

/// A call whose answer nobody reads.
fn ask_and_leave(stage: &Stage, method: &str, request: &impl Message) -> UnixStream {
    let mut stream = UnixStream::connect(&stage.shim.socket).unwrap();
    let request = ttrpc::Request {
        service: "containerd.task.v2.Task".into(),
        method: method.into(),
        payload: request.write_to_bytes().unwrap(),
        ..Default::default()
    };
    let body = request.write_to_bytes().unwrap();
    let length = u32::try_from(body.len()).unwrap();
    let mut frame: Vec<u8> = ttrpc::MessageHeader::new_request(1, length).into();
    frame.extend(body);
    stream.write_all(&frame).unwrap();
    stream
}

fn state_request(id: &str) -> StateRequest {
    StateRequest { id: id.into(), ..Default::default() }
}

#[test]
fn fifty_containers_are_created_at_once_and_end_each_for_itself() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "sleep"]);
    let rootfs = bundle.rootfs();
    let bundle = bundle.set("/root/path", json!(rootfs));
    let stage = Stage::of(&bundle);
    let request = stage.request(&bundle);
    let ids: Vec<String> =
        (0..often(50)).map(|number| format!("{}-{number}", bundle.id())).collect();
    let each = |act: &(dyn Fn(&str) + Sync)| {
        std::thread::scope(|scope| {
            let threads: Vec<_> = ids.iter().map(|id| scope.spawn(move || act(id))).collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
    };
    each(&|id| {
        let own = stage.containerd.directory.join(id);
        fs::create_dir(&own).unwrap();
        fs::copy(bundle.path().join("config.json"), own.join("config.json")).unwrap();
        let own = own.display().to_string();
        let request = CreateTaskRequest { id: id.into(), bundle: own, ..request.clone() };
        let pid = stage.ask(&request).unwrap();
        assert_eq!(stage.start(id, "").unwrap(), pid);
    });
    // Others need the shim.
    stage.task.shutdown(timeout(), &ShutdownRequest::new()).unwrap();
    each(&|id| assert_eq!(stage.state(id, "").unwrap().status.unwrap(), Status::RUNNING));
    // Whoever made them rests now.
    let mut threads = 0;
    let rests = eventually(|| {
        threads = stage.held().0;
        threads < 20
    });
    assert!(rests, "{threads} threads for idle containers");
    // Waits of all are open at once, while everything else is answered.
    each(&|id| {
        let waiting = stage.shim.task();
        let asked = wait_request(id, "");
        std::thread::scope(|scope| {
            let end = scope.spawn(|| waiting.wait(timeout(), &asked).unwrap().exit_status);
            stage.kill(id, "", SIGKILL, false).unwrap();
            assert_eq!(end.join().unwrap(), 137);
        });
        stage.delete(id, "").unwrap();
    });
    stage.shim.shutdown();
    assert!(stage.shim.ends() && !stage.shim.socket.exists());
    Leftovers::assert_none(&bundle);
}

#[test]
fn both_versions_of_the_service_answer_alike() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "exit", "7"]);
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    stage.create(&bundle);
    let ask = state_request(id);
    let state = |version| {
        let answer = stage.shim.call(version, "State", &ask).unwrap();
        StateResponse::parse_from_bytes(&answer).unwrap()
    };
    assert_eq!((state(2), state(2).id.as_str()), (state(3), id));
    stage.start(id, "").unwrap();
    let wait = |version| {
        let answer = stage.shim.call(version, "Wait", &wait_request(id, "")).unwrap();
        WaitResponse::parse_from_bytes(&answer).unwrap()
    };
    assert_eq!((wait(2), wait(2).exit_status), (wait(3), 7));
    assert_eq!(state(2), state(3));
    let none = state_request("none");
    let [two, three] = [2, 3].map(|version| refused(stage.shim.call(version, "State", &none)));
    assert_eq!((two.0, &two), (Code::NOT_FOUND, &three));
    stage.delete(id, "").unwrap();
}

#[test]
fn who_waited_may_come_back_and_nothing_is_kept_of_who_does_not() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "sleep"]);
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    stage.up(&bundle);
    let leave = || {
        drop(ask_and_leave(&stage, "Wait", &wait_request(id, "")));
        // Answered after it, whether or not it was heard in time.
        stage.shim.task().state(timeout(), &state_request(id)).unwrap();
    };
    (0..5).for_each(|_| leave());
    let held = stage.held();
    (0..20).for_each(|_| leave());
    stage.holds_no_more_than(held);
    stage.kill(id, "", SIGKILL, false).unwrap();
    assert_eq!(stage.story(id, "exit init 137").len(), 3);
    // Who comes later learns it, as often as it asks.
    for _ in 0..2 {
        let answer = stage.shim.task().wait(timeout(), &wait_request(id, "")).unwrap();
        assert_eq!(answer.exit_status, 137);
    }
    stage.delete(id, "").unwrap();
    stage.holds_no_more_than(held);
}

#[test]
fn a_killed_shim_leaves_what_delete_removes() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "sleep"]);
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    let snapshot = stage.containerd.directory.join("snapshot");
    fs::rename(bundle.rootfs(), &snapshot).unwrap();
    fs::create_dir(bundle.rootfs()).unwrap();
    let mut request = stage.request(&bundle);
    request.rootfs = vec![containerd_shim_protos::api::Mount {
        type_: "bind".into(),
        source: snapshot.display().to_string(),
        options: vec!["rbind".into()],
        ..Default::default()
    }];
    let pid = stage.ask(&request).unwrap();
    stage.start(id, "").unwrap();
    stage.exec(id, "e", &["probe", "sleep"]).unwrap();
    let exec = stage.start(id, "e").unwrap();
    kill(stage.shim.pid, Signal::SIGKILL).unwrap();
    assert!(stage.shim.ends());
    assert!(lives(pid) && lives(exec), "containers live on");

    let output = stage.containerd.delete(id, bundle.path());
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let answer = DeleteResponse::parse_from_bytes(&output.stdout).unwrap();
    assert_eq!((answer.pid, answer.exit_status), (pid, 137));
    assert!(eventually(|| !lives(pid) && !lives(exec)));
    assert!(!stage.shim.socket.exists());
    assert!(snapshot.join("bin").exists(), "the snapshot was deleted");
    Leftovers::assert_none(&bundle);
    assert_eq!(fs::read_dir(stage.root().join(&stage.containerd.namespace)).unwrap().count(), 0);
}

#[test]
fn a_deletion_is_done_and_told_once() {
    requires!(root);
    let bundle = Bundle::new();
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    for _ in 0..5 {
        stage.up(&bundle);
        stage.wait(id, "");
        let answers: Vec<_> = std::thread::scope(|scope| {
            let asked: Vec<_> = (0..4).map(|_| scope.spawn(|| stage.delete(id, ""))).collect();
            asked.into_iter().map(|asked| asked.join().unwrap()).collect()
        });
        let (done, others): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!(done.len(), 1);
        for other in others {
            assert_eq!(refused(other).0, Code::NOT_FOUND);
        }
        assert_eq!(stage.story(id, "delete 0"), ["create", "start", "exit init 0", "delete 0"]);
    }
    stage.shim.shutdown();
    assert!(stage.shim.ends());
    assert!(stage.containerd.is_silent());
}

/// containerd is killed in the middle of its calls; it finds the container when it is back, or nothing of it.
#[test]
fn a_caller_that_leaves_in_the_middle_takes_nothing_along() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "sleep"]);
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    for wait in [true, false] {
        let request = stage.request(&bundle);
        stage.expects(&request);
        let stream = ask_and_leave(&stage, "Create", &request);
        if wait {
            assert!(eventually(|| stage.state(id, "").is_ok()));
        }
        drop(stream);
        // What the shim has read of it is done; a request in the socket of one who left may be none.
        if eventually_soon(|| stage.state(id, "").is_ok()) {
            stage.start(id, "").unwrap();
            assert_eq!(stage.end(id), 137);
        } else {
            assert!(!wait, "a created container is gone");
        }
        stage.leaves_nothing_of(&bundle);
    }
}

/// As `eventually`, for what need not come.
fn eventually_soon(condition: impl Fn() -> bool) -> bool {
    let mut tries = 0;
    let mut came = false;
    eventually(|| {
        tries += 1;
        came = condition();
        came || tries > 50
    });
    came
}
