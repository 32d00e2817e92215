//! Layer 6, the verbs as calls: a container is created, started and entered by whoever has a store and a bundle.
//!
//! It knows what the command line and the shim have in common. It refuses to know argv, environment and standard
//! streams: what a caller has is in its [`Handover`]. What a newcomer would get wrong: these are called from processes
//! with many threads, so nothing here may change what a process has only once: directory, mask, signals, environment.

mod bundle;
mod checkpoint;
mod create;
mod exec;
mod images;
mod restore;
mod start;

pub use bundle::{Bundle, check_terminal};
pub use checkpoint::{CONFIG_ANNOTATION, Checkpoint};
pub use create::{Born, Create, abandon};
pub use exec::{Exec, Running};
pub use restore::Restore;
pub use start::{run_poststart, start};

use crate::error::{Result, ResultExt};
use crate::launch::fault::point;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

/// What a caller hands to a new process, and gets of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Handover<'a> {
    /// Standard input, output and error; the caller's own without. A terminal takes their place.
    pub streams: Option<[BorrowedFd<'a>; 3]>,
    /// Who gets the master of its terminal; the caller without.
    pub console_socket: Option<&'a Path>,
    /// Who gets its pidfd, beside the caller.
    pub pidfd_socket: Option<&'a Path>,
    /// Where its pid is written once it is ready.
    pub pid_file: Option<&'a Path>,
    /// How many of the caller's descriptors, from 3 on, it gets.
    pub preserve_fds: u32,
}

/// Writes a pid whole or not at all: who waits for the file must never read half a number.
fn write_pid_file(file: &Path, pid: i32) -> Result<()> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let draft: PathBuf = file.with_file_name(format!(".{name}.draft"));
    let written = std::fs::write(&draft, pid.to_string())
        .context(|| format!("write pid file {}", draft.display()))
        .and_then(|()| point("pid file"))
        .and_then(|()| {
            std::fs::rename(&draft, file).context(|| format!("write pid file {}", file.display()))
        });
    if written.is_err() {
        // What failed may be that there was nowhere to write to; then there is no draft either.
        std::fs::remove_file(&draft).ok();
    }
    written
}
