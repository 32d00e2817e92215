//! The values of `kill` and `delete`: one container, or all whose ids match.
//!
//! What a newcomer would get wrong: with `--regex` the id is no id, and what an id may not hold is the very thing that
//! makes it a pattern.

use super::signal::Signal;
use super::taken::Taken;
use crate::error::{Error, Kind, Result};
use crate::id::ContainerId;

/// Whom a verb is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// One container.
    One(ContainerId),
    /// `--regex`: all whose ids match this POSIX extended regular expression.
    Matching(String),
}

/// `kill`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KillArgs {
    /// Whom.
    pub whom: Whom,
    /// SIGTERM when absent.
    pub signal: Signal,
    /// `--all`.
    pub all: bool,
}

/// `delete`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteArgs {
    /// Whom.
    pub whom: Whom,
    /// `--force`.
    pub force: bool,
}

impl KillArgs {
    pub(super) fn take(taken: &mut Taken) -> Result<Self> {
        Ok(Self {
            whom: Whom::take(taken)?,
            signal: taken.parsed("SIGNAL", Signal::parse)?.unwrap_or(Signal::TERM),
            all: taken.on("all")?,
        })
    }
}

impl DeleteArgs {
    pub(super) fn take(taken: &mut Taken) -> Result<Self> {
        Ok(Self { whom: Whom::take(taken)?, force: taken.on("force")? })
    }
}

impl Whom {
    fn take(taken: &mut Taken) -> Result<Self> {
        if !taken.on("regex")? {
            return Ok(Self::One(taken.id()?));
        }
        let pattern = taken.text("ID")?.filter(|pattern| !pattern.is_empty());
        // An empty one would match every container, which nobody who has an unset variable means.
        pattern.map(Self::Matching).ok_or_else(|| {
            Error::new(Kind::Usage, "--regex: the pattern is empty")
                .hint("write one that ids are to match, such as '^web-'")
        })
    }
}
