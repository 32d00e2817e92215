//! `rrun start`: replaced at merge.

use crate::cmd::args::{Globals, StartArgs};
use crate::error::{Error, Kind, Result};

/// Not merged yet.
///
/// # Errors
/// Always.
pub fn run(_globals: &Globals, _args: &StartArgs) -> Result<u8> {
    Err(Error::new(Kind::Internal, "not merged yet"))
}
