//! One direction: standard input from its fifo to the container's pipe, and the leftovers of a logger that died to nowhere.
//!
//! What a newcomer would get wrong: a fifo is at its end as soon as its last writer is gone, and an engine that restarts is
//! gone for a while. So the shim holds a writing end itself (in [`super::Streams`]) until the engine says CloseIO.

use super::flow::{Flow, Stopped};
use crate::watch::{Next, Reactor, Ready, Source, Token};
use nix::sys::epoll::EpollFlags;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const FROM: u8 = 0;
const TO: u8 = 1;

/// Both ends are closed at the end of either.
pub struct Copy {
    from: OwnedFd,
    to: OwnedFd,
    flow: Flow,
}

impl Copy {
    /// Both are non-blocking, or always ready.
    pub fn new(from: OwnedFd, to: OwnedFd) -> Self {
        Self { from, to, flow: Flow::default() }
    }

    /// Both may be open elsewhere, too, where a fork is under way.
    fn done(&self, reactor: &Reactor) -> Next {
        reactor.disarm(&self.from);
        reactor.disarm(&self.to);
        Next::Done
    }
}

impl Source for Copy {
    /// Not a byte is read before the kernel says that there is one: a fifo without a writer reads as ended.
    fn begin(&mut self, token: Token, reactor: &mut Reactor) -> Next {
        arm(reactor, self.from.as_fd(), token, FROM, EpollFlags::EPOLLIN);
        Next::Stay
    }

    fn ready(&mut self, Ready { token, .. }: Ready, reactor: &mut Reactor) -> Next {
        match self.flow.advance(self.from.as_fd(), self.to.as_fd()) {
            Stopped::Empty | Stopped::Tired => {
                arm(reactor, self.from.as_fd(), token, FROM, EpollFlags::EPOLLIN);
                Next::Stay
            }
            Stopped::Full => {
                arm(reactor, self.to.as_fd(), token, TO, EpollFlags::EPOLLOUT);
                Next::Stay
            }
            Stopped::Ended | Stopped::Unwanted => self.done(reactor),
        }
    }

    fn close(&mut self, _token: Token, reactor: &mut Reactor) -> Next {
        self.done(reactor)
    }
}

/// Waits for `events` of the source's descriptor `number`; for one that is always ready, its turn comes at once.
pub fn arm(
    reactor: &mut Reactor,
    fd: BorrowedFd<'_>,
    token: Token,
    number: u8,
    events: EpollFlags,
) {
    if !reactor.arm(fd, Ready { token, number }, events) {
        reactor.after(std::time::Duration::ZERO, move |reactor| reactor.nudge(token, number));
    }
}
