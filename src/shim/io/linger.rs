//! The held fifos of a process that has ended: closed, unless somebody may still come to read what is in them.
//!
//! The end is told only when they have been read ([`close_when_read`]): containerd's clients stop reading when they hear of
//! it. Who does not read soon is not waited for. What a newcomer would get wrong: closed by us, a fifo that nobody has open forgets its bytes, and an engine that happens
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

/// Called once: when the last output has been read, or when that has taken too long.
pub type Then = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

/// How long to wait before the second look, and at most before the last: each is twice the one before.
pub const FIRST_LOOK: Duration = Duration::from_millis(1);
const LAST_LOOK: Duration = Duration::from_millis(32);

/// What a reader has at most.
pub const TOO_LONG: Duration = Duration::from_millis(100);

/// Closes `fifos` when they have been read, or after some looks whether they have or not; then calls `then`.
pub fn close_when_read(
    fifos: Vec<OwnedFd>,
    waiting: Arc<Waiting>,
    then: Then,
    pause: Duration,
    reactor: &mut Reactor,
) {
    let unread = fifos.iter().any(|fifo| polls(fifo.as_fd(), PollFlags::POLLIN));
    if unread && pause <= LAST_LOOK {
        let again = move |reactor: &mut Reactor| {
            close_when_read(fifos, waiting, then, pause * 2, reactor);
        };
        return reactor.after(pause, again);
    }
    close(fifos, &waiting, reactor);
    call(&then);
}

/// Calls it, unless it was called.
pub fn call(then: &Then) {
    let then = then.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(then) = then {
        then();
    }
}

const SOON: Duration = Duration::from_millis(20);
const SELDOM: Duration = Duration::from_secs(1);

/// Closes `fifos`, those with bytes and without a reader only when one has come, or when `waiting` is dropped.
fn close(fifos: Vec<OwnedFd>, waiting: &Arc<Waiting>, reactor: &mut Reactor) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::Loop;
    use nix::unistd::{read, write};
    use std::sync::mpsc::{Receiver, channel};

    /// A pipe with a word in it is ended; what is heard at the end is whether the word was still there.
    fn end(read_after: Option<Duration>) -> (Receiver<bool>, Loop, OwnedFd) {
        let events = Loop::start().expect("a loop");
        let (reader, writer) = super::super::open::pipe().expect("a pipe");
        write(&writer, b"last").expect("a word");
        let (tell, told) = channel();
        let [held, seen, taken] = [(); 3].map(|()| reader.try_clone().expect("a reader"));
        let then = move || {
            let unread = polls(seen.as_fd(), PollFlags::POLLIN);
            tell.send(unread).expect("a listener");
        };
        let then: Then = Arc::new(Mutex::new(Some(Box::new(then))));
        events.submit(move |reactor| {
            if let Some(pause) = read_after {
                reactor.after(pause, move |_| {
                    read(&taken, &mut [0; 8]).expect("the word");
                });
            }
            close_when_read(vec![held], Arc::default(), then, FIRST_LOOK, reactor);
        });
        (told, events, writer)
    }

    #[test]
    fn the_end_is_told_when_the_last_word_was_read() {
        let (told, _events, _writer) = end(Some(FIRST_LOOK * 2));
        assert_eq!(told.recv_timeout(Duration::from_secs(60)), Ok(false));
    }

    #[test]
    fn who_does_not_read_is_not_waited_for() {
        let (told, _events, _writer) = end(None);
        assert_eq!(told.recv_timeout(Duration::from_secs(60)), Ok(true));
    }
}
