//! `rrun delete`: a container's end.

use super::args::{DeleteArgs, Globals};
use super::matching;
use crate::error::Result;

/// Deletes it; with `--force` whatever it is doing, and without complaint when there is nothing.
///
/// # Errors
/// `container does not exist`, `cannot delete container "…" that is not stopped: …`.
pub fn run(globals: &Globals, args: &DeleteArgs) -> Result<u8> {
    let DeleteArgs { whom, force } = args;
    matching::to(
        globals,
        whom,
        |store, id| if *force { store.delete_forced(id) } else { store.open(id)?.delete(false) },
        |container| container.delete(*force),
    )
}
