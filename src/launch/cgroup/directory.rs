//! A cgroup directory, opened once; its files are reached through the descriptor.
//!
//! It knows open, read and write, and answers with the bare errno, since only the caller knows what was meant.
//! What a newcomer would get wrong: a value goes out in one write(2). cgroupfs parses each call on its own, so a
//! buffered writer that splits a value sets two limits, one of them wrong.

use crate::error::{Error, Result};
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use rrun_sys::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

pub struct Directory(OwnedFd);

type Raw<T> = std::result::Result<T, Errno>;

fn raw(errno: nix::errno::Errno) -> Errno {
    Errno(errno as i32)
}

impl Directory {
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_raw(path)
            .map_err(|errno| Error::kernel(format!("open({path:?}, O_DIRECTORY)"), errno.0))
    }

    pub fn open_raw(path: &Path) -> Raw<Self> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        open(path, flags, Mode::empty()).map(Self).map_err(raw)
    }

    pub fn open_file(&self, file: &str, flags: OFlag) -> Raw<OwnedFd> {
        openat(&self.0, file, flags | OFlag::O_CLOEXEC, Mode::empty()).map_err(raw)
    }

    pub fn write(&self, file: &str, value: &str) -> Raw<()> {
        let fd = self.open_file(file, OFlag::O_WRONLY)?;
        loop {
            match nix::unistd::write(&fd, value.as_bytes()) {
                Ok(_) => return Ok(()),
                Err(nix::errno::Errno::EINTR) => {}
                Err(errno) => return Err(raw(errno)),
            }
        }
    }

    pub fn read(&self, file: &str) -> Raw<String> {
        read_all(&self.open_file(file, OFlag::O_RDONLY)?)
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<Directory> for OwnedFd {
    fn from(directory: Directory) -> Self {
        directory.0
    }
}

/// Reads a cgroup file from its start to its end. A read shorter than the buffer is not the end: `cgroup.procs` comes in
/// pages.
pub fn read_all(file: &OwnedFd) -> Raw<String> {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let offset = libc::off_t::try_from(text.len()).map_err(|_| Errno(libc::EFBIG))?;
        match nix::sys::uio::pread(file, &mut buffer, offset) {
            Ok(0) => return String::from_utf8(text).map_err(|_| Errno(libc::EILSEQ)),
            Ok(count) => text.extend_from_slice(&buffer[..count]),
            Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(raw(errno)),
        }
    }
}
