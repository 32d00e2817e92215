//! Instances that wait: a payload in `pause(2)`, as a bare process, in a container, as the /init of a guest.
//!
//! ```text
//! caller's cgroup  ── create, start ──►  instance's cgroup: the payload (or QEMU)
//! what the start leaves charged here     what is charged to the instance
//! ```
//!
//! Each has a cgroup of its own, and each start another one: namespaces and tasks are charged to whoever *clones*, so a
//! runtime that clones from outside leaves memory with its caller that is only freed with the container. What a newcomer
//! would get wrong: `run` in the foreground would measure a waiting runtime; engines use `create` and `start`.

use super::memcg::{Hierarchy, Memcg};
use crate::process::now;
use crate::room;
use crate::subject::Runtime;
use crate::vm::{Recipe, Session};
use nix::sys::memfd::{MFdFlags, memfd_create};
use rrun_harness::wait_until;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Set for whoever starts an instance, so that a monitor that stays is found.
pub const MARK: &str = "ISOBENCH_INSTANCE";

/// What one start may take.
const PATIENCE: Duration = Duration::from_secs(60);

static STARTED: AtomicU32 = AtomicU32::new(0);

/// What is started.
#[derive(Debug, Clone)]
pub enum Kind {
    /// This program with `pause`.
    Bare(PathBuf),
    /// A container of this runtime with this configuration; its cgroup and its id are ours.
    Container(Runtime, Value),
    /// A guest.
    Machine(Box<Recipe>),
}

/// An instance that waits; dropped, it is ended and nothing of it is left.
#[derive(Debug)]
pub struct Instance {
    /// Its name, of its cgroup too.
    pub id: String,
    /// Its cgroup.
    pub group: Memcg,
    /// The cgroup that its start ran in, if that is another one.
    pub caller: Option<Memcg>,
    /// From before the start until it waits (a guest: until it has said so).
    pub took: Duration,
    held: Held,
}

#[derive(Debug)]
enum Held {
    Child(Child),
    Container(Runtime, PathBuf),
    Machine(Option<Session>),
}

/// What every id of ours begins with.
#[must_use]
pub fn prefix() -> String {
    format!("rrun-bench-{}-idle", std::process::id())
}

impl Instance {
    /// Starts one; its start is done by us in a cgroup of its own.
    ///
    /// # Errors
    /// A sentence: what could not be started, and its last words.
    pub fn start(kind: &Kind, hierarchy: &Hierarchy) -> Result<Self, String> {
        let id = format!("{}-{}", prefix(), STARTED.fetch_add(1, Ordering::Relaxed));
        match kind {
            Kind::Bare(program) => {
                let group = hierarchy.make(&id)?;
                let mut command = Command::new(program);
                command.arg("pause").env(MARK, &id).stdin(Stdio::null()).stdout(Stdio::null());
                let began = now();
                let child = within(&group, hierarchy, || {
                    command.spawn().map_err(|why| format!("start {}: {why}", program.display()))
                })?;
                let took = now() - began;
                Ok(Self { id, group, caller: None, took, held: Held::Child(child) })
            }
            Kind::Machine(recipe) => {
                let group = hierarchy.make(&id)?;
                let mut session = within(&group, hierarchy, || Session::start(recipe))?;
                let ready = session.line(Instant::now() + PATIENCE)?;
                let took = ready.at.saturating_sub(session.began);
                Ok(Self { id, group, caller: None, took, held: Held::Machine(Some(session)) })
            }
            Kind::Container(runtime, config) => Self::container(runtime, config, id, hierarchy),
        }
    }

    fn container(
        runtime: &Runtime,
        config: &Value,
        id: String,
        hierarchy: &Hierarchy,
    ) -> Result<Self, String> {
        let bundle = room::directory().join("idle").join(&id);
        let mut config = config.clone();
        config["linux"]["cgroupsPath"] = json!(format!("/{id}"));
        let told = |why: std::io::Error| format!("its bundle: {why}");
        fs::create_dir_all(&bundle).map_err(told)?;
        fs::write(bundle.join("config.json"), config.to_string()).map_err(told)?;
        let caller = hierarchy.make(&format!("{id}-caller"))?;
        let place = bundle.to_string_lossy().into_owned();
        let create = runtime.command("create", &["--bundle", &place, &id]);
        let start = runtime.command("start", &[&id]);
        let began = now();
        let done = within(&caller, hierarchy, || {
            finish(create, &id)?;
            finish(start, &id)
        });
        let took = now() - began;
        let group = hierarchy.group(&id);
        let held = Held::Container(runtime.clone(), bundle);
        // Made before the error is looked at: dropped, it takes away what a failed start has left.
        let instance = Self { id, group, caller: Some(caller), took, held };
        done.map(|()| instance)
    }

    /// The process that waits: the payload's, or QEMU's.
    ///
    /// # Errors
    /// A sentence: there is none, or more than one.
    pub fn pid(&self) -> Result<i32, String> {
        let processes = self.group.processes()?;
        match processes.as_slice() {
            [pid] => Ok(*pid),
            other => Err(format!("{}: {} processes where one should wait", self.id, other.len())),
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        match &mut self.held {
            Held::Child(child) => {
                // Both fail when it has ended and was collected.
                drop(child.kill());
                drop(child.wait());
            }
            Held::Machine(session) => drop(session.take()),
            Held::Container(runtime, bundle) => {
                // A start that failed has left nothing that could be deleted.
                drop(finish(runtime.command("delete", &["--force", &self.id]), &self.id));
                drop(fs::remove_dir_all(bundle));
            }
        }
        // What can't be removed is found when the part ends.
        drop(self.group.remove());
        if let Some(caller) = &self.caller {
            drop(caller.remove());
        }
    }
}

/// Does this as a member of `group`, and returns to where we are now.
fn within<T>(
    group: &Memcg,
    hierarchy: &Hierarchy,
    then: impl FnOnce() -> Result<T, String>,
) -> Result<T, String> {
    let home = hierarchy.ours()?;
    group.enter()?;
    let done = then();
    home.enter()?;
    done
}

/// Runs a runtime to its end.
fn finish(mut command: Command, id: &str) -> Result<(), String> {
    let words = memfd_create(c"stderr", MFdFlags::MFD_CLOEXEC);
    let mut words: File = words.map_err(|why| format!("a memory file: {why}"))?.into();
    let stderr = words.try_clone().map_err(|why| format!("keep its stderr: {why}"))?;
    command.env(MARK, id).stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
    let mut child = command.spawn().map_err(|why| format!("start {command:?}: {why}"))?;
    let what = match wait_until(&mut child, Instant::now() + PATIENCE) {
        Some(status) if status.success() => return Ok(()),
        Some(status) => status.to_string(),
        None => format!("not done after {} s", PATIENCE.as_secs()),
    };
    let mut said = String::new();
    // What can't be read is not worth a second error.
    drop(words.rewind().and_then(|()| words.read_to_string(&mut said)));
    Err(format!("{command:?}: {what}: {}", said.trim()))
}
