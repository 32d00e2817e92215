//! The values of `wait` and `mounts`.
//!
//! What a newcomer would get wrong: `mounts` is one verb with two actions, as in crun; the action is a positional, and
//! understood here.

use super::taken::{Taken, wrong};
use super::watch::duration;
use crate::error::Result;
use crate::id::ContainerId;
use std::path::PathBuf;
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

/// `mounts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountsArgs {
    /// What to do.
    pub action: MountsAction,
    /// In which container.
    pub id: ContainerId,
    /// The list; `None` is standard input.
    pub file: Option<PathBuf>,
}

/// What `mounts` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MountsAction {
    /// Mounts all of the list, or nothing.
    Add,
    /// Unmounts what was added at the destinations of the list.
    Remove,
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

impl MountsArgs {
    pub(super) fn take(taken: &mut Taken) -> Result<Self> {
        let action = taken.text("ACTION")?.unwrap_or_default();
        let action = match action.as_str() {
            "add" => MountsAction::Add,
            "remove" => MountsAction::Remove,
            _ => {
                return Err(
                    wrong("ACTION", &action, "is not understood").hint("write add or remove")
                );
            }
        };
        let file = taken.required_path("FILE")?;
        let file = (file.as_os_str() != "-").then_some(file);
        Ok(Self { action, id: taken.id()?, file })
    }
}
