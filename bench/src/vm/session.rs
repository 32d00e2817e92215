//! A running QEMU: what it says, line by line, each with the time of its first byte, and its end.
//!
//! What a newcomer would get wrong: a debug console delivers single bytes, so a line's time is that of its *first*
//! byte; reading to the newline would add the rest of the line to a start.

use super::Recipe;
use crate::process::now;
use rrun_harness::wait_until;
use std::io::Read;
use std::process::{Child, ChildStdout};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// isa-debug-exit turns the byte v into the exit status 2v + 1; guests write 0x10.
pub const POWERED_OFF: i32 = 33;

/// What the guest said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When its first byte arrived, by `CLOCK_MONOTONIC`.
    pub at: Duration,
    /// Without its newline.
    pub text: String,
}

/// A running QEMU; dropped, it is ended and collected.
#[derive(Debug)]
pub struct Session {
    child: Child,
    lines: Receiver<Line>,
    /// Just before it was started, by `CLOCK_MONOTONIC`: t0.
    pub began: Duration,
}

impl Session {
    /// Starts it.
    ///
    /// # Errors
    /// A sentence when QEMU can't be started.
    pub fn start(recipe: &Recipe) -> Result<Self, String> {
        let mut command = recipe.command();
        let began = now();
        let mut child = command.spawn().map_err(|why| format!("start QEMU: {why}"))?;
        let Some(stdout) = child.stdout.take() else { return Err("QEMU has no stdout".to_owned()) };
        Ok(Self { child, lines: listen(stdout), began })
    }

    /// QEMU's process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line, waited for until `deadline`.
    ///
    /// # Errors
    /// A sentence: it was silent too long, or ended, and what QEMU itself said.
    pub fn line(&mut self, deadline: Instant) -> Result<Line, String> {
        let left = deadline.saturating_duration_since(Instant::now());
        self.lines.recv_timeout(left).map_err(|why| match why {
            RecvTimeoutError::Timeout => "the guest said nothing before the deadline".to_owned(),
            RecvTimeoutError::Disconnected => {
                self.last_words("QEMU ended without a word of the guest")
            }
        })
    }

    /// Waits for its end until `deadline`.
    ///
    /// # Errors
    /// A sentence: it did not end, or not as a guest ends that is done.
    pub fn end(mut self, deadline: Instant) -> Result<(), String> {
        match wait_until(&mut self.child, deadline) {
            None => Err("the guest did not power off before the deadline".to_owned()),
            Some(status) if status.code() == Some(POWERED_OFF) => Ok(()),
            Some(_) => Err(self.last_words("QEMU ended, and not because the guest was done")),
        }
    }

    fn last_words(&mut self, what: &str) -> String {
        // It has ended, or is about to: its stderr ends, too.
        let status = wait_until(&mut self.child, Instant::now() + Duration::from_secs(1));
        let mut said = String::new();
        if let Some(mut pipe) = self.child.stderr.take() {
            drop(pipe.read_to_string(&mut said));
        }
        let status =
            status.map_or_else(|| "and had to be killed".to_owned(), |how| how.to_string());
        format!("{what} ({status}): {}", said.trim())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Both fail when it has ended and was collected, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Reads in a thread of its own, because a pipe can't be read with a deadline.
pub(crate) fn listen(mut stdout: ChildStdout) -> Receiver<Line> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        let (mut text, mut at) = (Vec::new(), None);
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = stdout.read(&mut bytes) {
            let arrived = now();
            for byte in &bytes[..count] {
                let first = *at.get_or_insert(arrived);
                if *byte != b'\n' {
                    text.push(*byte);
                    continue;
                }
                let said = String::from_utf8_lossy(&text).trim_end().to_owned();
                if sender.send(Line { at: first, text: said }).is_err() {
                    return;
                }
                text.clear();
                at = None;
            }
        }
    });
    lines
}
