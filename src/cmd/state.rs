//! `rrun state`: what a container is, as observed now.

use super::args::{Globals, StateArgs};
use crate::error::{Error, Kind, Result};

/// Prints the state as JSON, indented as runc does.
///
/// # Errors
/// `container does not exist`; whatever stands in the way of observing it.
pub fn run(globals: &Globals, args: &StateArgs) -> Result<u8> {
    let container = super::store(globals)?.open(&args.id)?;
    let json = serde_json::to_string_pretty(&container.state()?)
        .map_err(|error| Error::new(Kind::Unsupported, format!("write the state: {error}")))?;
    super::print(&(json + "\n"))
}
