//! What a process does between fork and exec: lets itself be traced, or binds itself to us.
//!
//! What a newcomer would get wrong: nothing may be allocated there, because another thread may hold the allocator's lock.

use nix::sys::prctl::set_pdeathsig;
use nix::sys::ptrace;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Lets whoever starts `command` trace it from its first instruction.
pub fn traced(command: &mut Command) {
    let traceme = || ptrace::traceme().map_err(std::io::Error::from);
    // SAFETY: between fork and exec this makes one system call, and builds an error of a number.
    unsafe { command.pre_exec(traceme) };
}

/// Lets `command` be killed when the thread that starts it ends, so that it does not outlive a killed bench; and keeps it
/// from leaving its core behind when it crashes.
pub fn bound_to_us(command: &mut Command) {
    let bind = || {
        set_pdeathsig(Signal::SIGKILL).and_then(|()| setrlimit(Resource::RLIMIT_CORE, 0, 0))?;
        Ok(())
    };
    // SAFETY: between fork and exec this makes two system calls, and builds an error of a number.
    unsafe { command.pre_exec(bind) };
}
