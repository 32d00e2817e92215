//! The held fifos of a process that has ended: closed, unless somebody may still come to read what is in them.
//!
//! What a newcomer would get wrong: closed by us, a fifo that nobody has open forgets its bytes, and an engine that happens
//! to restart while a container ends would miss the container's last words. A writing end keeps them, and tells that
//! there is no reader (POLLERR); that one came, nothing tells, so we look, ever more seldom.

use super::open::{open_again, polls};
use crate::watch::Reactor;
use nix::fcntl::OFlag;
use nix::poll::PollFlags;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// Writing ends of fifos that wait for a reader.
pub type Waiting = Mutex<Vec<OwnedFd>>;

const SOON: Duration = Duration::from_millis(20);
const SELDOM: Duration = Duration::from_secs(1);

/// Closes `fifos`, those with bytes and without a reader only when one has come, or when `waiting` is dropped.
pub fn close(fifos: Vec<OwnedFd>, waiting: &Arc<Waiting>, reactor: &mut Reactor) {
    let with_bytes = |fifo: &OwnedFd| polls(fifo.as_fd(), PollFlags::POLLIN);
    let writers: Vec<OwnedFd> = fifos
        .iter()
        .filter(|fifo| with_bytes(fifo))
        .filter_map(|fifo| open_again(fifo, OFlag::O_WRONLY | OFlag::O_NONBLOCK).ok())
        .collect();
    // We were a reader, too.
    drop(fifos);
    waiting.lock().unwrap_or_else(PoisonError::into_inner).extend(writers);
    look(&Arc::downgrade(waiting), SOON, reactor);
}

fn look(waiting: &Weak<Waiting>, pause: Duration, reactor: &mut Reactor) {
    let Some(alive) = waiting.upgrade() else { return };
    let mut writers = alive.lock().unwrap_or_else(PoisonError::into_inner);
    writers.retain(|writer| polls(writer.as_fd(), PollFlags::POLLERR));
    if !writers.is_empty() {
        let waiting = waiting.clone();
        let next = (pause * 2).min(SELDOM);
        reactor.after(pause, move |reactor| look(&waiting, next, reactor));
    }
}
