//! Exclusive handles: who may change a container right now.
//!
//! It knows flock(2); it refuses to know processes. What a newcomer would get wrong: a lock belongs to the open file, not
//! to the process, and the container's first process inherits that file. It must be *unlocked*, not merely closed, or a
//! created container would stay locked until its start; `Flock` does so when dropped.

use super::debris::remove_directory;
use super::record::Record;
use super::status::{Status, Verb, demand};
use super::{Container, not_found};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::id::ContainerId;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::cell::OnceCell;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// An exclusive lock on a container's directory, which was still there when it was taken.
#[derive(Debug)]
pub struct Lock {
    _flock: Flock<File>,
}

impl Lock {
    /// Waits for it; `None` when the directory is not there (any more).
    pub(super) fn exclusive(directory: &Path) -> Result<Option<Self>> {
        Self::take(directory, FlockArg::LockExclusive)
    }

    /// Takes it if nobody else has it; `None` when somebody has, or the directory is not there (any more).
    pub(super) fn exclusive_now(directory: &Path) -> Result<Option<Self>> {
        Self::take(directory, FlockArg::LockExclusiveNonblock)
    }

    fn take(directory: &Path, how: FlockArg) -> Result<Option<Self>> {
        let what = || format!("lock {}", directory.display());
        let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
        let file = match OpenOptions::new().read(true).custom_flags(flags).open(directory) {
            Ok(file) => file,
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)) => {
                return Ok(None);
            }
            Err(error) => return Err(error).context(what),
        };
        match Flock::lock(file, how) {
            // Whoever had it before may have removed the directory, and another may have made one of that name.
            Ok(flock) => Ok(is_still_at(&flock, directory).then_some(Self { _flock: flock })),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, errno)) => Err(errno).context(what),
        }
    }
}

fn is_still_at(open: &File, path: &Path) -> bool {
    let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    match (open.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(open), Ok(there)) => identity(open) == identity(there),
        (Err(_), _) | (_, Err(_)) => false,
    }
}

/// An id that is ours: the directory exists, is locked, and goes away again unless it is kept.
#[derive(Debug)]
pub struct Reserved {
    directory: PathBuf,
    /// `None` once it is a container.
    lock: Option<Lock>,
    drafts: OnceCell<File>,
}

impl Reserved {
    /// Locks `directory`, which the caller has just made; on failure it is removed.
    pub(super) fn new(directory: PathBuf, id: &ContainerId) -> Result<Self> {
        match Lock::exclusive(&directory) {
            Ok(Some(lock)) => Ok(Self { directory, lock: Some(lock), drafts: OnceCell::new() }),
            Ok(None) => {
                let text = format!("container {:?} was deleted while it was created", id.as_str());
                Err(Error::new(Kind::State, text))
            }
            Err(error) => Err(match remove_directory(&directory) {
                Ok(()) => error,
                Err(undo) => error.while_undoing(undo),
            }),
        }
    }

    /// `<root>/<id>`, mode 0700. For the gate, the notify socket and whatever else must vanish with the container.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Notes what is known so far, in place of what was: for `state` meanwhile, and for who cleans up after us should we
    /// be killed.
    ///
    /// # Errors
    /// [`Kind::Kernel`] when it cannot be written.
    pub fn draft(&self, record: &Record) -> Result<()> {
        record.draft(&self.directory, &self.drafts)
    }

    /// The container is complete, with `record`, the last draft: it is one for everybody else from now on.
    ///
    /// # Errors
    /// [`Kind::Kernel`] when there is no draft; nothing is left then.
    pub fn into_container(mut self, record: Record) -> Result<Container> {
        Record::publish(&self.directory)?;
        self.lock = None;
        Ok(Container::new(record, self.directory.clone()))
    }

    /// Gives the id back; what dropping does, but with an answer.
    ///
    /// # Errors
    /// [`Kind::Kernel`] when something in the directory cannot be removed.
    pub fn discard(mut self) -> Result<()> {
        let held = self.lock.take();
        let answer = remove_directory(&self.directory);
        drop(held);
        answer
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if self.lock.is_some()
            && let Err(error) = remove_directory(&self.directory)
        {
            crate::log::warn(&error.to_string());
        }
    }
}

/// A container that nobody else changes, in a status that fits the verb it was claimed for.
#[derive(Debug)]
pub struct Claimed {
    container: Container,
    /// What was observed under the lock.
    pub status: Status,
    _lock: Lock,
}

impl Claimed {
    /// Locks `container`, waiting for who holds it, and observes it then.
    pub(super) fn new(container: Container, verb: Verb) -> Result<Self> {
        let Some(lock) = Lock::exclusive(&container.directory)? else {
            return Err(not_found(&container.directory));
        };
        let status = container.status()?;
        demand(verb, status, &container.record.id)?;
        Ok(Self { container, status, _lock: lock })
    }
}

impl std::ops::Deref for Claimed {
    type Target = Container;

    fn deref(&self) -> &Container {
        &self.container
    }
}
