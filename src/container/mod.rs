//! Layer 5, identity over time: a container between the process that created it and the one that deletes it.
//!
//! ```text
//! reserve ─► Creating ─record─► Created ─gate passed─► Running ⇄ Paused
//!               │ creator killed    │ kill, exit          │ exit     │ kill
//!               ▼                   ▼                     ▼          ▼
//!             debris             Stopped ◄────────────────┴──────────┘ ─delete─► gone
//! ```
//!
//! It knows what was recorded and what can be observed. It refuses to know how a container is made.
//! What a newcomer would get wrong: every signal and every wait goes through a pidfd whose start time was checked; a
//! bare pid may be somebody else's by now.

mod debris;
mod ending;
pub mod exit;
mod handles;
mod hot;
pub mod process;
mod record;
mod state;
mod status;
mod store;
mod verbs;

pub use handles::{Claimed, Reserved};
pub use record::{LateHooks, NamespaceBits, Record, VERSION};
pub use state::State;
pub use status::{ProcFacts, Status, Verb, allows, demand, observe};
pub use store::{Found, Store};

use crate::error::{Error, Kind, Result, ResultExt};
use process::ProcStat;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// A container: its record, and where it lives.
#[derive(Debug)]
pub struct Container {
    /// What was written when it was created.
    pub record: Record,
    directory: PathBuf,
}

impl Container {
    fn new(record: Record, directory: PathBuf) -> Self {
        Self { record, directory }
    }

    /// `<root>/<id>`.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The gate's socket: present as long as the first process waits for `start`.
    #[must_use]
    pub fn gate(&self) -> PathBuf {
        self.directory.join("gate")
    }

    /// Observes what it is doing now.
    ///
    /// # Errors
    /// [`Kind::Kernel`] when /proc or the cgroup cannot be read.
    pub fn status(&self) -> Result<Status> {
        let mut facts =
            ProcFacts { stat: ProcStat::read(self.record.pid)?, gate: false, frozen: false };
        // A dead container's cgroup and gate say nothing, and its cgroup may be gone.
        if observe(&self.record, &facts) != Status::Stopped {
            facts.gate = self.gate_is_closed()?;
            facts.frozen = self.record.cgroup.is_frozen()?;
        }
        Ok(observe(&self.record, &facts))
    }

    fn gate_is_closed(&self) -> Result<bool> {
        match std::fs::symlink_metadata(self.gate()) {
            Ok(_) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(error) => Err(error).context(|| format!("stat {}", self.gate().display())),
        }
    }

    /// A descriptor of the first process, its start time checked.
    ///
    /// # Errors
    /// [`Kind::State`] (`container not running`) when it has ended; [`Kind::Kernel`] when the kernel refuses.
    pub fn pidfd(&self) -> Result<OwnedFd> {
        match process::pidfd_of(self.record.pid, self.record.start_time)? {
            Some(pidfd) => Ok(pidfd),
            None => Err(not_running(&self.record)),
        }
    }

    /// Takes it for `verb`: waits until nobody else changes it, and checks that its status fits.
    ///
    /// # Errors
    /// [`Kind::State`] when it does not; [`Kind::NotFound`] when it was deleted meanwhile.
    pub fn claim(self, verb: Verb) -> Result<Claimed> {
        Claimed::new(self, verb)
    }
}

fn not_running(record: &Record) -> Error {
    Error::new(Kind::State, format!("container not running: {:?}", record.id.as_str()))
}

/// `container does not exist`, the words every caller looks for, and where it was looked for.
fn not_found(directory: &Path) -> Error {
    let id = directory.file_name().unwrap_or_default();
    let root = directory.parent().unwrap_or(directory).display();
    Error::new(Kind::NotFound, format!("container does not exist: {id:?} in {root}"))
}
