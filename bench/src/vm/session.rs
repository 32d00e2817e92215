//! A running QEMU: what it says, line by line, each with the time of its first byte, and its end.
//!
//! What a newcomer would get wrong: a debug console delivers single bytes, so a line's time is that of its *first*
//! byte; reading to the newline would add the rest of the line to a start. And QEMU is killed when the thread ends that
//! has started it.

use super::Recipe;
use crate::process::{now, reap};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command, ExitStatus};
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

/// A QEMU that has ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// When, by `CLOCK_MONOTONIC`.
    pub at: Duration,
    /// What QEMU took of the processors.
    pub cpu: Duration,
    /// What the guest said and nobody had asked for.
    pub unread: Vec<Line>,
}

/// A running QEMU; dropped, it is ended and collected.
#[derive(Debug)]
pub struct Session {
    child: Child,
    collected: Option<(ExitStatus, Duration)>,
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
        Self::spawn(&mut recipe.command())
    }

    /// Starts this command, which has a pipe for its stdout and another for its stderr.
    ///
    /// # Errors
    /// A sentence when it can't be started.
    pub fn spawn(command: &mut Command) -> Result<Self, String> {
        let program = command.get_program().to_string_lossy().into_owned();
        let began = now();
        let mut child = command.spawn().map_err(|why| format!("start {program}: {why}"))?;
        let Some(stdout) = child.stdout.take() else { return Err("QEMU has no stdout".to_owned()) };
        Ok(Self { child, collected: None, lines: listen(stdout), began })
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
            RecvTimeoutError::Timeout => self.given_up("the guest said nothing"),
            RecvTimeoutError::Disconnected => {
                self.last_words("QEMU ended without a word of the guest")
            }
        })
    }

    /// A line that has been said already: asking for it ends nothing.
    pub fn line_already(&mut self) -> Option<Line> {
        self.lines.try_recv().ok()
    }

    /// Whether QEMU is still there.
    ///
    /// # Errors
    /// A sentence: how it ended, and what it said.
    pub fn alive(&mut self) -> Result<(), String> {
        match self.collect(Instant::now()) {
            None => Ok(()),
            Some(_) => Err(self.last_words("QEMU ended")),
        }
    }

    /// Waits for its end until `deadline`.
    ///
    /// # Errors
    /// A sentence: it did not end, or not as a guest ends that is done.
    pub fn end(mut self, deadline: Instant) -> Result<Ended, String> {
        let Some((status, cpu)) = self.collect(deadline) else {
            return Err(self.given_up("the guest did not power off"));
        };
        if status.code() != Some(POWERED_OFF) {
            return Err(self.last_words("QEMU ended, and not because the guest was done"));
        }
        Ok(Ended { at: now(), cpu, unread: self.lines.iter().collect() })
    }

    /// Kills it: for a guest that is not meant to end.
    #[must_use]
    pub fn kill(mut self) -> Ended {
        let cpu = self.put_down();
        Ended { at: now(), cpu, unread: self.lines.try_iter().collect() }
    }

    /// What there is to say of a QEMU that had its time.
    fn given_up(&mut self, what: &str) -> String {
        let waited = (now() - self.began).as_secs_f64();
        let cpu = self.put_down().as_secs_f64();
        format!("{what} within {waited:.1} s, of which QEMU computed {cpu:.1} s: given up")
    }

    fn last_words(&mut self, what: &str) -> String {
        // It has ended, or is about to: its stderr ends, too.
        let ended = self.collect(Instant::now() + Duration::from_secs(1));
        let status = ended
            .map_or_else(|| "it had to be killed".to_owned(), |(status, _)| status.to_string());
        self.put_down();
        let mut said = String::new();
        if let Some(mut pipe) = self.child.stderr.take() {
            drop(pipe.read_to_string(&mut said));
        }
        let said = if said.trim().is_empty() { "it said nothing" } else { said.trim() };
        format!("{what} ({status}): {said}")
    }

    /// Reaps it when it ends before `deadline`.
    fn collect(&mut self, deadline: Instant) -> Option<(ExitStatus, Duration)> {
        let mut pause = Duration::from_micros(100);
        while self.collected.is_none() {
            let id = Id::Pid(Pid::from_raw(self.pid().cast_signed()));
            let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
            match waitid(id, look) {
                Ok(WaitStatus::StillAlive) if Instant::now() < deadline => thread::sleep(pause),
                Ok(WaitStatus::StillAlive) | Err(_) => return None,
                Ok(_) => self.reap(),
            }
            pause = (pause * 2).min(Duration::from_millis(2));
        }
        self.collected
    }

    fn put_down(&mut self) -> Duration {
        if self.collected.is_none() {
            // Fails when it has just ended, which is what is wanted.
            drop(self.child.kill());
            self.reap();
        }
        self.collected.map_or(Duration::ZERO, |(_, cpu)| cpu)
    }

    fn reap(&mut self) {
        let (status, cpu) = reap(self.pid());
        self.collected = Some((ExitStatus::from_raw(status), cpu));
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.put_down();
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
