//! What a person sees while an archive is unpacked, and the place where an interruption is noticed.
//!
//! Everything read from an archive passes [`Watched`], so this is the one spot that knows both how far we are and that
//! somebody pressed Ctrl-C. What a newcomer would get wrong: a signal that killed the process at once would leave half a
//! bundle behind; blocked and polled, it becomes an error like any other, and the usual unwinding cleans up.

use crate::error::{Error, Kind};
use crate::image::tar::Skip;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::io::{self, IsTerminal, Read, Write};
use std::time::{Duration, Instant};

/// How often the line on the terminal is redrawn.
const REDRAW: Duration = Duration::from_millis(100);

/// Progress on stderr if that is a terminal, silence otherwise; with or without signals turned into errors.
#[derive(Debug)]
pub struct Progress {
    terminal: bool,
    signals: Option<SignalFd>,
    what: String,
    total: u64,
    done: u64,
    drawn: Option<Instant>,
}

impl Progress {
    /// No terminal, no signals: for callers that have their own.
    #[must_use]
    pub fn silent() -> Self {
        Self { terminal: false, signals: None, what: String::new(), total: 0, done: 0, drawn: None }
    }

    /// For a command: draws if stderr is a terminal, and takes SIGINT, SIGTERM and SIGHUP over from now on.
    ///
    /// # Errors
    /// The kernel's.
    pub fn of_a_command() -> crate::error::Result<Self> {
        let mut signals = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            signals.add(signal);
        }
        signals.thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let signals = SignalFd::with_flags(&signals, flags)?;
        let terminal = io::stderr().is_terminal();
        Ok(Self { terminal, signals: Some(signals), ..Self::silent() })
    }

    /// Whether a person is watching.
    #[must_use]
    pub fn is_seen(&self) -> bool {
        self.terminal
    }

    /// Starts the line of one part, `total` bytes of the archive.
    pub fn begin(&mut self, what: impl Into<String>, total: u64) {
        self.what = what.into();
        self.total = total;
        self.done = 0;
        self.drawn = None;
    }

    /// Ends the line.
    pub fn end(&mut self) {
        if self.terminal {
            self.draw();
            eprintln!();
        }
    }

    /// Ends a line that will not be completed, so that an error starts on one of its own.
    pub fn abandon(&mut self) {
        if self.terminal && self.drawn.take().is_some() {
            eprintln!();
        }
    }

    /// Notes that `count` more bytes were read.
    ///
    /// # Errors
    /// [`Kind::State`], wrapped, when a signal has arrived.
    fn advance(&mut self, count: u64) -> io::Result<()> {
        if let Some(signals) = &self.signals
            && let Some(signal) = signals.read_signal()?
        {
            let name = i32::try_from(signal.ssi_signo)
                .ok()
                .and_then(|number| Signal::try_from(number).ok())
                .map_or("a signal", Signal::as_str);
            return Err(io::Error::other(Error::new(
                Kind::State,
                format!("interrupted by {name}"),
            )));
        }
        self.done += count;
        if self.terminal && self.drawn.is_none_or(|drawn| drawn.elapsed() >= REDRAW) {
            self.draw();
        }
        Ok(())
    }

    fn draw(&mut self) {
        self.drawn = Some(Instant::now());
        let line = format!("\r\x1b[K{}  {} / {}", self.what, size(self.done), size(self.total));
        // A terminal that has gone away is no reason to stop.
        drop(io::stderr().write_all(line.as_bytes()));
    }
}

/// A reader whose bytes count as progress.
#[derive(Debug)]
pub struct Watched<'a, R> {
    inner: R,
    progress: &'a mut Progress,
}

impl<'a, R> Watched<'a, R> {
    /// Counts what is read from `inner`.
    pub fn new(inner: R, progress: &'a mut Progress) -> Self {
        Self { inner, progress }
    }
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.progress.advance(count as u64)?;
        Ok(count)
    }
}

impl<R: Read> Skip for Watched<'_, R> {}

/// Bytes for eyes: `12.3 MB`.
fn size(bytes: u64) -> String {
    let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match units.into_iter().find(|&(unit, _)| bytes >= unit) {
        Some((unit, name)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short_and_decimal() {
        for (bytes, text) in
            [(0, "0 B"), (999, "999 B"), (1_250, "1.2 kB"), (12_345_678, "12.3 MB")]
        {
            assert_eq!(size(bytes), text);
        }
    }
}
