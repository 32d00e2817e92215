//! The one limit that a start itself runs into: the number of processes.
//!
//! It knows `pids.max` and `pids.current`; it refuses to know who is counted. What a newcomer would get wrong: the kernel
//! holds the limit against forks only. A clone into cgroup2 is a fork and fails with EAGAIN, as it does for other limits;
//! a process *moved* into a full v1 cgroup is let in, so we count after the move.

use super::Cgroup;
use super::directory::Directory;
use crate::error::{Error, Kind, Result};

/// Refuses what has just been moved in, if it is one too many.
pub fn refuse_if_over(directory: &Directory) -> Result<()> {
    match counts(directory) {
        Some((current, max)) if current > max => Err(full(max)),
        _ => Ok(()),
    }
}

impl Cgroup {
    /// A failure to clone, in the words of the limit when that is what forbade it.
    #[must_use]
    pub fn explain_clone(&self, error: Error) -> Error {
        if error.errno() != Some(libc::EAGAIN) {
            return error;
        }
        let directories = self.unified.iter().chain(&self.v1);
        let mut counts = directories.filter_map(|path| counts(&Directory::open_raw(path).ok()?));
        match counts.find(|(current, max)| current >= max) {
            Some((_, max)) => full(max).with_call("clone3", libc::EAGAIN),
            None => error.hint(
                "a limit on processes is reached: pids.max of a cgroup above, or RLIMIT_NPROC",
            ),
        }
    }
}

fn full(max: u64) -> Error {
    let message = format!("the container may have {max} processes, and this is one more");
    Error::new(Kind::State, message)
        .at("/linux/resources/pids/limit")
        .hint("raise the limit, or end one of its processes")
}

/// The processes in it and the limit; none without the controller or without a limit.
fn counts(directory: &Directory) -> Option<(u64, u64)> {
    let number = |file: &str| directory.read(file).ok()?.trim().parse().ok();
    let max = number("pids.max")?;
    Some((number("pids.current")?, max))
}
