//! A container and its processes, as one shim keeps them: what happens to them, and in which order it is told.
//!
//! ```text
//!  create ─► /tasks/create      start ─► /tasks/start       its end ─► /tasks/exit     delete ─► /tasks/delete
//!              exec ─► /tasks/exec-added   start ─► /tasks/exec-started   its end ─► /tasks/exit
//! ```
//! It knows the order; [`crate::publish`] keeps it. What a newcomer would get wrong: the first process's exit is told last,
//! when those of all others have been, since containerd takes it for the container's. And what the loop calls
//! ([`Task::ended`]) takes only the short lock, never one that is held over a start.

mod order;
mod start;
mod verbs;

use crate::io::{Context, Owner, Streams};
use crate::log;
use crate::mounts;
use crate::options::Options;
use crate::process::{Paths, Phase, Process};
use crate::publish::Publisher;
use crate::watch::{Loop, Watched};
use containerd_shim_protos::api::CreateTaskRequest;
use containerd_shim_protos::events::task as events;
use rrun::container::{Container, Store};
use rrun::error::{Error, Kind, Result};
use rrun::id::ContainerId;
use rrun::launch::trace::Trace;
use rrun::plan::Request;
use rrun::runtime::{Born, Bundle, Create, Handover, abandon};
use rrun::spec;
use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What every container of a shim shares.
#[derive(Clone)]
pub struct Pod {
    /// containerd's namespace.
    pub namespace: String,
    /// The way to its events.
    pub publisher: Publisher,
    /// The loop.
    pub events: Loop,
}

impl Pod {
    /// What opening streams for a process of `id` takes.
    fn streams_of<'a>(&'a self, id: &'a ContainerId) -> Context<'a> {
        Context { events: &self.events, namespace: &self.namespace, id: id.as_str() }
    }
}

/// A container.
pub struct Task {
    pod: Pod,
    id: ContainerId,
    bundle: PathBuf,
    store: Store,
    owner: Owner,
    /// Its first process is pid 1 of a namespace of its own: the kernel ends the others with it.
    ends_with_init: bool,
    processes: Mutex<Processes>,
    /// Held as long as its memory is watched.
    memory: Mutex<Option<Watched>>,
}

/// The first, and those of Exec by their ids.
struct Processes {
    init: Process,
    execs: BTreeMap<String, Exec>,
}

/// A process of Exec: what it will run, until it does.
struct Exec {
    process: Process,
    spec: spec::Process,
}

impl Processes {
    fn find(&mut self, exec_id: &str) -> Option<&mut Process> {
        match exec_id {
            "" => Some(&mut self.init),
            _ => self.execs.get_mut(exec_id).map(|exec| &mut exec.process),
        }
    }
}

impl Task {
    /// Makes the container of a bundle; its first process waits for [`Task::start`].
    ///
    /// # Errors
    /// Whatever any layer says; nothing is left behind.
    pub fn create(pod: &Pod, request: &CreateTaskRequest) -> Result<Arc<Self>> {
        let options = Options::decode(request.options.as_ref())?;
        if !request.checkpoint.is_empty() {
            return Err(Error::new(Kind::Unsupported, "restoring from a checkpoint")
                .hint("start the container anew"));
        }
        let directory = Path::new(&request.bundle);
        let id = ContainerId::new(&request.id)?;
        // For `delete`, which comes without options and perhaps without us.
        options.save(directory)?;
        let rootfs = directory.join("rootfs");
        mounts::mount_all(&request.rootfs, &rootfs)?;
        let made = Self::create_mounted(pod, request, &options, id);
        made.map_err(|error| match mounts::unmount_all(&rootfs) {
            Ok(()) => error,
            Err(left) => error.while_undoing(left),
        })
    }

    fn create_mounted(
        pod: &Pod,
        request: &CreateTaskRequest,
        options: &Options,
        id: ContainerId,
    ) -> Result<Arc<Self>> {
        let store = Store::new(options.state_root(&pod.namespace))?;
        let bundle = Bundle::load(Some(Path::new(&request.bundle)))?;
        // Root's they are anyway.
        let named = |id: u32| Some(id).filter(|id| *id != 0);
        let owner = Owner { uid: named(options.io_uid), gid: named(options.io_gid) };
        let paths = Paths {
            stdin: request.stdin.clone(),
            stdout: request.stdout.clone(),
            stderr: request.stderr.clone(),
            terminal: bundle.terminal() != spec::Terminal::None,
        };
        let _launching = pod.events.launching();
        let streams = Arc::new(Streams::open(&paths.stdio(), owner, pod.streams_of(&id))?);
        let ends = streams.take_child_ends();
        let born = Create {
            store: &store,
            id: &id,
            bundle: &bundle,
            request: Request {
                gate: true,
                no_pivot: options.no_pivot_root,
                no_new_keyring: options.no_new_keyring,
                ..bundle.request()
            },
            manager: None,
            handover: Handover {
                streams: ends.as_ref().map(|ends| ends.each_ref().map(AsFd::as_fd)),
                ..Handover::default()
            },
            trace: &Trace::off(),
        }
        .perform()?;
        let Born { container, pidfd, master, .. } = born;
        drop(ends);
        let pid = container.record.pid;
        let mut init = Process::new(paths);
        (init.pid, init.phase) = (pid, Phase::Running);
        if let Some(master) = master
            && let Err(error) = streams.attach_master(master)
        {
            return Err(abandon(container, error));
        }
        init.streams = Some(streams);
        let task = Arc::new(Self {
            pod: pod.clone(),
            id,
            bundle: request.bundle.clone().into(),
            store,
            owner,
            ends_with_init: container.record.namespaces.has_own_pid_namespace(),
            processes: Mutex::new(Processes { init, execs: BTreeMap::new() }),
            memory: Mutex::new(None),
        });
        task.watch_memory(&container);
        let io = events::TaskIO {
            stdin: request.stdin.clone(),
            stdout: request.stdout.clone(),
            stderr: request.stderr.clone(),
            terminal: request.terminal,
            ..Default::default()
        };
        task.publish(
            "/tasks/create",
            &events::TaskCreate {
                container_id: request.id.clone(),
                bundle: request.bundle.clone(),
                rootfs: request.rootfs.clone(),
                io: Some(io).into(),
                pid: pid.unsigned_abs(),
                ..Default::default()
            },
        );
        task.watch("", pid, pidfd);
        Ok(task)
    }

    fn watch_memory(&self, container: &Container) {
        let watch = match container.watch_oom() {
            Ok(Some(watch)) => watch,
            Ok(None) => return,
            Err(error) => return log::warn(&format!("watch the memory of {}: {error}", self.id)),
        };
        let (publisher, id) = (self.pod.publisher.clone(), self.id.to_string());
        let watched = self.pod.events.watch_oom(watch, move || {
            let event = events::TaskOOM { container_id: id.clone(), ..Default::default() };
            publisher.publish("/tasks/oom", &event);
        });
        *self.memory.lock().unwrap_or_else(PoisonError::into_inner) = Some(watched);
    }

    fn publish<M: protobuf::Message>(&self, topic: &str, event: &M) {
        self.pod.publisher.publish(topic, event);
    }

    fn lock(&self) -> MutexGuard<'_, Processes> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The container as it is recorded now.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open(&self) -> Result<Container> {
        self.store.open(&self.id)
    }
}

fn unknown(exec_id: &str) -> Error {
    Error::new(Kind::NotFound, format!("process {exec_id:?} does not exist"))
}
