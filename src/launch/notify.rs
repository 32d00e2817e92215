//! sd_notify(3) from inside a container to the service manager that started us.
//!
//! ```text
//!  container ── READY=1 ──► <state dir>/notify/notify.sock ── READY=1, MAINPID=n ──► host's $NOTIFY_SOCKET
//! ```
//! The *directory* is mounted into the container when it is made; the socket appears in it when somebody is there to
//! read it, which is `start` (or a foreground `run`): the process that created the container is gone by then.
//!
//! What a newcomer would get wrong: the container is a stranger, and the service manager believes whatever comes from
//! us. A container that could say `MAINPID=`, `FDSTORE=` or `NOTIFYACCESS=` would steer the host's service, so only
//! the assignments that speak of the container's own health pass.

use super::socket::Address;
use crate::error::{Error, Kind, Result, ResultExt};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use std::ffi::OsStr;
use std::fs;
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};

/// Where the directory is mounted in the container.
pub const DIRECTORY_INSIDE: &str = "/run/notify";

/// The container's `NOTIFY_SOCKET`.
pub const SOCKET_INSIDE: &str = "/run/notify/notify.sock";

const DIRECTORY: &str = "notify";
const SOCKET: &str = "notify.sock";

/// The service manager reads no longer messages (systemd: `PIPE_BUF`).
const LONGEST_MESSAGE: usize = 4096;

/// Makes the directory that is to be mounted (`bind,ro,nosuid,nodev,noexec`: connecting needs no write) on [`DIRECTORY_INSIDE`], within the
/// container's state directory.
///
/// # Errors
/// As mkdir(2); an existing one is fine.
pub fn make_directory(container: &Path) -> Result<PathBuf> {
    let directory = container.join(DIRECTORY);
    match fs::DirBuilder::new().mode(0o755).create(&directory) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(Error::from(error).context(format!("make {}", directory.display())))
        }
        _ => Ok(directory),
    }
}

/// Whether a message told that the service is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Not yet.
    Waiting,
    /// `READY=1` was passed on.
    Ready,
}

/// The container's socket, and the way to the host's.
#[derive(Debug)]
pub struct Proxy {
    inside: UnixDatagram,
    host: UnixDatagram,
    main_pid: i32,
}

impl Proxy {
    /// Binds the socket in the directory made by [`make_directory`], if this container has one. `host` is our own
    /// `$NOTIFY_SOCKET`; `main_pid` is the container's first process, as the host numbers it.
    ///
    /// # Errors
    /// When the service manager's socket cannot be reached, or the container's cannot be made.
    pub fn listen(container: &Path, host: &OsStr, main_pid: i32) -> Result<Option<Self>> {
        let path = container.join(DIRECTORY).join(SOCKET);
        if !fs::exists(container.join(DIRECTORY)).context(|| path.display().to_string())? {
            return Ok(None);
        }
        let host = connect(host)?;
        // A `start` that died half way may have left one.
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(Error::from(error).context(format!("remove {}", path.display())));
        }
        let address = Address::of(&path)?;
        let inside = UnixDatagram::bind(address.path())
            .context(|| format!("listen at {}", path.display()))?;
        // The container's user is nobody in particular.
        fs::set_permissions(address.path(), fs::Permissions::from_mode(0o777))
            .context(|| format!("open {} to everybody", path.display()))?;
        Ok(Some(Self { inside, host, main_pid }))
    }

    /// Passes on every message that has arrived, without waiting for more.
    ///
    /// # Errors
    /// When the service manager is gone.
    pub fn forward(&self) -> Result<Readiness> {
        let mut readiness = Readiness::Waiting;
        let mut buffer = [0; LONGEST_MESSAGE];
        loop {
            let message = match rrun_sys::rights::receive(self.inside.as_raw_fd(), &mut buffer) {
                Ok(message) => message,
                Err(rrun_sys::Errno(libc::EAGAIN)) => return Ok(readiness),
                Err(errno) => return Err(Error::from(errno).context("read the notify socket")),
            };
            let descriptor = message.descriptor.map(OwnedFd::from);
            let text = buffer.get(..message.length).unwrap_or_default();
            if message.cut {
                continue;
            }
            if text.trim_ascii_end() == b"BARRIER=1" {
                // Closed by the service manager once it has read everything before it; that is what the container
                // waits for.
                self.say(text, descriptor.as_ref().map(AsFd::as_fd))?;
                continue;
            }
            let (message, told) = translate(text, self.main_pid);
            if !message.is_empty() {
                self.say(&message, None)?;
            }
            if told == Readiness::Ready {
                readiness = told;
            }
        }
    }

    /// Passes messages on until the container is ready, or has ended (`pidfd`).
    ///
    /// # Errors
    /// As [`Proxy::forward`].
    pub fn forward_until_ready(&self, pidfd: BorrowedFd<'_>) -> Result<Readiness> {
        loop {
            let mut both = [
                PollFd::new(self.as_fd(), PollFlags::POLLIN),
                PollFd::new(pidfd, PollFlags::POLLIN),
            ];
            match poll(&mut both, PollTimeout::NONE) {
                Err(nix::errno::Errno::EINTR) => continue,
                other => other.context(|| "wait for the container to be ready")?,
            };
            let [_, end] = both;
            // Asked before reading: what was sent before the end is still passed on.
            let ended = end.any().unwrap_or(false);
            let readiness = self.forward()?;
            if readiness == Readiness::Ready || ended {
                return Ok(readiness);
            }
        }
    }

    fn say(&self, message: &[u8], descriptor: Option<BorrowedFd<'_>>) -> Result<()> {
        let rights: Vec<_> = descriptor.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&rights)];
        let rights = if descriptor.is_some() { &rights[..] } else { &[] };
        let parts = [IoSlice::new(message)];
        let flags = MsgFlags::MSG_NOSIGNAL;
        sendmsg::<()>(self.host.as_raw_fd(), &parts, rights, flags, None)
            .context(|| "send to $NOTIFY_SOCKET")?;
        Ok(())
    }
}

impl AsFd for Proxy {
    /// Readable when there is something to forward.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inside.as_fd()
    }
}

/// What the service manager may hear of a container's message. `READY=1` gains the pid to watch, in the same datagram
/// so that one cannot arrive without the other.
fn translate(message: &[u8], main_pid: i32) -> (Vec<u8>, Readiness) {
    const OF_ITS_HEALTH: [&[u8]; 8] = [
        b"READY",
        b"RELOADING",
        b"STOPPING",
        b"STATUS",
        b"ERRNO",
        b"WATCHDOG",
        b"EXTEND_TIMEOUT_USEC",
        b"MONOTONIC_USEC",
    ];
    let mut passed = Vec::with_capacity(message.len() + 24);
    let mut readiness = Readiness::Waiting;
    for line in message.split(|&byte| byte == b'\n') {
        let Some(equals) = line.iter().position(|&byte| byte == b'=') else { continue };
        if !OF_ITS_HEALTH.contains(&&line[..equals]) {
            continue;
        }
        passed.extend_from_slice(line);
        passed.push(b'\n');
        if line == b"READY=1" {
            readiness = Readiness::Ready;
        }
    }
    if readiness == Readiness::Ready {
        passed.extend_from_slice(format!("MAINPID={main_pid}\n").as_bytes());
    }
    (passed, readiness)
}

/// A socket connected to `$NOTIFY_SOCKET`: a path, or `@` and an abstract name.
fn connect(host: &OsStr) -> Result<UnixDatagram> {
    let describe = || format!("NOTIFY_SOCKET={}", host.display());
    let socket = UnixDatagram::unbound().context(describe)?;
    match host.as_bytes() {
        [b'@', name @ ..] => {
            let address = SocketAddr::from_abstract_name(name).context(describe)?;
            socket.connect_addr(&address).context(describe)?;
        }
        [b'/', ..] => {
            let address = Address::of(Path::new(host))?;
            socket.connect(address.path()).context(describe)?;
        }
        _ => {
            return Err(Error::new(Kind::Usage, format!("{} is no address", describe()))
                .hint("give an absolute path, or @ and an abstract name, or unset it"));
        }
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(message: &str) -> (String, Readiness) {
        let (passed, readiness) = translate(message.as_bytes(), 42);
        (String::from_utf8(passed).unwrap(), readiness)
    }

    #[test]
    fn readiness_is_passed_on_with_the_pid_to_watch() {
        assert_eq!(
            translated("STATUS=up\nREADY=1"),
            ("STATUS=up\nREADY=1\nMAINPID=42\n".into(), Readiness::Ready)
        );
    }

    #[test]
    fn a_container_cannot_steer_the_hosts_service() {
        assert_eq!(
            translated("MAINPID=1\nFDSTORE=1\nNOTIFYACCESS=all\nnonsense\nSTATUS=hi\n"),
            ("STATUS=hi\n".into(), Readiness::Waiting)
        );
    }
}
