//! Bytes between our standard streams and a container's pty, for a container in the foreground.
//!
//! ```text
//!  our stdin ──[input]──► master ═ pty ═ container
//!  our stdout ◄─[output]── master
//! ```
//! It refuses to wait: the supervisor polls, and calls [`Relay::advance`] with what is ready. What a newcomer would get
//! wrong: standard output may be shared with other programs, so it must not be made non-blocking. A poll that says
//! "writable" promises room for one page, and never more than [`CHUNK`] is written at once.

use crate::error::{Result, ResultExt};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::PollFlags;
use nix::sys::termios::{
    self, LocalFlags, OutputFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr,
};
use nix::unistd::{getpgrp, read, tcgetpgrp, write};
use rrun_sys::tty;
use std::io::{IsTerminal, Stdin, Stdout, stdin, stdout};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// One page: what a poll promises of a pipe, and about what a pty hands out at once.
const CHUNK: usize = 4096;

/// What can still be in a pty when the last process that could write has ended is far less than this (8 KiB in
/// transit, 4 KiB to be read). Whoever writes more lives on, and is not waited for.
const LEFT_BEHIND: usize = 64 * 1024;

/// Which descriptor the supervisor polls for the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The pty's.
    Master,
    /// Our standard input.
    Stdin,
    /// Our standard output.
    Stdout,
}

/// The two directions, and our terminal's settings.
pub(super) struct Relay {
    master: OwnedFd,
    /// The pty's other end. While it is held, the master never reports a hang-up, though the container may close its
    /// terminal and open it again. `None` once the container has ended.
    peer: Option<OwnedFd>,
    stdin: Stdin,
    stdout: Stdout,
    input: Flow,
    output: Flow,
    /// What may still be read after the container's end.
    left_behind: usize,
    raw: Option<RawMode>,
}

/// Bytes read and not yet written.
struct Flow {
    bytes: [u8; CHUNK],
    start: usize,
    end: usize,
    source: Source,
    /// The last byte read: a terminal's end-of-file character means end of file at the start of a line only.
    last: u8,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Open,
    Ended,
}

/// Makes the container's terminal as large as ours, if we have one.
pub(super) fn fit(master: BorrowedFd<'_>) {
    let ours = [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO];
    let size = ours.into_iter().find_map(|fd| tty::size(fd).ok());
    if let Some(size) = size.filter(|&size| size != tty::Size::default()) {
        // A pty takes every size, and the container's life does not hang on it.
        tty::resize(master.as_raw_fd(), size).ok();
    }
}

impl Relay {
    /// Takes over `master`: gives it our terminal's size, and puts our terminal into raw mode.
    pub(super) fn new(master: OwnedFd) -> Result<Self> {
        let flags = fcntl(&master, FcntlArg::F_GETFL).context(|| "read the pty's flags")?;
        let flags = OFlag::from_bits_retain(flags) | OFlag::O_NONBLOCK;
        fcntl(&master, FcntlArg::F_SETFL(flags)).context(|| "make the pty non-blocking")?;
        let peer = tty::open_peer(master.as_raw_fd()).context(|| "open the pty's other end")?;
        let mut relay = Self {
            master,
            peer: Some(peer.into()),
            stdin: stdin(),
            stdout: stdout(),
            input: Flow::new(),
            output: Flow::new(),
            left_behind: LEFT_BEHIND,
            raw: None,
        };
        relay.adapt_line_ends()?;
        relay.resize();
        relay.enter_raw_mode()?;
        Ok(relay)
    }

    /// A file or a pipe at our standard output gets lines that end as the program ended them, without the carriage
    /// return that a terminal needs.
    fn adapt_line_ends(&self) -> Result<()> {
        if self.stdout.is_terminal() {
            return Ok(());
        }
        let mut settings = tcgetattr(&self.master).context(|| "read the pty's settings")?;
        settings.output_flags.remove(OutputFlags::ONLCR);
        tcsetattr(&self.master, SetArg::TCSANOW, &settings).context(|| "change the pty's settings")
    }

    /// Raw mode for our terminal, if we have one and are in its foreground; the container's pty does the echoing and
    /// the editing. Called anew when we were continued, for we may be in the foreground now.
    pub(super) fn enter_raw_mode(&mut self) -> Result<()> {
        let entered = match &self.raw {
            Some(raw) => raw.enter(),
            None => RawMode::of_stdin().map(|raw| self.raw = raw),
        };
        entered.context(|| "put the terminal into raw mode")
    }

    /// Gives the pty the size of our terminal. Without one it keeps the size that the configuration asked for.
    pub(super) fn resize(&self) {
        fit(self.master.as_fd());
    }

    /// What to poll now.
    pub(super) fn interests(&self) -> Vec<(End, BorrowedFd<'_>, PollFlags)> {
        let mut interests = Vec::with_capacity(3);
        let mut master = PollFlags::empty();
        master.set(PollFlags::POLLIN, self.output.wants_bytes() && self.left_behind > 0);
        master.set(PollFlags::POLLOUT, self.input.has_bytes() && self.peer.is_some());
        if !master.is_empty() {
            interests.push((End::Master, self.master.as_fd(), master));
        }
        if self.input.wants_bytes() && self.peer.is_some() && self.may_read_stdin() {
            interests.push((End::Stdin, self.stdin.as_fd(), PollFlags::POLLIN));
        }
        if self.output.has_bytes() {
            interests.push((End::Stdout, self.stdout.as_fd(), PollFlags::POLLOUT));
        }
        interests
    }

    /// A terminal belongs to its foreground: read from behind, it answers EIO or steals what others should get.
    fn may_read_stdin(&self) -> bool {
        self.raw.is_some() || !self.stdin.is_terminal()
    }

    /// Moves what can be moved now that `end` is ready.
    pub(super) fn advance(&mut self, end: End) {
        match end {
            End::Master => {
                self.input.write_to(self.master.as_fd());
                let count = self.output.read_from(self.master.as_fd());
                if self.peer.is_none() {
                    self.left_behind = self.left_behind.saturating_sub(count);
                }
            }
            End::Stdin => {
                self.input.read_from(self.stdin.as_fd());
                if self.input.source == Source::Ended {
                    self.end_input();
                }
                self.input.write_to(self.master.as_fd());
            }
            End::Stdout => self.output.write_to(self.stdout.as_fd()),
        }
    }

    /// Our input is at its end; so shall the container's be. A terminal has no end of file but the character for it,
    /// and that only while it works line by line.
    fn end_input(&mut self) {
        let Ok(settings) = tcgetattr(&self.master) else { return };
        if !settings.local_flags.contains(LocalFlags::ICANON) {
            return;
        }
        let character = settings.control_chars[SpecialCharacterIndices::VEOF as usize];
        // In the middle of a line, the first one only sends the line.
        let count = if self.input.last == b'\n' { 1 } else { 2 };
        self.input.append(&[character, character][..count]);
    }

    /// The container has ended: nobody reads any more, and what was written remains to be fetched.
    pub(super) fn container_ended(&mut self) {
        self.peer = None;
    }

    /// Nothing waits to be written to our standard output.
    pub(super) fn is_drained(&self) -> bool {
        !self.output.has_bytes()
    }
}

impl Flow {
    fn new() -> Self {
        Self { bytes: [0; CHUNK], start: 0, end: 0, source: Source::Open, last: b'\n' }
    }

    fn has_bytes(&self) -> bool {
        self.start < self.end
    }

    fn wants_bytes(&self) -> bool {
        self.source == Source::Open && !self.has_bytes()
    }

    /// Fills the empty buffer. Any refusal but "not now" is the source's end; EIO is how a pty reports its own.
    fn read_from(&mut self, source: BorrowedFd<'_>) -> usize {
        if !self.wants_bytes() {
            return 0;
        }
        match read(source, &mut self.bytes) {
            Ok(count @ 1..) => {
                (self.start, self.end) = (0, count);
                self.last = self.bytes[count - 1];
                count
            }
            Err(Errno::EAGAIN | Errno::EINTR) => 0,
            Ok(0) | Err(_) => {
                self.source = Source::Ended;
                0
            }
        }
    }

    /// Empties as much of the buffer as goes. When nobody is there to read, the bytes go nowhere: a container must not
    /// stand still because the other end of our pipe has left.
    fn write_to(&mut self, sink: BorrowedFd<'_>) {
        if !self.has_bytes() {
            return;
        }
        match write(sink, &self.bytes[self.start..self.end]) {
            Ok(count) => self.start += count,
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(_) => self.start = self.end,
        }
    }

    /// Adds to the buffer, which has room: it was empty before the read that found the end.
    fn append(&mut self, bytes: &[u8]) {
        if !self.has_bytes() {
            (self.start, self.end) = (0, 0);
        }
        for (place, &byte) in self.bytes[self.end..].iter_mut().zip(bytes) {
            *place = byte;
            self.end += 1;
        }
    }
}

/// Our terminal in raw mode; dropped, it is as it was.
struct RawMode {
    before: Termios,
}

impl RawMode {
    /// `None` where standard input is no terminal, or one whose foreground we are not in.
    fn of_stdin() -> nix::Result<Option<Self>> {
        let before = match tcgetattr(stdin()) {
            Ok(before) => before,
            Err(Errno::ENOTTY) => return Ok(None),
            Err(errno) => return Err(errno),
        };
        // A terminal that does not control our session has no foreground for us to miss.
        if tcgetpgrp(stdin()).is_ok_and(|foreground| foreground != getpgrp()) {
            return Ok(None);
        }
        let mode = Self { before };
        mode.enter()?;
        Ok(Some(mode))
    }

    fn enter(&self) -> nix::Result<()> {
        let mut raw = self.before.clone();
        termios::cfmakeraw(&mut raw);
        tcsetattr(stdin(), SetArg::TCSANOW, &raw)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // The terminal may have gone, and there is nobody left to tell.
        tcsetattr(stdin(), SetArg::TCSANOW, &self.before).ok();
    }
}
