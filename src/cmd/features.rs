//! `rrun features`: replaced at merge.

use crate::cmd::args::Globals;
use crate::error::{Error, Kind, Result};

/// Not merged yet.
///
/// # Errors
/// Always.
pub fn run(_globals: &Globals) -> Result<u8> {
    Err(Error::new(Kind::Internal, "not merged yet"))
}
