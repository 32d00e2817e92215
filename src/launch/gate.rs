//! The start gate: a socket in the container's directory on which the created child waits for `start`; and what is told
//! to a seccomp agent.
//!
//! What a newcomer would get wrong: the gate's presence *is* the status "created". `start` removes it once the program
//! runs, and a second `start` finds none.

use super::socket::Address;
use crate::error::{Error, Kind, Result, ResultExt};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen as listen_on,
    socket,
};
use rrun_sys::rights;
use rrun_sys::wire::{self, Frame, Tag};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Where the gate of a container's directory is.
#[must_use]
pub fn socket_path(directory: &Path) -> PathBuf {
    directory.join("gate")
}

fn new_socket() -> Result<OwnedFd> {
    Ok(socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?)
}

/// Makes it, for the child to accept on.
///
/// # Errors
/// As bind(2) and listen(2).
pub fn listen(directory: &Path) -> Result<OwnedFd> {
    let address = Address::of(&socket_path(directory))?;
    let socket = new_socket()?;
    bind(socket.as_raw_fd(), &UnixAddr::new(address.path())?)
        .map_err(Error::from)
        .context(|| format!("make the gate in {}", directory.display()))?;
    listen_on(&socket, Backlog::new(1)?)?;
    Ok(socket)
}

/// Lets the child through its gate, and waits until it has become its program. `None`: it has; else the step that
/// failed.
///
/// # Errors
/// [`Kind::State`] when nobody waits at the gate.
pub fn release(directory: &Path) -> Result<Option<Frame>> {
    let address = Address::of(&socket_path(directory))?;
    let socket = new_socket()?;
    connect(socket.as_raw_fd(), &UnixAddr::new(address.path())?).map_err(|errno| {
        Error::new(Kind::State, "the container does not wait to be started")
            .with_call("connect(gate)", errno as i32)
    })?;
    rights::send(socket.as_raw_fd(), &Frame::new(Tag::Proceed).to_bytes(), None)?;
    let mut starting = false;
    loop {
        match wire::receive(socket.as_raw_fd())? {
            None if starting => return Ok(None),
            None => {
                return Err(Error::new(
                    Kind::Child,
                    "the container ended before its program started",
                )
                .hint("if its memory limit is very low, raise linux.resources.memory.limit"));
            }
            Some((frame, _)) if frame.tag == Tag::Failed => return Ok(Some(frame)),
            Some((frame, _)) => starting |= frame.tag == Tag::Starting,
        }
    }
}

/// The pid behind a pidfd, as we number it.
///
/// # Errors
/// [`Kind::Kernel`] when /proc does not tell.
pub fn pid_of(pidfd: BorrowedFd<'_>) -> Result<i32> {
    let path = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
    let text = std::fs::read_to_string(&path).context(|| format!("read {path}"))?;
    text.lines()
        .find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok())
        .filter(|pid| *pid > 0)
        .ok_or_else(|| Error::new(Kind::Kernel, format!("{path} names no pid")))
}

/// The runtime-spec's `ContainerProcessState`, sent with the notify descriptor.
#[must_use]
pub fn listener_message(pid: i32, metadata: Option<&str>, state: &str) -> String {
    let state: serde_json::Value = serde_json::from_str(state).unwrap_or_default();
    let mut message = serde_json::json!({
        "ociVersion": state.get("ociVersion"),
        "fds": ["seccompFd"],
        "pid": pid,
        "state": state,
    });
    if let (Some(metadata), Some(object)) = (metadata, message.as_object_mut()) {
        object.insert("metadata".to_owned(), metadata.into());
    }
    message.to_string()
}
