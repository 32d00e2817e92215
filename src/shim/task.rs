//! A container and its processes, as one shim keeps them: what happens to them, and in which order it is told.
//!
//! ```text
//!  create ─► /tasks/create      start ─► /tasks/start       its end ─► /tasks/exit     delete ─► /tasks/delete
//!              exec ─► /tasks/exec-added   start ─► /tasks/exec-started   its end ─► /tasks/exit
//! ```
//! It knows the order; [`crate::publish`] keeps it. What a newcomer would get wrong: the first process's exit is told last,
//! when those of all others have been, since containerd takes it for the container's. And what the loop calls
//! ([`Task::ended`]) takes only the short lock, never one that is held over a start.

mod checkpoint;
mod create;
mod order;
mod start;
mod verbs;

use crate::io::{Context, Owner};
use crate::process::Process;
use crate::publish::Publisher;
use crate::watch::{Loop, Watched};
use rrun::container::{Container, Store};
use rrun::error::{Error, Kind, Result};
use rrun::id::ContainerId;
use rrun::plan::seccomp::Filters;
use rrun::spec;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What every container of a shim shares.
#[derive(Clone)]
pub struct Pod {
    /// containerd's namespace.
    pub namespace: String,
    /// The way to its events.
    pub publisher: Publisher,
    /// The loop.
    pub events: Loop,
    /// Its containers have mostly the same profile, and each exec asks for its filter again.
    pub filters: Filters,
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
    /// What it is restored from when it is started, if it is.
    pending: Mutex<Option<checkpoint::Pending>>,
    /// Whether it was deleted; held while somebody does.
    deleted: Mutex<bool>,
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
