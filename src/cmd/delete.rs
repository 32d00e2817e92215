//! `rrun delete`: a container's end.

use super::args::{DeleteArgs, Globals};
use crate::error::Result;

/// Deletes it; with `--force` whatever it is doing, and without complaint when there is nothing.
///
/// # Errors
/// `container does not exist`, `cannot delete container "…" that is not stopped: …`.
pub fn run(globals: &Globals, args: &DeleteArgs) -> Result<u8> {
    let store = super::store(globals)?;
    if args.force {
        store.delete_forced(&args.id)?;
    } else {
        store.open(&args.id)?.delete(false)?;
    }
    Ok(0)
}
