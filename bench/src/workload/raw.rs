//! Processes by `fork`.
//!
//! It refuses more than one thread: of the others, their locks alone would be in the child. What a newcomer would get
//! wrong: a child that returned would do the rest of its parent's work, too; here it can't.

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};

/// A child; dropped, it is killed and collected.
#[derive(Debug)]
pub struct Forked(Pid);

impl Forked {
    /// Forks a child that does `work` and ends.
    pub fn doing(work: impl FnOnce()) -> Result<Self, String> {
        // SAFETY: no op has started a thread, so all that the child calls is in a whole state.
        match unsafe { fork() }.map_err(|why| format!("fork: {why}"))? {
            ForkResult::Parent { child } => Ok(Self(child)),
            ForkResult::Child => {
                work();
                // SAFETY: a number; the call does not return, and runs nothing of the parent's.
                unsafe { libc::_exit(0) }
            }
        }
    }

    /// Waits for its end.
    pub fn end(self) -> Result<(), String> {
        let pid = self.0;
        std::mem::forget(self);
        waitpid(pid, None).map(drop).map_err(|why| format!("wait: {why}"))
    }
}

impl Drop for Forked {
    fn drop(&mut self) {
        // It is our child and nobody has collected it, so the number is its own.
        kill(self.0, Signal::SIGKILL).ok();
        waitpid(self.0, None).ok();
    }
}
