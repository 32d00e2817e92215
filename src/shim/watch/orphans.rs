//! Orphans: processes that lost their parent and were given to us, the subreaper.
//!
//! They come from containers that share our pid namespace, and from loggers and hooks that leave something behind.
//! What a newcomer would get wrong: waitid(P_ALL) takes whatever has ended, also the child that another thread is about to
//! wait for. Nothing tells an orphan from a child just started, so whoever starts one says so first, and orphans wait
//! meanwhile: a zombie that is reaped a moment later harms nobody.

use super::Loop;
use super::reactor::{Next, Reactor, Ready, Source, Token};
use nix::sys::epoll::EpollFlags;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rrun::error::{Result, ResultExt};
use rrun_sys::reap::{Child, peek, reap};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};

/// Who is starting children right now.
#[derive(Default)]
pub struct Launches(Mutex<State>);

#[derive(Default)]
struct State {
    running: usize,
    /// The loop's name for the orphans, which did not get their turn.
    put_off: Option<Token>,
}

/// Children may be started: orphans wait. It does not exclude others that start some.
#[must_use = "dropped, the children may be reaped as orphans"]
pub struct Launching {
    // Not a whole handle's worth of meaning, but the loop must live for the wake-up.
    events: Loop,
}

impl Launching {
    pub(super) fn new(events: &Loop) -> Self {
        events.launches.lock().running += 1;
        Self { events: events.clone() }
    }
}

impl Drop for Launching {
    fn drop(&mut self) {
        let mut state = self.events.launches.lock();
        state.running -= 1;
        if state.running > 0 {
            return;
        }
        if let Some(token) = state.put_off.take() {
            drop(state);
            self.events.submit(move |reactor| reactor.nudge(token, 0));
        }
    }
}

impl Launches {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What to do about the next child that has ended.
enum Found {
    /// It is watched: its own source reaps it.
    Watched(Token),
    Nothing,
}

/// Reaps when the kernel says SIGCHLD.
pub struct Orphans {
    signals: SignalFd,
    launches: Arc<Launches>,
}

impl Orphans {
    pub fn adopt(events: &Loop) -> Result<Self> {
        let mut children = SigSet::empty();
        children.add(Signal::SIGCHLD);
        children.thread_block().context(|| "block SIGCHLD")?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let signals = SignalFd::with_flags(&children, flags).context(|| "signalfd4")?;
        set_child_subreaper(true).context(|| "prctl(PR_SET_CHILD_SUBREAPER)")?;
        Ok(Self { signals, launches: Arc::clone(&events.launches) })
    }

    /// Reaps orphans up to the first ended child that is watched. Under the lock: whoever starts a child meanwhile waits
    /// for the lock first.
    fn reap(&self, token: Token, reactor: &Reactor) -> Found {
        let mut state = self.launches.lock();
        if state.running > 0 {
            state.put_off = Some(token);
            return Found::Nothing;
        }
        // ECHILD: none left.
        while let Ok(Some(pid)) = peek() {
            if let Some(token) = reactor.process(pid) {
                return Found::Watched(token);
            }
            // It is a zombie of ours and nobody else reaps: the number is its own.
            if reap(Child::Pid(pid)).is_err() {
                break;
            }
        }
        Found::Nothing
    }
}

impl Source for Orphans {
    fn begin(&mut self, token: Token, reactor: &mut Reactor) -> Next {
        self.ready(Ready { token, number: 0 }, reactor)
    }

    fn ready(&mut self, ready: Ready, reactor: &mut Reactor) -> Next {
        // Read before looking: a signal that comes after is a new event.
        while let Ok(Some(_)) = self.signals.read_signal() {}
        while let Found::Watched(process) = self.reap(ready.token, reactor) {
            reactor.nudge(process, 0);
        }
        reactor.arm(self.signals.as_fd(), ready, EpollFlags::EPOLLIN);
        Next::Stay
    }
}
