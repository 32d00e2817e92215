//! `containerd-shim-rrun-v2`: containerd's side of rrun, one process per pod, the runtime within it.
//!
//! It knows which part of the program was asked for, and nothing of any of them. What a newcomer would get wrong: this is a
//! root of its own. `crate` is the shim here and `rrun` the library; the library knows nothing of the shim.

#[allow(dead_code, reason = "the task service is not here yet")]
mod io;
#[allow(dead_code, unused_imports, reason = "the task service is not here yet")]
mod watch;

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::FAILURE
}
