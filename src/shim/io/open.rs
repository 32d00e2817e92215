//! Streams are opened: what the child gets, and what the shim holds meanwhile.
//!
//! ```text
//!  child ──O_WRONLY──► fifo ──► engine          shim: O_RDWR, so that neither end is ever missing
//! ```
//! Nothing is copied. What a newcomer would get wrong: the last reader of a fifo takes the writer's life with it
//! (SIGPIPE), and what was not read is gone with the last of both ends. An engine that restarts would do both.

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::sys::stat::{Mode, SFlag, fstat};
use nix::unistd::{Gid, Uid, fchown, pipe2};
use rrun::error::{Error, Result, ResultExt};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Whom fifos and pipes are given to (`io_uid`, `io_gid`), so that a container's user can open /dev/stderr anew.
#[derive(Debug, Clone, Copy, Default)]
pub struct Owner {
    /// The user, on the host.
    pub uid: Option<u32>,
    /// The group, on the host.
    pub gid: Option<u32>,
}

impl Owner {
    pub fn take(self, fd: &OwnedFd) -> Result<()> {
        if self.uid.is_none() && self.gid.is_none() {
            return Ok(());
        }
        fchown(fd, self.uid.map(Uid::from_raw), self.gid.map(Gid::from_raw))
            .context(|| format!("give a stream to io_uid {:?}, io_gid {:?}", self.uid, self.gid))
    }
}

/// An output stream.
pub struct Output {
    /// For the child; blocking.
    pub child: OwnedFd,
    /// What keeps the way open: a fifo.
    pub held: Option<OwnedFd>,
}

/// Opens /dev/null.
pub fn null(flags: OFlag) -> Result<OwnedFd> {
    open_path(Path::new("/dev/null"), flags)
}

/// Opens what is at `path` for writing.
pub fn output(field: &str, path: &Path, owner: Owner) -> Result<Output> {
    // A fifo opens at once this way, reader or not.
    let held = open_path(path, OFlag::O_RDWR | OFlag::O_NONBLOCK)
        .map_err(|error| missing(field, path, error))?;
    if !is_fifo(&held)? {
        let flags = OFlag::O_WRONLY | OFlag::O_APPEND;
        let child = open_path(path, flags).map_err(|error| missing(field, path, error))?;
        return Ok(Output { child, held: None });
    }
    let child = open_again(&held, OFlag::O_WRONLY)?;
    owner.take(&child)?;
    Ok(Output { child, held: Some(held) })
}

/// Opens the file at `path` to append to, and makes it and the directories above when they are missing.
pub fn file(field: &str, path: &Path) -> Result<Output> {
    let appended = || -> Result<OwnedFd> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let flags = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT | OFlag::O_CLOEXEC;
        let mode = Mode::from_bits_truncate(0o644);
        Ok(open(path, flags | OFlag::O_NOCTTY, mode)?)
    };
    let child = appended().context(|| format!("{field}: append to {}", path.display()))?;
    Ok(Output { child, held: None })
}

/// Standard input of a process without terminal.
pub enum Input {
    /// Given to the child as it is.
    Direct(OwnedFd),
    /// A fifo: its reading end, and a writing end so that it has no end of file before its time.
    Fifo { reader: OwnedFd, writer: OwnedFd },
}

/// Opens what is at `path` for reading.
pub fn input(path: &Path) -> Result<Input> {
    let reader = open_path(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK)
        .map_err(|error| missing("stdin", path, error))?;
    if !is_fifo(&reader)? {
        set_nonblocking(&reader, false)?;
        return Ok(Input::Direct(reader));
    }
    let writer = open_again(&reader, OFlag::O_WRONLY | OFlag::O_NONBLOCK)?;
    Ok(Input::Fifo { reader, writer })
}

/// A pipe: its reading and its writing end.
pub fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    pipe2(OFlag::O_CLOEXEC).context(|| "pipe2")
}

/// Makes the open file behind `fd` wait, or not. It is one for all duplicates.
pub fn set_nonblocking(fd: &OwnedFd, nonblocking: bool) -> Result<()> {
    let flags = fcntl(fd, FcntlArg::F_GETFL).context(|| "fcntl(F_GETFL)")?;
    let mut flags = OFlag::from_bits_retain(flags);
    flags.set(OFlag::O_NONBLOCK, nonblocking);
    fcntl(fd, FcntlArg::F_SETFL(flags)).map(drop).context(|| "fcntl(F_SETFL)")
}

/// The same fifo, opened anew: an open file of its own, with flags of its own.
pub fn open_again(fd: &OwnedFd, flags: OFlag) -> Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    open_path(Path::new(&path), flags)
}

fn open_path(path: &Path, flags: OFlag) -> Result<OwnedFd> {
    loop {
        match open(path, flags | OFlag::O_CLOEXEC | OFlag::O_NOCTTY, Mode::empty()) {
            Err(Errno::EINTR) => {}
            other => {
                return other.map_err(|errno| {
                    Error::kernel(format!("open({path:?}, {flags:?})"), errno as i32)
                });
            }
        }
    }
}

fn is_fifo(fd: &OwnedFd) -> Result<bool> {
    let stat = fstat(fd).context(|| "fstat")?;
    Ok(stat.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFIFO.bits())
}

fn missing(field: &str, path: &Path, error: Error) -> Error {
    let error = error.context(format!("{field} {:?}", path.display().to_string()));
    if path.exists() { error } else { error.hint("the engine makes its fifos before it asks") }
}

/// Whether a descriptor reports `events` right now.
pub fn polls(fd: BorrowedFd<'_>, events: nix::poll::PollFlags) -> bool {
    use nix::poll::{PollFd, PollTimeout, poll};
    let mut asked = [PollFd::new(fd, events)];
    // An interrupted poll has not looked.
    while poll(&mut asked, PollTimeout::ZERO) == Err(Errno::EINTR) {}
    let [asked] = asked;
    asked.revents().is_some_and(|answer| answer.intersects(events))
}
