//! `rrun pause`: every process stays where it is.

use super::args::{Globals, PauseArgs};
use crate::error::Result;

/// Pauses it.
///
/// # Errors
/// `container does not exist`, `container not running`; a container without a cgroup.
pub fn run(globals: &Globals, args: &PauseArgs) -> Result<u8> {
    super::store(globals)?.open(&args.id)?.pause()?;
    Ok(0)
}
