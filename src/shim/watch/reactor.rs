//! epoll, timers and orders from other threads: the loop's inside.
//!
//! It knows descriptors by the source they belong to. What a newcomer would get wrong: all state lives on the one thread, so
//! nothing here is locked but the queue; and the answer of a source that was removed while its event was under way is no
//! answer, for its token is never used again.

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::SigSet;
use rrun::error::{Result, ResultExt};
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What other threads want done.
pub type Order = Box<dyn FnOnce(&mut Reactor) + Send>;

/// The name of a source. The kernel keeps it beside the number of the descriptor within the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token(u64);

/// Descriptors that a source may have: two bits.
const NUMBERS: u64 = 4;

/// The queue's own event. Tokens are counted from 1.
const ORDERS: u64 = 0;

/// Events taken at once.
const BATCH: usize = 64;

/// A descriptor of a source that is ready.
#[derive(Debug, Clone, Copy)]
pub struct Ready {
    /// Whose.
    pub token: Token,
    /// Which of the source's descriptors, by the number it was armed under.
    pub number: u8,
}

/// Whether a source has more to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It has armed what it waits for.
    Stay,
    /// It is dropped.
    Done,
}

/// Something with descriptors to wait for.
pub trait Source: Send {
    /// Arms what it waits for first.
    fn begin(&mut self, token: Token, reactor: &mut Reactor) -> Next;

    /// A descriptor is ready, and armed no more.
    fn ready(&mut self, ready: Ready, reactor: &mut Reactor) -> Next;

    /// Which process it stands for, if any.
    fn pid(&self) -> Option<i32> {
        None
    }

    /// A process has ended, and whoever reports kills for want of memory does so now.
    fn process_ends(&mut self) {}

    /// No more is expected of it: it finishes with what there is.
    fn close(&mut self, _token: Token, _reactor: &mut Reactor) -> Next {
        Next::Done
    }
}

/// Orders on their way to the loop.
pub struct Queue {
    orders: Mutex<Vec<Order>>,
    bell: EventFd,
    tokens: AtomicU64,
}

impl Queue {
    /// Adds an order and wakes the loop.
    pub fn submit(&self, order: Order) {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).push(order);
        // It fails only when the counter is full, and then the loop is awake.
        self.bell.write(1).ok();
    }

    /// A name that nobody had.
    pub fn token(&self) -> Token {
        Token(self.tokens.fetch_add(1, Ordering::Relaxed))
    }
}

/// The loop.
pub struct Reactor {
    epoll: Epoll,
    queue: Arc<Queue>,
    sources: HashMap<Token, Box<dyn Source>>,
    /// The source that stands for each process.
    processes: HashMap<i32, Token>,
    timers: Vec<(Instant, Order)>,
    stopped: bool,
}

impl Reactor {
    /// An idle loop.
    pub fn new() -> Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).context(|| "epoll_create1")?;
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let bell = EventFd::from_value_and_flags(0, flags).context(|| "eventfd2")?;
        epoll.add(&bell, EpollEvent::new(EpollFlags::EPOLLIN, ORDERS)).context(|| "epoll_ctl")?;
        let queue = Queue { orders: Mutex::default(), bell, tokens: AtomicU64::new(1) };
        Ok(Self {
            epoll,
            queue: Arc::new(queue),
            sources: HashMap::new(),
            processes: HashMap::new(),
            timers: Vec::new(),
            stopped: false,
        })
    }

    /// The way in.
    pub fn queue(&self) -> Arc<Queue> {
        Arc::clone(&self.queue)
    }

    /// The thread's life.
    pub fn run(mut self) {
        // Signals are for threads that know what to do with them. It cannot fail with a valid set.
        SigSet::all().thread_block().ok();
        let mut events = [EpollEvent::empty(); BATCH];
        while !self.stopped {
            let count = match self.epoll.wait(&mut events, self.timeout()) {
                Ok(count) => count,
                Err(Errno::EINTR) => continue,
                Err(errno) => {
                    crate::log::warn(&format!("the shim's events are over: epoll_wait: {errno}"));
                    return;
                }
            };
            for event in events.iter().take(count) {
                match event.data() {
                    ORDERS => self.obey(),
                    data => self.dispatch(data),
                }
            }
            self.ring();
        }
    }

    /// Ends the thread; what it watches is dropped.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    fn timeout(&self) -> EpollTimeout {
        let Some(next) = self.timers.iter().map(|(at, _)| *at).min() else {
            return EpollTimeout::NONE;
        };
        // Rounded up, so that the last wait is no busy loop.
        let left = next.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        EpollTimeout::try_from(left).unwrap_or(EpollTimeout::MAX)
    }

    /// The bell first: an order that comes between the two rings again.
    fn obey(&mut self) {
        self.queue.bell.read().ok();
        let orders =
            std::mem::take(&mut *self.queue.orders.lock().unwrap_or_else(PoisonError::into_inner));
        for order in orders {
            order(self);
        }
    }

    fn ring(&mut self) {
        let now = Instant::now();
        let due = |(at, _): &mut (Instant, Order)| *at <= now;
        let due: Vec<_> = self.timers.extract_if(.., due).collect();
        for (_, order) in due {
            order(self);
        }
    }

    fn dispatch(&mut self, data: u64) {
        let number = u8::try_from(data % NUMBERS).unwrap_or_default();
        self.nudge(Token(data / NUMBERS), number);
    }

    /// Tells a source that its descriptor `number` is ready.
    pub fn nudge(&mut self, token: Token, number: u8) {
        self.with(token, |source, reactor| source.ready(Ready { token, number }, reactor));
    }

    /// Tells a source that no more is expected of it.
    pub fn close(&mut self, token: Token) {
        self.with(token, |source, reactor| source.close(token, reactor));
    }

    /// Lets a source do something; it is not in the table meanwhile.
    fn with(&mut self, token: Token, act: impl FnOnce(&mut dyn Source, &mut Self) -> Next) {
        let Some(mut source) = self.sources.remove(&token) else { return };
        match act(&mut *source, self) {
            Next::Stay => {
                self.sources.insert(token, source);
            }
            Next::Done => self.forget(&*source),
        }
    }

    /// Adds a source under a new name.
    pub fn add(&mut self, source: Box<dyn Source>) {
        let token = self.queue.token();
        self.add_as(token, source);
    }

    /// Adds a source under the name it was promised.
    pub fn add_as(&mut self, token: Token, mut source: Box<dyn Source>) {
        if let Some(pid) = source.pid() {
            self.processes.insert(pid, token);
        }
        match source.begin(token, self) {
            Next::Stay => {
                self.sources.insert(token, source);
            }
            Next::Done => self.forget(&*source),
        }
    }

    /// Drops a source, if it is still there.
    pub fn remove(&mut self, token: Token) {
        if let Some(source) = self.sources.remove(&token) {
            self.forget(&*source);
        }
    }

    fn forget(&mut self, source: &dyn Source) {
        if let Some(pid) = source.pid() {
            self.processes.remove(&pid);
        }
    }

    /// The source of a process.
    pub fn process(&self, pid: i32) -> Option<Token> {
        self.processes.get(&pid).copied()
    }

    /// Every source hears that a process ends.
    pub fn process_ends(&mut self) {
        for source in self.sources.values_mut() {
            source.process_ends();
        }
    }

    /// Reports the next of `events` on a source's descriptor, once. False for what cannot be waited for, a regular file:
    /// it is always ready.
    pub fn arm(&self, fd: BorrowedFd<'_>, ready: Ready, events: EpollFlags) -> bool {
        let Ready { token: Token(token), number } = ready;
        let data = token * NUMBERS + u64::from(number);
        let mut event = EpollEvent::new(events | EpollFlags::EPOLLONESHOT, data);
        let armed = match self.epoll.modify(fd, &mut event) {
            Err(Errno::ENOENT) => self.epoll.add(fd, event),
            other => other,
        };
        match armed {
            Ok(()) => true,
            Err(Errno::EPERM) => false,
            Err(errno) => {
                crate::log::warn(&format!("a stream of a container stops: epoll_ctl: {errno}"));
                true
            }
        }
    }

    /// Forgets a descriptor that somebody else may hold open, too.
    pub fn disarm(&self, fd: impl AsFd) {
        // One that was never armed is not there.
        self.epoll.delete(fd).ok();
    }

    /// Runs `order` when `after` has passed.
    pub fn after(&mut self, after: Duration, order: impl FnOnce(&mut Self) + Send + 'static) {
        self.timers.push((Instant::now() + after, Box::new(order)));
    }
}
