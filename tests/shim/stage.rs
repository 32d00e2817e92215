//! A shim with containers: calls as containerd makes them, and what it is told meanwhile.
//!
//! It knows bundles of the harness, whose state is in a directory of the test's own. Refuses to judge: a refusal is an
//! answer, with its code and its words. What a newcomer would get wrong: a test that fails leaves containers, and the
//! shim that could end them is killed with it; so dropping this has each of them deleted as containerd would.

use super::containerd::{Containerd, Shim, timeout};
use containerd_shim_protos::api::{
    CreateTaskRequest, DeleteRequest, DeleteResponse, ExecProcessRequest, KillRequest, PidsRequest,
    StartRequest, StateRequest, StateResponse, WaitRequest,
};
use containerd_shim_protos::events::task as events;
use containerd_shim_protos::shim::oci;
use containerd_shim_protos::{TaskClient, ttrpc};
use protobuf::well_known_types::any::Any;
use protobuf::{Message, MessageField};
use rrun_harness::{Bundle, Leftovers, eventually};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
pub use ttrpc::Code;

pub const SIGKILL: u32 = 9;
pub const SIGTERM: u32 = 15;

/// A shim, and a client of it.
pub struct Stage {
    pub task: TaskClient,
    pub shim: Shim,
    /// The bundles of the containers that were asked for, by their ids.
    asked: Mutex<BTreeMap<String, PathBuf>>,
    pub containerd: Containerd,
}

/// An event: whose, and in short words what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub container: String,
    pub what: String,
}

impl Stage {
    /// A shim for the container of this bundle.
    pub fn of(bundle: &Bundle) -> Self {
        bundle.write_config();
        let containerd = Containerd::new();
        let shim = containerd.start(bundle.id(), bundle.path());
        Self { task: shim.task(), shim, asked: Mutex::default(), containerd }
    }

    /// Where the containers are recorded.
    pub fn root(&self) -> PathBuf {
        self.containerd.directory.join("state")
    }

    /// What a Create says: no streams, the state below this directory.
    pub fn request(&self, bundle: &Bundle) -> CreateTaskRequest {
        bundle.write_config();
        CreateTaskRequest {
            id: bundle.id().into(),
            bundle: bundle.path().display().to_string(),
            options: MessageField::some(self.options(|_| ())),
            ..Default::default()
        }
    }

    /// Options of runc's type.
    pub fn options(&self, edit: impl FnOnce(&mut oci::Options)) -> Any {
        let mut options =
            oci::Options { root: self.root().display().to_string(), ..Default::default() };
        edit(&mut options);
        any("containerd.runc.v1.Options", options.write_to_bytes().unwrap())
    }

    /// Notes that there may be a container of this request.
    pub fn expects(&self, request: &CreateTaskRequest) {
        self.asked.lock().unwrap().insert(request.id.clone(), request.bundle.clone().into());
    }

    /// Create as `request` says.
    pub fn ask(&self, request: &CreateTaskRequest) -> ttrpc::Result<u32> {
        self.expects(request);
        self.task.create(timeout(), request).map(|response| response.pid)
    }

    /// Create, successful; the pid.
    #[track_caller]
    pub fn create(&self, bundle: &Bundle) -> u32 {
        self.ask(&self.request(bundle)).unwrap()
    }

    /// Create and Start, successful; the pid.
    #[track_caller]
    pub fn up(&self, bundle: &Bundle) -> u32 {
        let pid = self.create(bundle);
        assert_eq!(self.start(bundle.id(), "").unwrap(), pid);
        pid
    }

    /// Kill and Delete of a container that runs; its code.
    #[track_caller]
    pub fn end(&self, id: &str) -> u32 {
        self.kill(id, "", SIGKILL, true).unwrap();
        self.wait(id, "");
        self.delete(id, "").unwrap().exit_status
    }

    pub fn start(&self, id: &str, exec_id: &str) -> ttrpc::Result<u32> {
        let request = StartRequest { id: id.into(), exec_id: exec_id.into(), ..Default::default() };
        self.task.start(timeout(), &request).map(|response| response.pid)
    }

    /// Its exit code, when it has ended.
    #[track_caller]
    pub fn wait(&self, id: &str, exec_id: &str) -> u32 {
        let answer = self.task.wait(timeout(), &wait_request(id, exec_id)).unwrap();
        assert!(answer.exited_at.seconds > 0);
        answer.exit_status
    }

    pub fn kill(&self, id: &str, exec_id: &str, signal: u32, all: bool) -> ttrpc::Result<()> {
        let (id, exec_id) = (id.into(), exec_id.into());
        let request = KillRequest { id, exec_id, signal, all, ..Default::default() };
        self.task.kill(timeout(), &request).map(drop)
    }

    pub fn delete(&self, id: &str, exec_id: &str) -> ttrpc::Result<DeleteResponse> {
        let request =
            DeleteRequest { id: id.into(), exec_id: exec_id.into(), ..Default::default() };
        self.task.delete(timeout(), &request)
    }

    pub fn state(&self, id: &str, exec_id: &str) -> ttrpc::Result<StateResponse> {
        let request = StateRequest { id: id.into(), exec_id: exec_id.into(), ..Default::default() };
        self.task.state(timeout(), &request)
    }

    /// Exec of a command as root.
    pub fn exec(&self, id: &str, exec_id: &str, args: &[&str]) -> ttrpc::Result<()> {
        self.exec_as(&exec_request(id, exec_id, args))
    }

    pub fn exec_as(&self, request: &ExecProcessRequest) -> ttrpc::Result<()> {
        self.task.exec(timeout(), request).map(drop)
    }

    /// The pids of a container with the names of those of Exec.
    #[track_caller]
    pub fn pids(&self, id: &str) -> BTreeMap<u32, String> {
        let request = PidsRequest { id: id.into(), ..Default::default() };
        let answer = self.task.pids(timeout(), &request).unwrap();
        let named = |info: Any| {
            assert_eq!(info.type_url, "containerd.runc.v1.ProcessDetails");
            oci::ProcessDetails::parse_from_bytes(&info.value).unwrap().exec_id
        };
        let pids = answer.processes.into_iter();
        pids.map(|one| (one.pid, one.info.into_option().map_or(String::new(), named))).collect()
    }

    /// The next event.
    #[track_caller]
    pub fn said(&self) -> Said {
        let envelope = self.containerd.event();
        assert_eq!(envelope.namespace, self.containerd.namespace);
        said(&envelope.topic, &envelope.event)
    }

    /// Everything that is said of a container, until `last` is.
    #[track_caller]
    pub fn story(&self, id: &str, last: &str) -> Vec<String> {
        let mut story = Vec::new();
        while story.last().is_none_or(|what| what != last) {
            let Said { container, what } = self.said();
            if container == id {
                story.push(what);
            }
        }
        story
    }

    /// The threads and the descriptors of the shim.
    pub fn held(&self) -> (usize, usize) {
        let count =
            |what: &str| fs::read_dir(format!("/proc/{}/{what}", self.shim.pid)).unwrap().count();
        (count("task"), count("fd"))
    }

    /// Asserts that it holds no more than it did, when it has come to rest.
    #[track_caller]
    pub fn holds_no_more_than(&self, before: (usize, usize)) {
        let mut now = before;
        let rests = eventually(|| {
            now = self.held();
            now.0 <= before.0 && now.1 <= before.1
        });
        assert!(
            rests,
            "threads and descriptors: {before:?} before, {now:?} after: {:?}",
            self.open()
        );
    }

    /// Asserts that nothing of a bundle is left but the shim, whose command line names it.
    #[track_caller]
    pub fn leaves_nothing_of(&self, bundle: &Bundle) {
        let shim = format!("process {} ", self.shim.pid);
        let mut left = Leftovers(Vec::new());
        let clean = eventually(|| {
            left = Leftovers::of(bundle);
            left.0.retain(|line| !line.starts_with(&shim));
            left.0.is_empty()
        });
        assert!(clean, "left behind:\n  {}", left.0.join("\n  "));
        let recorded = self.root().join(&self.containerd.namespace).join(bundle.id());
        assert!(!recorded.exists(), "{}", recorded.display());
    }

    /// What its descriptors are.
    pub fn open(&self) -> Vec<String> {
        let all = fs::read_dir(format!("/proc/{}/fd", self.shim.pid)).unwrap().flatten();
        let mut all: Vec<String> = all
            .filter_map(|fd| fs::read_link(fd.path()).ok())
            .map(|target| target.display().to_string())
            .collect();
        all.sort();
        all
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let left = fs::read_dir(self.root().join(&self.containerd.namespace));
        if !left.is_ok_and(|mut left| left.next().is_some()) {
            return;
        }
        // It may have been killed already.
        nix::sys::signal::kill(self.shim.pid, nix::sys::signal::Signal::SIGKILL).ok();
        self.shim.ends();
        for (id, bundle) in &*self.asked.lock().unwrap() {
            if bundle.exists() {
                self.containerd.delete(id, bundle);
            }
        }
    }
}

pub fn any(type_url: &str, value: Vec<u8>) -> Any {
    Any { type_url: type_url.into(), value, ..Default::default() }
}

pub fn wait_request(id: &str, exec_id: &str) -> WaitRequest {
    WaitRequest { id: id.into(), exec_id: exec_id.into(), ..Default::default() }
}

/// A process of root's without streams.
pub fn exec_request(id: &str, exec_id: &str, args: &[&str]) -> ExecProcessRequest {
    let process = json!({
        "args": args, "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0},
    });
    ExecProcessRequest {
        id: id.into(),
        exec_id: exec_id.into(),
        spec: MessageField::some(any(
            "types.containerd.io/opencontainers/runtime-spec/1/Process",
            process.to_string().into_bytes(),
        )),
        ..Default::default()
    }
}

/// The code and the words of a refusal.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(answer: ttrpc::Result<T>) -> (Code, String) {
    match answer.unwrap_err() {
        ttrpc::Error::RpcStatus(status) => (status.code(), status.message),
        other => panic!("no refusal of the shim: {other}"),
    }
}

/// How often something is repeated: less in the emulated guest, where a start takes a second.
pub fn often(times: usize) -> usize {
    let is_emulated = fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains("QEMU"));
    if is_emulated { times.div_ceil(10) } else { times }
}

/// Whether a process is there and has not ended.
pub fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.starts_with(" Z"))
}

fn said(topic: &str, event: &Any) -> Said {
    fn read<M: Message>(event: &Any) -> M {
        assert_eq!(event.type_url, format!("containerd.events.{}", M::NAME));
        M::parse_from_bytes(&event.value).unwrap()
    }
    let (container, what) = match topic {
        "/tasks/create" => {
            let event: events::TaskCreate = read(event);
            // Of one that will be restored there is no process yet.
            let what = if event.pid == 0 { "create without a process" } else { "create" };
            (event.container_id, what.into())
        }
        "/tasks/start" => {
            let event: events::TaskStart = read(event);
            assert_ne!(event.pid, 0);
            (event.container_id, "start".into())
        }
        "/tasks/exit" => {
            let event: events::TaskExit = read(event);
            assert!(event.pid != 0 && event.exited_at.seconds > 0);
            let id = if event.id == event.container_id { "init" } else { &event.id };
            (event.container_id, format!("exit {id} {}", event.exit_status))
        }
        "/tasks/delete" => {
            let event: events::TaskDelete = read(event);
            assert!(event.pid != 0 && event.exited_at.seconds > 0);
            (event.container_id, format!("delete {}", event.exit_status))
        }
        "/tasks/exec-added" => {
            let event: events::TaskExecAdded = read(event);
            (event.container_id, format!("added {}", event.exec_id))
        }
        "/tasks/exec-started" => {
            let event: events::TaskExecStarted = read(event);
            assert_ne!(event.pid, 0);
            (event.container_id, format!("started {}", event.exec_id))
        }
        "/tasks/oom" => (read::<events::TaskOOM>(event).container_id, "oom".into()),
        "/tasks/checkpointed" => {
            (read::<events::TaskCheckpointed>(event).container_id, "checkpointed".into())
        }
        "/tasks/paused" => (read::<events::TaskPaused>(event).container_id, "paused".into()),
        "/tasks/resumed" => (read::<events::TaskResumed>(event).container_id, "resumed".into()),
        other => panic!("an event that nobody knows: {other}"),
    };
    Said { container, what }
}
