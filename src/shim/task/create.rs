//! A container comes into being: its rootfs is mounted, its streams are opened, the library makes it.
//!
//! What a newcomer would get wrong: from the launch on there is a container, and whatever fails then must take it back.
//! containerd's own clean-up comes later, and only sometimes.

use super::checkpoint::Pending;
use super::{Pod, Processes, Task};
use crate::io::{Owner, Streams};
use crate::log;
use crate::mounts;
use crate::options::Options;
use crate::process::{Paths, Phase, Process};
use containerd_shim_protos::api::CreateTaskRequest;
use containerd_shim_protos::events::task as events;
use rrun::container::{Container, NamespaceBits, Store};
use rrun::error::Result;
use rrun::id::ContainerId;
use rrun::launch::trace::Trace;
use rrun::plan::Request;
use rrun::runtime::{Born, Bundle, Create, Handover, abandon};
use rrun::spec::Terminal;
use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// What a container is made from, and by whose wishes.
struct Birth<'a> {
    pod: &'a Pod,
    options: &'a Options,
    store: &'a Store,
    id: &'a ContainerId,
    bundle: &'a Bundle,
}

impl Birth<'_> {
    fn owner(&self) -> Owner {
        // Root's they are anyway.
        let named = |id: u32| Some(id).filter(|id| *id != 0);
        Owner { uid: named(self.options.io_uid), gid: named(self.options.io_gid) }
    }

    fn streams(&self, paths: &Paths) -> Result<Arc<Streams>> {
        let of = self.pod.streams_of(self.id);
        Ok(Arc::new(Streams::open(&paths.stdio(), self.owner(), of)?))
    }

    /// The container, and the streams of its first process.
    fn perform(&self, paths: &Paths) -> Result<(Born, Arc<Streams>)> {
        let Self { options, store, id, bundle, .. } = *self;
        let streams = self.streams(paths)?;
        let ends = streams.take_child_ends();
        let mut born = Create {
            store,
            id,
            bundle,
            request: Request {
                gate: true,
                no_pivot: options.no_pivot_root,
                no_new_keyring: options.no_new_keyring,
                systemd_cgroup: options.systemd_cgroup,
                filters: Some(self.pod.filters.clone()),
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
        match born.master.take().map_or(Ok(()), |master| streams.attach_master(master)) {
            Ok(()) => Ok((born, streams)),
            Err(error) => Err(abandon(born.container, error)),
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
        let directory = Path::new(&request.bundle);
        let id = ContainerId::new(&request.id)?;
        // For `delete`, which comes without options and perhaps without us.
        options.save(directory)?;
        let rootfs = directory.join("rootfs");
        {
            // A child holds the ids of a mapped mount, and is waited for there.
            let _launching = pod.events.launching();
            mounts::mount_all(&request.rootfs, &rootfs)?;
        }
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
        let paths = Paths {
            stdin: request.stdin.clone(),
            stdout: request.stdout.clone(),
            stderr: request.stderr.clone(),
            terminal: bundle.terminal() != Terminal::None,
        };
        let pending = Pending::of(&request.checkpoint, options.no_pivot_root)?;
        let birth = Birth { pod, options, store: &store, id: &id, bundle: &bundle };
        let owner = birth.owner();
        let _launching = pod.events.launching();
        let (born, streams) = match pending {
            None => birth.perform(&paths).map(|(born, streams)| (Some(born), streams))?,
            Some(_) => (None, birth.streams(&paths)?),
        };
        let pid = born.as_ref().map_or(0, |born| born.container.record.pid);
        let mut init = Process::new(paths);
        (init.pid, init.streams) = (pid, Some(streams));
        init.phase = if born.is_some() { Phase::Running } else { Phase::Added };
        let task = Arc::new(Self {
            pod: pod.clone(),
            id,
            bundle: request.bundle.clone().into(),
            store,
            owner,
            ends_with_init: NamespaceBits::from(&bundle.spec.namespaces).has_own_pid_namespace(),
            processes: Mutex::new(Processes { init, execs: BTreeMap::new() }),
            pending: Mutex::new(pending),
            deleted: Mutex::default(),
            memory: Mutex::new(None),
        });
        if let Some(Born { container, .. }) = &born {
            task.watch_memory(container);
        }
        task.announce(request, pid.unsigned_abs());
        if let Some(Born { pidfd, .. }) = born {
            task.watch("", pid, pidfd);
        }
        Ok(task)
    }

    fn announce(&self, request: &CreateTaskRequest, pid: u32) {
        let io = events::TaskIO {
            stdin: request.stdin.clone(),
            stdout: request.stdout.clone(),
            stderr: request.stderr.clone(),
            terminal: request.terminal,
            ..Default::default()
        };
        let event = events::TaskCreate {
            container_id: request.id.clone(),
            bundle: request.bundle.clone(),
            rootfs: request.rootfs.clone(),
            io: Some(io).into(),
            pid,
            ..Default::default()
        };
        self.publish("/tasks/create", &event);
    }

    pub(super) fn watch_memory(&self, container: &Container) {
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
}
