//! Starts through a containerd (M15): `ctr run --rm`, and a container in a pod by the container runtime interface.
//!
//! containerd runs in a room of the harness, with the machine's cgroups, the programs that are measured, and an image of
//! the payload. What a newcomer would get wrong: most of `ctr run` is containerd's snapshots, leases and its client, the
//! same for all; `StartContainer` is the shim's Create and Start and little else, for the pod's shim is there already.

use super::direct::{control, row_in};
use super::kind::{self, BETWEEN, Kind, OURS, newest};
use crate::process::{PATIENCE, Voice, Wrong, milliseconds};
use crate::programs::{self, Programs};
use crate::result::Row;
use crate::rounds::{Contestant, Figure};
use crate::scene;
use crate::suite::Context;
use rrun_harness::engines::{Containerd, Image, Room};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

/// The group of these rounds.
const GROUP: &str = "engines, containerd";

const RUN: [(&str, &str); 2] = [
    (
        "ctr run --rm",
        "from before the birth of ctr (entering the room included) → its end was collected: snapshot, shim, create, start, delete",
    ),
    (
        "ctr run --rm to first instruction",
        "from before the birth of ctr (entering the room included) → the payload's first instruction",
    ),
];

const CRI: [(&str, &str); 3] = [
    (
        "cri create+start",
        "the sum of CreateContainer and StartContainer in a pod that runs (in the host's network), each from before the birth of a client of one call → its end",
    ),
    (
        "cri create",
        "CreateContainer: from before the birth of a client of one call → its end; containerd alone, no shim is asked",
    ),
    (
        "cri start",
        "StartContainer: from before the birth of a client of one call → its end: Create and Start of the pod's shim, and containerd's part in it",
    ),
];

/// Starts through the newest containerd that can be had.
///
/// # Errors
/// A sentence.
pub fn rows(context: &Context, kinds: &[Kind]) -> Result<Vec<Row>, String> {
    if let Err(why) = kind::set() {
        let row = |subject: &str| row_in(GROUP, RUN[0].0, subject, RUN[0].1).missing(why.clone());
        return Ok([OURS, BETWEEN, kind::THEIRS].map(row).into());
    }
    let client = programs::cri()?;
    let containerd = Rc::new(Containerd::with(newest(), |config| config.cri = true));
    relink(containerd.room(), &context.programs).map_err(|why| format!("link programs: {why}"))?;
    let tree = containerd.room().path().join("payload");
    scene::rootfs(&tree, &context.programs.payload);
    let name = containerd.import(&image("localhost/payload:1", &tree));
    for name in ["localhost/payload:1", "localhost/pause:1"] {
        containerd.import_to("k8s.io", &image(name, &tree));
    }
    let node = Rc::new(Node { containerd: Rc::clone(&containerd), client, image: name.clone() });
    let mut contests = vec![control(GROUP, Command::new(&context.programs.payload))];
    let mut pods = Vec::new();
    for kind in kinds {
        contests.push(run(&containerd, kind, &name));
        let pod = Rc::new(Pod::run(&node, kind).map_err(|wrong| wrong.sentence().to_owned())?);
        contests.push(Rc::clone(&pod).contest(kind));
        pods.push(pod);
    }
    let (wanted, seconds) = (context.pace.pick(6, 100), context.pace.pick(8, 100));
    let about = format!("containerd of {}", newest().name());
    let found = super::run(context, &about, contests, wanted, Duration::from_secs(seconds));
    for pod in pods {
        pod.end().map_err(|wrong| wrong.sentence().to_owned())?;
    }
    let note = format!("containerd of {}", newest().name());
    Ok(found?.into_iter().map(|row| row.note(note.clone())).collect())
}

/// The programs that are measured in the place of those that cargo left.
fn relink(room: &Room, programs: &Programs) -> std::io::Result<()> {
    for (name, program) in [("rrun", &programs.rrun), ("containerd-shim-rrun-v2", &programs.shim)] {
        let (link, draft) = (room.bin(name), room.bin(".draft"));
        symlink(program, &draft)?;
        fs::rename(draft, link)?;
    }
    Ok(())
}

/// The payload, which waits when nobody says otherwise.
fn image(name: &str, tree: &Path) -> Image {
    Image::new(name).layer(tree).config("Entrypoint", json!(["/bin/true", "pause"]))
}

fn run(containerd: &Rc<Containerd>, kind: &Kind, image: &str) -> Contestant {
    let rows = RUN.map(|(case, interval)| row_in(GROUP, case, kind.label, interval));
    let flags = match kind.label {
        OURS => containerd.by_our_shim(),
        BETWEEN => containerd.by_runcs_shim(),
        _ => vec!["--runtime".to_owned(), "io.containerd.runc.v2".to_owned()],
    };
    let (containerd, image, word, mut count) =
        (Rc::clone(containerd), image.to_owned(), kind.word(), 0_u32);
    Contestant::new(rows.into(), move || {
        count += 1;
        let mut command = containerd.ctr();
        command.args(["run", "--rm"]).args(&flags).arg(&image).arg(format!("{word}-{count}"));
        command.arg("/bin/true");
        let mut voice = Voice::new();
        let ran = voice.run(&mut command, PATIENCE)?;
        let answer = voice.answer(ran.began, PATIENCE)?;
        let first = milliseconds(answer.first_instruction - ran.began);
        Ok(vec![Figure::bare(milliseconds(ran.wall())), Figure::bare(first)])
    })
}

/// Who asks.
struct Node {
    containerd: Rc<Containerd>,
    client: PathBuf,
    image: String,
}

impl Node {
    /// The answer, and how long the client lived.
    fn call(&self, method: &str, request: &Value) -> Result<(Value, f64), Wrong> {
        let mut command = Command::new(&self.client);
        command.arg(self.containerd.socket()).args(["call", method, &request.to_string()]);
        let mut voice = Voice::new();
        let ran = voice.run(&mut command, PATIENCE)?;
        let said = voice.words();
        let answer = serde_json::from_slice(&said);
        let answer = answer.map_err(|why| Wrong::Failed(format!("{method}: {why}")))?;
        Ok((answer, milliseconds(ran.wall())))
    }
}

/// A pod of one handler, without containers between turns.
struct Pod {
    node: Rc<Node>,
    id: String,
    config: Value,
}

impl Pod {
    fn run(node: &Rc<Node>, kind: &Kind) -> Result<Self, Wrong> {
        let handler = match kind.label {
            OURS => "rrun-shim",
            BETWEEN => "rrun",
            _ => "runc",
        };
        let room = node.containerd.room();
        let config = json!({
            "metadata": { "name": handler, "uid": handler, "namespace": "default" },
            "log_directory": room.path().join("logs").join(handler),
            "linux": {
                "cgroup_parent": format!("/{}", room.name()),
                "security_context": { "namespace_options": { "network": "NODE" } },
            },
        });
        let request = json!({ "config": config, "runtime_handler": handler });
        let (answer, _) = node.call("RunPodSandbox", &request)?;
        let id = text(&answer, "pod_sandbox_id")?;
        Ok(Self { node: Rc::clone(node), id, config })
    }

    fn contest(self: Rc<Self>, kind: &Kind) -> Contestant {
        let rows = CRI.map(|(case, interval)| row_in(GROUP, case, kind.label, interval));
        let mut count = 0_u32;
        Contestant::new(rows.into(), move || {
            count += 1;
            self.turn(count)
        })
    }

    fn turn(&self, attempt: u32) -> Result<Vec<Figure>, Wrong> {
        let container = json!({
            "metadata": { "name": "payload", "attempt": attempt },
            "image": { "image": self.node.image },
            // One that ends at once would race with the interface's own picture of it.
            "command": ["/bin/true", "pause"],
            "log_path": format!("payload-{attempt}.log"),
            "linux": { "security_context": { "namespace_options": { "network": "NODE" } } },
        });
        let request = json!({ "pod_sandbox_id": self.id, "config": container, "sandbox_config": self.config });
        let (answer, created) = self.node.call("CreateContainer", &request)?;
        let it = json!({ "container_id": text(&answer, "container_id")? });
        let (_, started) = self.node.call("StartContainer", &it)?;
        self.node
            .call("StopContainer", &json!({ "container_id": it["container_id"], "timeout": 0 }))?;
        self.node.call("RemoveContainer", &it)?;
        Ok([created + started, created, started].map(Figure::bare).into())
    }

    fn end(&self) -> Result<(), Wrong> {
        let it = json!({ "pod_sandbox_id": self.id });
        self.node.call("StopPodSandbox", &it)?;
        self.node.call("RemovePodSandbox", &it).map(drop)
    }
}

fn text(answer: &Value, field: &str) -> Result<String, Wrong> {
    let found = answer[field].as_str().map(str::to_owned);
    found.ok_or_else(|| Wrong::Failed(format!("no {field} in {answer}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_its_field_is_quoted() {
        let answer = json!({ "container_id": "ab" });
        assert_eq!(text(&answer, "container_id"), Ok("ab".to_owned()));
        let wrong = text(&answer, "pod_sandbox_id").err();
        assert!(wrong.is_some_and(|wrong| wrong.sentence().contains(r#"{"container_id":"ab"}"#)));
    }
}
