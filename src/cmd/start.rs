//! `rrun start`: a created container goes through its gate.

use crate::cmd::args::{Globals, StartArgs};
use crate::error::Result;

/// Starts it.
///
/// # Errors
/// [`crate::error::Kind::State`] when it is not created, and what the child could not do.
pub fn run(globals: &Globals, args: &StartArgs) -> Result<u8> {
    let container = super::store(globals)?.open(&args.id)?;
    crate::runtime::start(container, super::service_manager().as_deref())?;
    Ok(0)
}
