//! What our caller left open for the program: `--preserve-fds`, and the sockets of systemd's `LISTEN_FDS`.
//!
//! What a newcomer would get wrong: whether a descriptor is open must be asked before we open one ourselves. Later,
//! number 3 may be our log, and the container would get it.

use crate::cmd::args::{CreateArgs, Request};
use crate::error::{Error, Kind, Result};
use std::path::Path;

/// How many sockets systemd left for us, sd_listen_fds(3): it says which process it means.
#[must_use]
pub fn listen_fds() -> Option<u32> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    (number("LISTEN_PID") == Some(std::process::id())).then(|| number("LISTEN_FDS")).flatten()
}

/// How many descriptors, from 3 on, a container gets.
#[must_use]
pub fn preserved(args: &CreateArgs) -> u32 {
    args.preserve_fds.saturating_add(listen_fds().unwrap_or(0))
}

/// Makes sure that what is promised to the program is there.
///
/// # Errors
/// [`Kind::Usage`] for a descriptor that is not open.
pub fn check(request: &Request) -> Result<()> {
    let count = match request {
        Request::Run(args) => preserved(&args.create),
        Request::Create(args) => preserved(args),
        Request::Exec(args) => args.preserve_fds,
        _ => 0,
    };
    let is_closed = |fd: &u32| !Path::new(&format!("/proc/self/fd/{fd}")).is_symlink();
    match (3..3_u32.saturating_add(count)).find(is_closed) {
        None => Ok(()),
        Some(fd) => Err(Error::new(Kind::Usage, format!("descriptor {fd} is not open"))
            .hint("lower --preserve-fds (or LISTEN_FDS), or open it")),
    }
}
