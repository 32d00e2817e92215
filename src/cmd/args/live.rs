//! The values of `wait`.
//!
//! What a newcomer would get wrong: without `--format json` the exit code is the container's, so nothing is printed.

use super::taken::Taken;
use super::watch::duration;
use crate::error::Result;
use crate::id::ContainerId;
use std::time::Duration;

/// `wait`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitArgs {
    /// For which container.
    pub id: ContainerId,
    /// `--format json`: how it ended is printed, and the exit code is 0.
    pub json: bool,
    /// `--timeout`.
    pub timeout: Option<Duration>,
}

impl WaitArgs {
    pub(super) fn take(taken: &mut Taken) -> Result<Self> {
        let json = taken.parsed("format", |text| match text {
            "text" => Ok(false),
            "json" => Ok(true),
            _ => Err("write text or json"),
        })?;
        let timeout = taken.parsed("timeout", |text| {
            duration(text).ok_or("write a number with its unit, such as 5s, 500ms or 1m30s")
        })?;
        Ok(Self { id: taken.id()?, json: json.unwrap_or(false), timeout })
    }
}
