//! A container's terminal: its pty's master between the engine's fifos.
//!
//! ```text
//!  stdin fifo ──[input]──► master ═ pty ═ container
//!  stdout ◄────[output]─── master
//! ```
//! What a newcomer would get wrong: a container may close its terminal and open it again, and the master reports a hang-up
//! in between. So the pty's other end is held until the process has ended; only then does a hang-up mean the end. And
//! what the process wrote last is still in the pty then: it is read before the master is closed.

use super::copy::arm;
use super::flow::{Flow, Stopped};
use crate::watch::{Next, Reactor, Ready, Source, Token};
use nix::sys::epoll::EpollFlags;
use std::os::fd::{AsFd, OwnedFd};

const MASTER: u8 = 0;
const STDIN: u8 = 1;
const STDOUT: u8 = 2;

/// What can still be in a pty when the last process that could write has ended is far less than this. Whoever writes
/// more lives on, and is not waited for.
const LEFT_BEHIND: u64 = 64 * 1024;

pub struct Terminal {
    master: OwnedFd,
    peer: Option<OwnedFd>,
    stdin: Option<OwnedFd>,
    stdout: OwnedFd,
    input: Flow,
    output: Flow,
    /// Once the process has ended: how much may have been read at most.
    until: Option<u64>,
    on_end: Option<OnEnd>,
}

/// Called when the last of the output is where it belongs.
pub type OnEnd = Box<dyn FnOnce(&mut Reactor) + Send>;

/// The descriptors of a terminal's two directions, all non-blocking or always ready.
pub struct Ends {
    pub master: OwnedFd,
    pub peer: OwnedFd,
    pub stdin: Option<OwnedFd>,
    pub stdout: OwnedFd,
}

impl Terminal {
    pub fn new(ends: Ends, on_end: OnEnd) -> Self {
        let Ends { master, peer, stdin, stdout } = ends;
        Self {
            master,
            peer: Some(peer),
            stdin,
            stdout,
            input: Flow::default(),
            output: Flow::default(),
            until: None,
            on_end: Some(on_end),
        }
    }

    fn advance(&mut self, token: Token, reactor: &mut Reactor) -> Next {
        let mut master = EpollFlags::empty();
        match self.output.advance(self.master.as_fd(), self.stdout.as_fd()) {
            Stopped::Ended => return self.done(reactor),
            // Its living end is held by others, whose output is not waited for.
            Stopped::Empty if self.until.is_some() => return self.done(reactor),
            Stopped::Tired if self.until.is_some_and(|until| self.output.taken() > until) => {
                return self.done(reactor);
            }
            Stopped::Empty | Stopped::Tired => master |= EpollFlags::EPOLLIN,
            Stopped::Full => {
                arm(reactor, self.stdout.as_fd(), token, STDOUT, EpollFlags::EPOLLOUT);
            }
            // The reader of a pipe that we hold open, too: it cannot be.
            Stopped::Unwanted => return self.done(reactor),
        }
        if let Some(stdin) = &self.stdin {
            match self.input.advance(stdin.as_fd(), self.master.as_fd()) {
                Stopped::Empty | Stopped::Tired => {
                    arm(reactor, stdin.as_fd(), token, STDIN, EpollFlags::EPOLLIN);
                }
                Stopped::Full => master |= EpollFlags::EPOLLOUT,
                Stopped::Ended | Stopped::Unwanted => {
                    reactor.disarm(stdin);
                    self.stdin = None;
                }
            }
        }
        if !master.is_empty() {
            arm(reactor, self.master.as_fd(), token, MASTER, master);
        }
        Next::Stay
    }

    fn done(&mut self, reactor: &mut Reactor) -> Next {
        reactor.disarm(&self.master);
        reactor.disarm(&self.stdout);
        if let Some(stdin) = self.stdin.take() {
            reactor.disarm(&stdin);
        }
        if let Some(on_end) = self.on_end.take() {
            on_end(reactor);
        }
        Next::Done
    }
}

impl Source for Terminal {
    fn begin(&mut self, token: Token, reactor: &mut Reactor) -> Next {
        if let Some(stdin) = &self.stdin {
            arm(reactor, stdin.as_fd(), token, STDIN, EpollFlags::EPOLLIN);
        }
        arm(reactor, self.master.as_fd(), token, MASTER, EpollFlags::EPOLLIN);
        Next::Stay
    }

    fn ready(&mut self, ready: Ready, reactor: &mut Reactor) -> Next {
        self.advance(ready.token, reactor)
    }

    /// The process has ended.
    fn close(&mut self, token: Token, reactor: &mut Reactor) -> Next {
        self.until = Some(self.output.taken() + LEFT_BEHIND);
        self.peer = None;
        if let Some(stdin) = self.stdin.take() {
            reactor.disarm(&stdin);
        }
        self.advance(token, reactor)
    }
}
