//! A container is written to files, and one comes back from files instead of being made.
//!
//! It knows containerd's options for both. What a newcomer would get wrong: of a container that comes back there is nothing
//! at Create, no process and no record, since containerd sets its network up before Start. What Create has opened waits
//! in the task; Start restores.

use super::Task;
use crate::options::Options;
use containerd_shim_protos::api::CheckpointTaskRequest;
use containerd_shim_protos::events::task as events;
use containerd_shim_protos::shim::oci::CheckpointOptions;
use protobuf::Message;
use rrun::error::{Error, Kind, Result};
use rrun::launch::criu::Criu;
use rrun::launch::criu::options::{CgroupMode, Wishes};
use rrun::plan::Request;
use rrun::runtime::{Born, Bundle, Checkpoint, Handover, Restore, abandon};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

/// Below the bundle: where CRIU logs.
const WORK: &str = "criu-work";

/// What Start restores.
#[derive(Debug, Clone)]
pub struct Pending {
    images: PathBuf,
    no_pivot: bool,
}

impl Pending {
    /// The images of a request, if it has any.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when they are none: better now than at Start.
    pub fn of(checkpoint: &str, no_pivot: bool) -> Result<Option<Self>> {
        if checkpoint.is_empty() {
            return Ok(None);
        }
        let images = PathBuf::from(checkpoint);
        if !images.join("inventory.img").is_file() {
            let problem = format!("{checkpoint} holds no checkpoint");
            return Err(Error::new(Kind::NotFound, problem).hint("name a directory of images"));
        }
        Ok(Some(Self { images, no_pivot }))
    }
}

impl Task {
    /// Whether it waits to be restored.
    pub fn is_pending(&self) -> bool {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Lets it wait for that.
    pub fn wait_for(&self, pending: Pending) {
        *self.pending.lock().unwrap_or_else(PoisonError::into_inner) = Some(pending);
    }

    /// Forgets what it waits for.
    pub fn forget_pending(&self) -> Option<Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Writes it to files.
    ///
    /// # Errors
    /// As [`Checkpoint::perform`]; [`Kind::Usage`] for options that are none.
    pub fn checkpoint(&self, request: &CheckpointTaskRequest) -> Result<()> {
        let options = match request.options.as_ref().filter(|any| !any.value.is_empty()) {
            Some(any) => CheckpointOptions::parse_from_bytes(&any.value)
                .map_err(|error| Error::new(Kind::Usage, format!("checkpoint options: {error}")))?,
            None => CheckpointOptions::default(),
        };
        let given = |path: &str| Some(PathBuf::from(path)).filter(|_| !path.is_empty());
        let images = given(&request.path).or(given(&options.image_path)).ok_or_else(|| {
            Error::new(Kind::Usage, "a checkpoint needs a path").hint("name a directory")
        })?;
        let work = given(&options.work_path).unwrap_or_else(|| self.bundle.join(WORK));
        let mut empty_namespaces = 0;
        for name in &options.empty_namespaces {
            if name != "network" {
                let problem = format!("the namespace {name:?} can't be restored empty");
                return Err(Error::new(Kind::Usage, problem).hint("name network, or none"));
            }
            empty_namespaces |= libc::CLONE_NEWNET.cast_unsigned();
        }
        let cgroups = CgroupMode::parse(&options.cgroups_mode).map_err(|fix| {
            Error::new(Kind::Usage, format!("cgroups mode {:?}", options.cgroups_mode)).hint(fix)
        })?;
        let wishes = Wishes {
            leave_running: !options.exit,
            tcp_established: options.open_tcp,
            ext_unix_sk: options.external_unix_sockets,
            shell_job: options.terminal,
            file_locks: options.file_locks,
            empty_namespaces,
            cgroups,
            ..Wishes::default()
        };
        // CRIU is our child, and waited for there.
        let _launching = self.pod.events.launching();
        let criu = self.criu()?;
        Checkpoint { criu: &criu, images: &images, work: Some(&work), wishes, status: None }
            .perform(self.open()?)?;
        let event = events::TaskCheckpointed {
            container_id: self.id.to_string(),
            checkpoint: images.to_string_lossy().into_owned(),
            ..Default::default()
        };
        self.publish("/tasks/checkpointed", &event);
        Ok(())
    }

    /// The one of the options that Create came with.
    fn criu(&self) -> Result<Criu> {
        let named = Options::load(&self.bundle)?.criu_path;
        let named = Some(Path::new(&named)).filter(|path| !path.as_os_str().is_empty());
        Criu::find(named, std::env::var_os("PATH").as_deref())
    }

    /// Brings it back: its first process, which is ours.
    pub(super) fn restore(&self, pending: &Pending) -> Result<(i32, OwnedFd)> {
        let bundle = Bundle::load(Some(&self.bundle))?;
        let streams = self.lock().init.streams.clone();
        let streams = streams.ok_or_else(|| Error::new(Kind::Internal, "there are no streams"))?;
        let ends = streams.take_child_ends();
        let work = self.bundle.join(WORK);
        let mut born = Restore {
            store: &self.store,
            id: &self.id,
            bundle: &bundle,
            request: Request { no_pivot: pending.no_pivot, ..bundle.request() },
            criu: &self.criu()?,
            images: &pending.images,
            work: Some(&work),
            // What is not in the images needs no leave.
            wishes: Wishes {
                tcp_established: true,
                ext_unix_sk: true,
                file_locks: true,
                ..Wishes::default()
            },
            handover: Handover {
                streams: ends.as_ref().map(|ends| ends.each_ref().map(AsFd::as_fd)),
                ..Handover::default()
            },
        }
        .perform()?;
        if let Some(master) = born.master.take()
            && let Err(error) = streams.attach_master(master)
        {
            return Err(abandon(born.container, error));
        }
        let Born { container, pidfd, .. } = born;
        self.watch_memory(&container);
        Ok((container.record.pid, pidfd))
    }
}
