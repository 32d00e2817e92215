//! Bytes from one descriptor to another, as far as both are ready.
//!
//! It refuses to wait. What a newcomer would get wrong: an idle stream owns no buffer. What was read goes through the
//! stack; only what could not be written is kept, and then nothing more is read (back-pressure).

use nix::errno::Errno;
use nix::unistd::{read, write};
use std::os::fd::BorrowedFd;

/// One page: what a pipe that polls writable takes at once, and about what a pty hands out.
const CHUNK: usize = 4096;

/// Chunks in one go, so that one busy stream does not keep the others waiting.
const TURNS: usize = 16;

/// Why a flow stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Nothing to read now.
    Empty,
    /// No room to write now.
    Full,
    /// Others are waiting; there may be more.
    Tired,
    /// Everything was read and written.
    Ended,
    /// Nobody will read it any more.
    Unwanted,
}

/// What was read and not yet written.
#[derive(Default)]
pub struct Flow {
    kept: Vec<u8>,
    /// Bytes read so far.
    taken: u64,
}

impl Flow {
    /// Bytes read so far.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Moves what can be moved.
    pub fn advance(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Stopped {
        let mut buffer = [0; CHUNK];
        for _ in 0..TURNS {
            if let Err(stopped) = self.write_kept(to) {
                return stopped;
            }
            let count = match read(from, &mut buffer) {
                // EIO: a pty whose other end is closed.
                Ok(0) | Err(Errno::EIO) => return Stopped::Ended,
                Ok(count) => count,
                Err(Errno::EAGAIN) => return Stopped::Empty,
                Err(Errno::EINTR) => continue,
                Err(errno) => {
                    crate::log::warn(&format!("a stream of a container ends: read: {errno}"));
                    return Stopped::Ended;
                }
            };
            self.taken += count as u64;
            let bytes = buffer.get(..count).unwrap_or_default();
            match write_all(to, bytes) {
                Ok(()) => {}
                Err((written, stopped)) => {
                    self.kept = bytes.get(written..).unwrap_or_default().to_vec();
                    return stopped;
                }
            }
        }
        Stopped::Tired
    }

    fn write_kept(&mut self, to: BorrowedFd<'_>) -> Result<(), Stopped> {
        if self.kept.is_empty() {
            return Ok(());
        }
        match write_all(to, &self.kept) {
            Ok(()) => {
                self.kept = Vec::new();
                Ok(())
            }
            Err((written, stopped)) => {
                self.kept.drain(..written);
                Err(stopped)
            }
        }
    }
}

/// Writes all of `bytes`, or says how many and why no more.
fn write_all(to: BorrowedFd<'_>, bytes: &[u8]) -> Result<(), (usize, Stopped)> {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match write(to, rest) {
            Ok(count) => written += count,
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return Err((written, Stopped::Full)),
            // EIO: a pty whose other end is closed.
            Err(Errno::EPIPE | Errno::EIO) => return Err((written, Stopped::Unwanted)),
            Err(errno) => {
                // A full disk: the container goes on without this part of its log.
                crate::log::warn(&format!("output of a container is lost: write: {errno}"));
                return Ok(());
            }
        }
    }
    Ok(())
}
