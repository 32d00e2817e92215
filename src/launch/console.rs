//! Descriptors handed to whoever started us: a pty's master, a container's pidfd.
//!
//! It knows runc's wire, which containerd, conmon and podman listen for: one connection, one message, a name as its
//! bytes, one descriptor as its right. What a newcomer would get wrong: the message needs at least one byte, for a
//! stream socket carries no rights without.

use super::relay::fit;
use super::socket::Address;
use crate::error::{Error, Kind, Result, ResultExt};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Runc refuses names of this length, and so do readers written after it.
const LONGEST_NAME: usize = 4096;

/// Which process a pidfd is of, in the words of runc's `--pidfd-socket`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PidfdOf {
    /// A container's first process.
    Init,
    /// A process of `exec`.
    Exec,
}

/// Takes in the master of pty `number`: it goes to the console socket if there is one; else we keep it, at once as large
/// as our own terminal, because the program may ask for its size as the first thing.
///
/// # Errors
/// As [`send_console`].
pub fn take_master(master: OwnedFd, number: u32, socket: Option<&Path>) -> Result<Option<OwnedFd>> {
    match socket {
        Some(socket) => {
            send_console(socket, master.as_fd(), &format!("/dev/pts/{number}"))?;
            Ok(None)
        }
        None => {
            fit(master.as_fd());
            Ok(Some(master))
        }
    }
}

/// Hands a pty's master to the listener of `--console-socket`. `pty_name` is the pty's path in the container.
///
/// # Errors
/// When nobody listens at `socket`, or hangs up.
pub fn send_console(socket: &Path, master: BorrowedFd<'_>, pty_name: &str) -> Result<()> {
    send(socket, master, pty_name).context(|| format!("console socket {}", socket.display()))
}

/// Hands a process's pidfd to the listener of `--pidfd-socket`.
///
/// # Errors
/// When nobody listens at `socket`, or hangs up.
pub fn send_pidfd(socket: &Path, pidfd: BorrowedFd<'_>, of: PidfdOf) -> Result<()> {
    let name = match of {
        PidfdOf::Init => "standard",
        PidfdOf::Exec => "setns",
    };
    send(socket, pidfd, name).context(|| format!("pidfd socket {}", socket.display()))
}

fn send(socket: &Path, descriptor: BorrowedFd<'_>, name: &str) -> Result<()> {
    if name.is_empty() || name.len() >= LONGEST_NAME {
        let problem = format!("a descriptor's name must have 1 to {} bytes", LONGEST_NAME - 1);
        return Err(Error::new(Kind::Internal, problem));
    }
    let address = Address::of(socket)?;
    let connection = UnixStream::connect(address.path()).context(|| "connect")?;
    let rights = [descriptor.as_raw_fd()];
    sendmsg::<()>(
        connection.as_raw_fd(),
        &[IoSlice::new(name.as_bytes())],
        &[ControlMessage::ScmRights(&rights)],
        MsgFlags::MSG_NOSIGNAL,
        None,
    )
    .context(|| "send a descriptor")?;
    Ok(())
}
