//! `rrun resume`: a paused container goes on.

use super::args::{Globals, ResumeArgs};
use crate::error::Result;

/// Resumes it.
///
/// # Errors
/// `container does not exist`, `container not running`; one that is not paused.
pub fn run(globals: &Globals, args: &ResumeArgs) -> Result<u8> {
    super::store(globals)?.open(&args.id)?.resume()?;
    Ok(0)
}
