//! `rrun state`: what a container is, as observed now.

use super::args::{Globals, StateArgs};
use crate::container::{Found, State, Status};
use crate::error::{Error, Kind, Result};

/// Prints the state as JSON, indented as runc does.
///
/// # Errors
/// `container does not exist`; whatever stands in the way of observing it.
pub fn run(globals: &Globals, args: &StateArgs) -> Result<u8> {
    let store = super::store(globals)?;
    if let Found::Creating(Some(draft)) = store.find(&args.id)? {
        return print(&draft.state(Status::Creating));
    }
    print(&store.open(&args.id)?.state()?)
}

fn print(state: &State<'_>) -> Result<u8> {
    let json = serde_json::to_string_pretty(state)
        .map_err(|error| Error::new(Kind::Unsupported, format!("write the state: {error}")))?;
    super::print(&(json + "\n"))
}
