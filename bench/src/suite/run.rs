//! One part after the other, each in a process with a deadline.

use super::{Pace, Part};
use crate::result::{Problem, Row};
use rrun_harness::wait_until;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a part was good for.
pub type Outcome = Result<Vec<Row>, Problem>;

/// How much longer than it should a part may take on a busy machine.
const PATIENCE: u32 = 3;

/// Runs `part` in a process of its own, which writes its rows into `directory`.
///
/// # Errors
/// The part went wrong, or was not done in time.
pub fn run(part: &Part, pace: Pace, directory: &Path) -> Outcome {
    let problem = |what: String| Problem { part: part.name.to_owned(), what };
    let us = std::env::current_exe().map_err(|why| problem(format!("find ourselves: {why}")))?;
    let file = directory.join(format!("part-{}.json", part.name));
    drop(std::fs::remove_file(&file));
    let mut command = Command::new(us);
    command.args(["part", part.name, "--pace", pace.word(), "--out"]).arg(&file);
    // A group of its own: what hangs is ended with everything that it has started.
    command.stdin(Stdio::null()).process_group(0);
    let takes: Duration = part.takes[pace.pick(0, 1)];
    let mut child = command.spawn().map_err(|why| problem(format!("start it: {why}")))?;
    let ended = wait_until(&mut child, Instant::now() + takes * PATIENCE);
    let Some(status) = ended else {
        let group = nix::unistd::Pid::from_raw(child.id().cast_signed());
        // Nobody is left when it had started nothing.
        nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL).ok();
        return Err(problem(format!(
            "not done after {} s: given up",
            (takes * PATIENCE).as_secs()
        )));
    };
    if !status.success() {
        return Err(problem(format!("{status}: see what it said above")));
    }
    let text = std::fs::read_to_string(&file).map_err(|why| problem(format!("its rows: {why}")))?;
    drop(std::fs::remove_file(&file));
    serde_json::from_str(&text).map_err(|why| problem(format!("its rows: {why}")))
}
