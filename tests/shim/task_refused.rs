//! What cannot be created or started, and what of it is left: nothing.
//!
//! What a newcomer would get wrong: containerd deletes what it was told of. A Create that fails is the shim's own to undo:
//! the mounts it made, the streams it opened, the process it cloned.

use super::containerd::timeout;
use super::stage::{Code, Stage, any, refused};
use containerd_shim_protos::api::{CheckpointTaskRequest, CreateTaskRequest, Mount, Status};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use protobuf::MessageField;
use rrun_harness::{Bundle, requires};
use serde_json::json;
use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;

fn bind(source: &std::path::Path) -> Mount {
    Mount {
        type_: "bind".into(),
        source: source.display().to_string(),
        options: vec!["rbind".into(), "rw".into()],
        ..Default::default()
    }
}

/// Create fails in this way, names `part`, and leaves nothing; afterwards the same id is free.
fn create_fails(
    stage: &Stage,
    bundle: &Bundle,
    part: &str,
    edit: impl FnOnce(&mut CreateTaskRequest),
) -> Code {
    let fifo = stage.containerd.directory.join("fifo");
    if !fifo.exists() {
        mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    }
    let mut request = stage.request(bundle);
    request.rootfs = vec![bind(&bundle.rootfs())];
    request.stdin = fifo.display().to_string();
    request.stdout = fifo.display().to_string();
    edit(&mut request);
    let held = stage.held();
    let (code, words) = refused(stage.ask(&request));
    assert!(words.contains(part), "{words}");
    assert!(words.starts_with("OCI runtime create failed: ") || code == Code::ALREADY_EXISTS);
    stage.leaves_nothing_of(bundle);
    stage.holds_no_more_than(held);
    code
}

#[test]
fn a_create_that_fails_at_any_stage_leaves_nothing() {
    requires!(root);
    let bundle = Bundle::new();
    let stage = Stage::of(&bundle);
    // Threads and descriptors for events are there from now on.
    stage.up(&bundle);
    stage.wait(bundle.id(), "");
    stage.delete(bundle.id(), "").unwrap();

    let fails = |part: &str, edit: &dyn Fn(&mut CreateTaskRequest)| {
        create_fails(&stage, &bundle, part, edit)
    };
    let code = fails("runtime options of type \"example.com/Other\"", &|request| {
        request.options = MessageField::some(any("example.com/Other", vec![1]));
    });
    assert_eq!(code, Code::INVALID_ARGUMENT);
    assert_eq!(
        fails("/c holds no checkpoint", &|request| request.checkpoint = "/c".into()),
        Code::NOT_FOUND
    );
    fails("/nowhere", &|request| request.rootfs.push(bind("/nowhere".as_ref())));
    fails("stdin \"/nowhere/fifo\"", &|request| request.stdin = "/nowhere/fifo".into());
    fails("stdout", &|request| request.stdout = "tcp://there".into());
    fails("logger /nowhere", &|request| request.stdout = "binary:///nowhere".into());
    fails("before it was ready", &|request| request.stdout = "binary:///bin/false".into());
    fails("/nowhere/bundle", &|request| request.bundle = "/nowhere/bundle".into());

    for (part, pointer, value) in [
        ("no program to run (at /process/args)", "/process/args", json!([])),
        ("sysctl", "/linux/sysctl", json!({"kernel.nothing": "1"})),
        (
            "/nowhere/source",
            "/mounts/5",
            json!({
                "destination": "/sys", "type": "bind", "source": "/nowhere/source", "options": ["bind"],
            }),
        ),
        ("/nowhere/hook", "/hooks", json!({"createRuntime": [{"path": "/nowhere/hook"}]})),
    ] {
        let wrong = Bundle::new().set(pointer, value);
        create_fails(&stage, &wrong, part, |_| ());
    }
    assert_eq!(stage.story(bundle.id(), "delete 0").len(), 4);
    assert!(stage.containerd.is_silent(), "what never was is told of");
    // The id is free, and the bundle as it was.
    stage.up(&bundle);
    assert_eq!(stage.wait(bundle.id(), ""), 0);
    stage.delete(bundle.id(), "").unwrap();
}

#[test]
fn a_missing_program_is_named() {
    requires!(root);
    for (program, words) in [
        ("nowhere", "executable file not found in $PATH"),
        ("/nowhere", "no such file or directory"),
        ("/etc/passwd", "permission denied"),
    ] {
        let bundle = Bundle::new().args([program]);
        let (stage, id) = (Stage::of(&bundle), bundle.id());
        let (said, story) = match stage.ask(&stage.request(&bundle)) {
            Ok(_) => {
                let (code, said) = refused(stage.start(id, ""));
                assert_eq!(code, Code::UNKNOWN);
                assert!(said.starts_with("OCI runtime start failed: "), "{said}");
                // It has ended by that: containerd deletes it.
                assert_ne!(stage.wait(id, ""), 0);
                assert_eq!(stage.state(id, "").unwrap().status.unwrap(), Status::STOPPED);
                let code = stage.delete(id, "").unwrap().exit_status;
                (said, stage.story(id, &format!("delete {code}")))
            }
            Err(error) => (refused(Err::<(), _>(error)).1, Vec::new()),
        };
        assert!(said.contains(words), "{said}");
        assert!(!story.contains(&"start".to_owned()), "{story:?}");
        stage.leaves_nothing_of(&bundle);
    }
}

#[test]
fn an_id_is_one_containers_at_a_time() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "sleep"]);
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    let request = stage.request(&bundle);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..4).map(|_| scope.spawn(|| stage.ask(&request))).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    let (made, others): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(made.len(), 1);
    for other in others {
        assert_eq!(refused(other).0, Code::ALREADY_EXISTS);
    }
    stage.start(id, "").unwrap();
    assert_eq!(stage.end(id), 137);
}

#[test]
fn ids_that_could_lead_elsewhere_are_refused() {
    requires!(root);
    let bundle = Bundle::new();
    let stage = Stage::of(&bundle);
    for id in ["", "..", "a/b", "../a", "a b", "a\0b", "ä", &"a".repeat(2000)] {
        let request = CreateTaskRequest { id: id.into(), ..stage.request(&bundle) };
        let (code, words) = refused(stage.task.create(timeout(), &request));
        assert_eq!(code, Code::INVALID_ARGUMENT, "{id:?}: {words}");
        assert_eq!(refused(stage.state(id, "")).0, Code::NOT_FOUND, "{id:?}");
    }
    assert!(
        stage.root().join(&stage.containerd.namespace).read_dir().map_or(0, Iterator::count) == 0
    );
    // What containerd allows.
    let odd = format!("{}-a.b_c+D", bundle.id());
    let request = CreateTaskRequest { id: odd.clone(), ..stage.request(&bundle) };
    stage.ask(&request).unwrap();
    stage.start(&odd, "").unwrap();
    assert_eq!(stage.wait(&odd, ""), 0);
    stage.delete(&odd, "").unwrap();
}

#[test]
fn what_is_not_there_is_not_found_and_what_is_not_done_says_so() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "sleep"]);
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    for answer in [
        refused(stage.start(id, "")),
        refused(stage.state(id, "")),
        refused(stage.exec(id, "e", &["probe"])),
        refused(stage.kill(id, "", 9, false)),
        refused(stage.delete(id, "")),
        refused(stage.task.wait(timeout(), &super::stage::wait_request(id, ""))),
    ] {
        assert_eq!(answer.0, Code::NOT_FOUND, "{}", answer.1);
        assert!(answer.1.contains(id), "{}", answer.1);
    }
    stage.up(&bundle);
    let request = CheckpointTaskRequest { id: id.into(), ..Default::default() };
    let (code, words) = refused(stage.task.checkpoint(timeout(), &request));
    assert_eq!(code, Code::INVALID_ARGUMENT, "{words}");
    stage.end(id);
}

#[test]
fn garbage_ends_its_own_connection_at_most() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "sleep"]);
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    stage.up(&bundle);
    let held = stage.held();
    let message = |length: u32, stream: u32, body: &[u8]| {
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.extend(stream.to_be_bytes());
        // A request without flags.
        bytes.extend([1, 0]);
        bytes.extend(body);
        bytes
    };
    let garbage: [Vec<u8>; 6] = [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0xff; 4096],
        message(u32::MAX, 1, b""),
        message(5, 1, &[0xff; 5]),
        message(100, 1, b"cut off"),
        message(0, 2, b""),
    ];
    for bytes in &garbage {
        let mut client = UnixStream::connect(&stage.shim.socket).unwrap();
        client.write_all(bytes).unwrap();
        drop(client);
        assert_eq!(stage.state(id, "").unwrap().status.unwrap(), Status::RUNNING);
    }
    // A request that is none of its message's.
    let bad = ttrpc::Request {
        service: "containerd.task.v2.Task".into(),
        method: "Wait".into(),
        payload: vec![0xff; 9],
        ..Default::default()
    };
    assert!(stage.shim.client().request(bad).is_err());
    stage.holds_no_more_than(held);
    assert_eq!(stage.end(id), 137);
    fs::metadata(&stage.shim.socket).unwrap();
}
