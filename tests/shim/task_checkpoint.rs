//! Checkpoint writes a container to files, and Create with a checkpoint followed by Start brings it back.
//!
//! What a newcomer would get wrong: containerd unpacks a checkpoint into a directory that is gone after Start; so nothing
//! may be left there for later.

use crate::containerd::timeout;
use crate::stage::{Stage, any, refused};
use containerd_shim_protos::api::{CheckpointTaskRequest, CreateTaskRequest, Status};
use containerd_shim_protos::shim::oci::CheckpointOptions;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use protobuf::{Message, MessageField};
use rrun_harness::engines::criu_directory;
use rrun_harness::{Bundle, Must, eventually, requires};
use serde_json::Value;
use std::fs::{self, OpenOptions};
use std::path::Path;

const SIGKILL: u32 = 9;

fn counter() -> Bundle {
    Bundle::new().args(["probe", "count", "/count"]).set("/root/readonly", Value::Bool(false))
}

fn count(bundle: &Bundle) -> u64 {
    let text = fs::read_to_string(bundle.rootfs().join("count")).unwrap_or_default();
    text.parse().unwrap_or(0)
}

/// A Create whose options name CRIU.
fn with_criu(stage: &Stage, bundle: &Bundle) -> CreateTaskRequest {
    let criu = criu_directory().must("have criu").join("criu").to_string_lossy().into_owned();
    let body = format!("Root = {:?}\nCriuPath = {criu:?}\n", stage.root());
    // config_body, and its length as two bytes of a varint.
    let mut bytes = vec![3 << 3 | 2, (body.len() & 0x7f) as u8 | 0x80, (body.len() >> 7) as u8];
    bytes.extend_from_slice(body.as_bytes());
    let options = any("runtimeoptions.v1.Options", bytes);
    CreateTaskRequest { options: MessageField::some(options), ..stage.request(bundle) }
}

fn checkpoint(stage: &Stage, bundle: &Bundle, images: &Path, exit: bool) {
    let options = CheckpointOptions { exit, ..Default::default() };
    let options = any("containerd.runc.v1.CheckpointOptions", options.write_to_bytes().unwrap());
    let request = CheckpointTaskRequest {
        id: bundle.id().into(),
        path: images.to_string_lossy().into_owned(),
        options: MessageField::some(options),
        ..Default::default()
    };
    stage.task.checkpoint(timeout(), &request).must("write a checkpoint");
}

#[test]
fn a_container_is_written_ends_and_comes_back_at_start() {
    requires!(root, criu);
    let bundle = counter();
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    // As containerd gives it: a fifo of the host's, which is a file that the container can't name.
    let fifo = bundle.path().join("stdout");
    mkfifo(&fifo, Mode::S_IRWXU).must("make a fifo");
    let reader = OpenOptions::new().read(true).write(true).open(&fifo).must("open the fifo");
    let stdout = fifo.to_string_lossy().into_owned();
    let request = CreateTaskRequest { stdout, ..with_criu(&stage, &bundle) };
    stage.ask(&request).must("create it");
    stage.start(id, "").must("start it");
    assert!(eventually(|| count(&bundle) > 5));
    let images = bundle.path().join("images");
    checkpoint(&stage, &bundle, &images, true);
    assert_eq!(stage.wait(id, ""), 137);
    stage.delete(id, "").must("delete it");
    let kept = count(&bundle);
    let again =
        CreateTaskRequest { checkpoint: images.to_string_lossy().into_owned(), ..request.clone() };
    assert_eq!(stage.ask(&again), Ok(0));
    assert_eq!(stage.state(id, "").unwrap().status.unwrap(), Status::CREATED);
    assert_eq!(count(&bundle), kept, "it ran before it was started");
    let pid = stage.start(id, "").must("restore it");
    assert!(pid > 0 && eventually(|| count(&bundle) > kept));
    assert_eq!(stage.state(id, "").unwrap().status.unwrap(), Status::RUNNING);
    assert_eq!(stage.end(id), 137);
    let story = stage.story(id, "delete 137");
    assert_eq!(story[..3], ["create", "start", "checkpointed"]);
    drop(reader);
    stage.leaves_nothing_of(&bundle);
}

#[test]
fn without_exit_it_goes_on_and_what_was_never_restored_can_be_deleted() {
    requires!(root, criu);
    let bundle = counter();
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    let request = with_criu(&stage, &bundle);
    stage.ask(&request).must("create it");
    stage.start(id, "").must("start it");
    assert!(eventually(|| count(&bundle) > 5));
    let images = bundle.path().join("images");
    checkpoint(&stage, &bundle, &images, false);
    let now = count(&bundle);
    assert!(eventually(|| count(&bundle) > now));
    stage.end(id);
    let again = CreateTaskRequest { checkpoint: images.to_string_lossy().into_owned(), ..request };
    assert_eq!(stage.ask(&again), Ok(0));
    refused(stage.kill(id, "", SIGKILL, true));
    stage.delete(id, "").must("delete what never ran");
    stage.leaves_nothing_of(&bundle);
}
