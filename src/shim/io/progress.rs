//! How far the streams of one process are, for whoever waits for the last of its output.
//!
//! What a newcomer would get wrong: a process that has ended may have left output behind, in its pty or with its logger. The
//! engine deletes it only when that is through, but does not wait for ever.

use rrun::error::{Error, Kind, Result};
use rrun_sys::reap::Ended;
use std::os::fd::OwnedFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Shared by the loop's thread and the handlers.
#[derive(Default)]
pub struct Progress {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The process has ended.
    ended: bool,
    /// What was held open for it is closed.
    closed: bool,
    /// A terminal is copied.
    copying: bool,
    /// A logger runs.
    logging: bool,
    /// How the logger ended.
    logger: Option<Option<Ended>>,
    /// The terminal's master, for its size.
    master: Option<OwnedFd>,
}

impl Progress {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// A terminal is copied from now on; `master` is a second descriptor of it.
    pub fn copies(&self, master: OwnedFd) {
        self.change(|state| {
            state.copying = true;
            state.master = Some(master);
        });
    }

    /// The last of the terminal is where it belongs.
    pub fn copied(&self) {
        self.change(|state| {
            state.copying = false;
            state.master = None;
        });
    }

    /// Whether a terminal is copied.
    pub fn is_copying(&self) -> bool {
        self.lock().copying
    }

    /// A logger runs from now on.
    pub fn logs(&self) {
        self.change(|state| state.logging = true);
    }

    /// The logger has ended; nobody may know how.
    pub fn logged(&self, how: Option<Ended>) {
        self.change(|state| {
            state.logging = false;
            state.logger = Some(how);
        });
    }

    /// Whether a logger runs.
    pub fn is_logging(&self) -> bool {
        self.lock().logging
    }

    /// The process has ended. False the second time.
    pub fn end(&self) -> bool {
        let mut first = false;
        self.change(|state| first = !std::mem::replace(&mut state.ended, true));
        first
    }

    /// What was held open for it is closed.
    pub fn close(&self) {
        self.change(|state| state.closed = true);
    }

    /// Whether the process has ended.
    pub fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Waits for the logger's end.
    pub fn wait_logged(&self, deadline: Instant) -> Option<Option<Ended>> {
        self.wait(deadline, |state| state.logger.is_some()).logger
    }

    /// Waits until the process has ended and all it wrote is through; false when it is not by then.
    pub fn wait_drained(&self, timeout: Duration) -> bool {
        let drained = |state: &State| state.closed && !state.copying && !state.logging;
        drained(&self.wait(Instant::now() + timeout, drained))
    }

    fn wait(&self, deadline: Instant, until: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let left = deadline.saturating_duration_since(Instant::now());
        let waited = self.changed.wait_timeout_while(self.lock(), left, |state| !until(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Does something with the terminal's master.
    ///
    /// # Errors
    /// [`Kind::State`] without a terminal, or when it is gone.
    pub fn with_master<T>(&self, act: impl FnOnce(&OwnedFd) -> Result<T>) -> Result<T> {
        match &self.lock().master {
            Some(master) => act(master),
            None => Err(Error::new(Kind::State, "the process has no terminal (any more)")
                .hint("ask for a terminal when it is created")),
        }
    }
}
