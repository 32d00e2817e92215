//! `rrun wait`: until a container ends, and how it ended.
//!
//! It knows how to say it. What a newcomer would get wrong: only a parent is told how a process ended. Anybody else looks
//! at the zombie before it is reaped, or asks a kernel that remembers; see [`crate::container::exit`].

use super::args::{Globals, WaitArgs};
use crate::container::exit::Ending;
use crate::error::{Error, Kind, Result};
use serde_json::json;

/// Waits; the answer is the container's exit code, or with `--format json` a line that has it.
///
/// # Errors
/// `container does not exist`; [`Kind::State`] when the time is up; [`Kind::Host`] when it has ended and nobody can
/// tell how.
pub fn run(globals: &Globals, args: &WaitArgs) -> Result<u8> {
    let container = super::store(globals)?.open(&args.id)?;
    let Some(ending) = container.wait(args.timeout)? else {
        let seconds = args.timeout.unwrap_or_default().as_secs_f64();
        let problem = format!("container {:?} has not ended in {seconds} s", args.id.as_str());
        return Err(Error::new(Kind::State, problem).hint("give it more time with --timeout"));
    };
    if args.json {
        let (code, signal) = match ending {
            Ending::Exited(code) => (Some(code), None),
            Ending::Killed(signal) => (ending.status(), Some(signal)),
            Ending::Unknown => (None, None),
        };
        let line =
            json!({ "id": args.id, "status": "stopped", "exitCode": code, "signal": signal });
        return super::print(&format!("{line}\n"));
    }
    ending.status().ok_or_else(|| {
        Error::new(
            Kind::Host,
            format!("container {:?} has ended, nobody knows how", args.id.as_str()),
        )
        .hint(
            "only its parent was told: wait before it ends, on Linux 6.15 or newer, or use \
                 --format json to learn only that it has ended",
        )
    })
}
