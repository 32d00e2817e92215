//! The first thing `create`, `run`, `exec` and `mounts` do: go on from an executable that no container can write.
//!
//! It knows the words for what can go wrong; how it works is in [`rrun_sys::sealed`]. What a newcomer would get wrong:
//! [`ensure`] does not return where it has work to do. The same command line starts again, and comes by here a second
//! time, so nothing may be printed, opened or read from standard input before.

use crate::error::{Error, Result, ResultExt};
use rrun_sys::sealed::{self, Argument};
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

/// Returns in a program whose file nobody can write, called `name` in `ps`; see [`rrun_sys::sealed`].
///
/// # Errors
/// Without /proc; and where neither a mount nor a memory file may be made or executed.
pub fn ensure(name: &CStr) -> Result<()> {
    if sealed::is_sealed().context(|| "statfs(\"/proc/self/exe\")")? {
        // execveat(2) of a descriptor names the process after the descriptor's number.
        return nix::sys::prctl::set_name(name).context(|| "prctl(PR_SET_NAME)");
    }
    let file = program()?;
    let arguments: Vec<CString> = std::env::args_os()
        .map(|argument| CString::new(argument.into_vec()))
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| Error::from(std::io::Error::from(error)))?;
    let mut argv: Vec<Argument<'_>> =
        arguments.iter().map(|argument| Argument::from(argument.as_c_str())).collect();
    argv.push(Argument::END);
    let errno = sealed::execute(file.as_raw_fd(), &argv);
    Err(Error::from(errno).context("execute the protected copy of rrun"))
}

/// This program, where nobody can write to it: what is executed from here need not protect itself.
///
/// # Errors
/// As [`ensure`].
pub fn program() -> Result<OwnedFd> {
    let file = match sealed::read_only_mount() {
        Err(rrun_sys::Errno(libc::EPERM)) => {
            sealed::sealed_copy().context(|| "copy rrun into a sealed memory file")
        }
        other => other.context(|| "make a read-only mount of rrun"),
    };
    Ok(file.map_err(|error| error.context("protect rrun from its containers"))?.into())
}
