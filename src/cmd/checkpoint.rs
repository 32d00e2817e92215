//! `rrun checkpoint`: a container is written to files, and unless it shall go on, deleted.

use super::args::{CheckpointArgs, Globals};
use crate::error::{Error, Kind, Result};
use crate::launch::criu::Criu;
use crate::runtime::Checkpoint;
use std::fs::{File, OpenOptions};

/// Writes it.
///
/// # Errors
/// As [`Checkpoint::perform`]; the container goes on then.
pub fn run(globals: &Globals, args: &CheckpointArgs) -> Result<u8> {
    let store = super::store(globals)?;
    let container = store.open(&args.id)?;
    let goes_on = args.wishes.leave_running || args.wishes.pre_dump;
    Checkpoint {
        criu: &criu(globals)?,
        images: &args.images,
        work: args.work.as_deref(),
        wishes: args.wishes.clone(),
        status: args.status.map(status).transpose()?,
    }
    .perform(container)?;
    if goes_on {
        return Ok(0);
    }
    match store.open(&args.id).and_then(|container| container.delete(true)) {
        // Who ran it in the foreground was faster.
        Err(error) if error.kind() == Kind::NotFound => Ok(0),
        other => other.map(|()| 0),
    }
}

/// The program.
///
/// # Errors
/// As [`Criu::find`].
pub fn criu(globals: &Globals) -> Result<Criu> {
    Criu::find(globals.criu.as_deref(), std::env::var_os("PATH").as_deref())
}

/// A descriptor that we were started with.
fn status(number: u32) -> Result<File> {
    let path = format!("/proc/self/fd/{number}");
    OpenOptions::new().write(true).open(path).map_err(|error| {
        Error::from(error)
            .with_kind(Kind::Usage)
            .context(format!("--status-fd {number}"))
            .hint("give the number of an open descriptor that can be written to")
    })
}
