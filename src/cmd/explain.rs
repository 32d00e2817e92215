//! `rrun explain`: replaced at merge.

use crate::cmd::args::{ExplainArgs, Globals};
use crate::error::{Error, Kind, Result};

/// Not merged yet.
///
/// # Errors
/// Always.
pub fn run(_globals: &Globals, _args: &ExplainArgs) -> Result<u8> {
    Err(Error::new(Kind::Internal, "not merged yet"))
}
