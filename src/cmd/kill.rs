//! `rrun kill`: a signal for the first process, or for all.

use super::args::{Globals, KillArgs};
use super::matching;
use crate::container::{Container, Status};
use crate::error::Result;

/// Sends it. Of the containers that a pattern matches, those that have ended are passed over.
///
/// # Errors
/// `container does not exist`, `container not running`.
pub fn run(globals: &Globals, args: &KillArgs) -> Result<u8> {
    let KillArgs { whom, signal, all } = args;
    let kill = |container: &Container| container.kill(signal.0, *all);
    matching::to(
        globals,
        whom,
        |store, id| kill(&store.open(id)?),
        |container| match container.status()? {
            Status::Stopped => Ok(()),
            _ => kill(&container),
        },
    )
}
