//! A process of a container as containerd sees it: from its announcement to the answer of its Delete.
//!
//! ```text
//!  Added ──► Starting ──► Running ──► ended ──► told
//!   exec only    │                      ▲
//!                └── failed: it is Added again, and may be deleted
//! ```
//! It knows one process; the order among those of a container is [`crate::task`]'s. What a newcomer would get wrong: it
//! may end while it is still being started. The end is kept then, and told after the start.

use crate::io::{Stdio, Streams};
use crate::watch::End;
use containerd_shim_protos::api::StateResponse;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Who wants to know the end.
pub struct Waiter {
    /// Called once, with it.
    pub answer: Box<dyn FnOnce(End) + Send>,
    /// Whether nobody would hear it any more: containerd was restarted, and asks anew.
    pub has_left: Box<dyn Fn() -> bool + Send>,
}

/// Where its streams go, as the request said it.
#[derive(Debug, Clone)]
pub struct Paths {
    /// Standard input.
    pub stdin: String,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Whether it has a terminal.
    pub terminal: bool,
}

impl Paths {
    /// For [`Streams::open`].
    pub fn stdio(&self) -> Stdio<'_> {
        let Self { stdin, stdout, stderr, terminal } = self;
        Stdio { stdin, stdout, stderr, terminal: *terminal }
    }
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing runs yet.
    Added,
    /// Somebody is starting it: whatever happens is told when that is over.
    Starting,
    /// Created, for a first process; running, for another.
    Running,
}

/// It.
pub struct Process {
    /// Where its streams go.
    pub paths: Paths,
    /// How far it has come.
    pub phase: Phase,
    /// 0 before there is one.
    pub pid: i32,
    /// To signal it by: the pid is somebody else's as soon as the loop has reaped it.
    pub pidfd: Option<OwnedFd>,
    /// Its streams, once they are open.
    pub streams: Option<Arc<Streams>>,
    /// How it ended.
    pub end: Option<End>,
    /// Its last output has not been read yet: who hears of its end stops reading.
    pub unread: bool,
    /// Whether the end has been told.
    pub told: bool,
    waiters: Vec<Waiter>,
}

impl Process {
    /// One that is not there yet.
    pub fn new(paths: Paths) -> Self {
        Self {
            paths,
            phase: Phase::Added,
            pid: 0,
            pidfd: None,
            streams: None,
            end: None,
            unread: false,
            told: false,
            waiters: Vec::new(),
        }
    }

    /// Whether its end is still to be told.
    pub fn is_outstanding(&self) -> bool {
        self.phase != Phase::Added && !self.told
    }

    /// The end, if it may be told now.
    pub fn untold(&self) -> Option<End> {
        self.end.filter(|_| !self.told && !self.unread && self.phase != Phase::Starting)
    }

    /// Marks the end as told, and hands over who waits for it.
    pub fn tell(&mut self) -> Vec<Waiter> {
        self.told = true;
        std::mem::take(&mut self.waiters)
    }

    /// Calls `waiter` when the end is told; gives it back when it has been.
    pub fn wait(&mut self, waiter: Waiter) -> Option<(Waiter, End)> {
        match self.end {
            Some(end) if self.told => Some((waiter, end)),
            _ => {
                self.waiters.retain(|waiter| !(waiter.has_left)());
                self.waiters.push(waiter);
                None
            }
        }
    }

    /// What the State call answers of any process.
    pub fn state(&self) -> StateResponse {
        let end = self.end.filter(|_| self.told);
        StateResponse {
            pid: self.pid.unsigned_abs(),
            stdin: self.paths.stdin.clone(),
            stdout: self.paths.stdout.clone(),
            stderr: self.paths.stderr.clone(),
            terminal: self.paths.terminal,
            exit_status: end.map_or(0, |end| end.code()),
            exited_at: crate::answer::exited_at(end),
            ..StateResponse::default()
        }
    }
}
