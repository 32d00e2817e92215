//! `rrun kill`: a signal for the first process, or for all.

use super::args::{Globals, KillArgs};
use crate::error::Result;

/// Sends it.
///
/// # Errors
/// `container does not exist`, `container not running`.
pub fn run(globals: &Globals, args: &KillArgs) -> Result<u8> {
    super::store(globals)?.open(&args.id)?.kill(args.signal.0, args.all)?;
    Ok(0)
}
