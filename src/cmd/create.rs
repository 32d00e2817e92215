//! `rrun create`: replaced at merge.

use crate::cmd::args::{CreateArgs, Globals};
use crate::error::{Error, Kind, Result};

/// Not merged yet.
///
/// # Errors
/// Always.
pub fn run(_globals: &Globals, _args: &CreateArgs) -> Result<u8> {
    Err(Error::new(Kind::Internal, "not merged yet"))
}
