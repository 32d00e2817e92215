//! Events on their way to containerd: in order, one after the other, by a thread that is only there while there are any.
//!
//! It knows the queue; [`forward`] knows the wire. What a newcomer would get wrong: who publishes must not wait for
//! containerd, which may be gone while its containers run; and what could not be delivered is tried again *before* what
//! came later, because "exit" must not overtake "start".
//!
//! ```text
//!  publish ──► waiting ──► thread ── delivered ──────────► next
//!                 ▲           │ failed, at most 5 times
//!                 └── after 1, 2, 3, 4, 5 seconds ◄┘      then it is dropped, with a line in the log
//! ```

mod forward;
#[cfg(test)]
mod tests;

use crate::answer::{any, timestamp};
use crate::log;
use containerd_shim_protos::shim::event::Envelope;
use containerd_shim_protos::shim::events::ForwardRequest;
use forward::Connection;
use protobuf::{Message, MessageField};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// How often an event is tried again.
const RETRIES: u32 = 5;

/// How long the thread and its connection stay when there is nothing to do.
const LINGER: Duration = Duration::from_secs(10);

/// Sends events to containerd. Clones share a queue.
#[derive(Debug, Clone)]
pub struct Publisher(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    namespace: String,
    /// containerd's socket for events, if it named one.
    socket: Option<PathBuf>,
    queue: Mutex<Queue>,
    /// Something was put into the queue.
    filled: Condvar,
    /// An event left it.
    taken: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Pending>,
    is_served: bool,
}

/// An event that containerd has not taken yet.
#[derive(Debug, Clone)]
struct Pending {
    topic: String,
    request: Vec<u8>,
}

impl Publisher {
    /// For the events of one of containerd's namespaces, to the address in `TTRPC_ADDRESS`.
    #[must_use]
    pub fn new(namespace: &str, address: Option<&str>) -> Self {
        let path = address.map(|address| address.strip_prefix("unix://").unwrap_or(address));
        Self(Arc::new(Shared {
            namespace: namespace.to_owned(),
            socket: path.filter(|path| !path.is_empty()).map(PathBuf::from),
            queue: Mutex::default(),
            filled: Condvar::new(),
            taken: Condvar::new(),
        }))
    }

    /// Puts an event (a message of `containerd.events`) into the queue; the time is now.
    pub fn publish<M: Message>(&self, topic: &str, event: &M) {
        let Some(_) = self.0.socket else {
            return log::warn(&format!("event {topic} dropped: TTRPC_ADDRESS is not set"));
        };
        match self.0.pack(topic, event) {
            Ok(request) => self.0.push(Pending { topic: topic.to_owned(), request }),
            Err(error) => log::error(&format!("event {topic} dropped: {error}")),
        }
        let shared = &self.0;
        let mut queue = shared.queue();
        if queue.is_served || queue.waiting.is_empty() {
            return shared.filled.notify_one();
        }
        let server = Arc::clone(shared);
        let started = thread::Builder::new().name("events".into()).spawn(move || server.serve());
        match started {
            Ok(_) => queue.is_served = true,
            // The next event tries again.
            Err(error) => log::error(&format!("event {topic} waits: {error}")),
        }
    }

    /// Waits until every event is delivered or dropped, but not longer than `at_most`.
    pub fn flush(&self, at_most: Duration) {
        let end = Instant::now() + at_most;
        let mut queue = self.0.queue();
        while !queue.waiting.is_empty() && queue.is_served {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return log::warn(&format!("{} events were not delivered", queue.waiting.len()));
            }
            let woken = self.0.taken.wait_timeout(queue, left);
            queue = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Shared {
    fn pack<M: Message>(&self, topic: &str, event: &M) -> protobuf::Result<Vec<u8>> {
        let envelope = Envelope {
            timestamp: timestamp(SystemTime::now()),
            namespace: self.namespace.clone(),
            topic: topic.to_owned(),
            event: MessageField::some(any("containerd.events", event)?),
            ..Default::default()
        };
        ForwardRequest { envelope: MessageField::some(envelope), ..Default::default() }
            .write_to_bytes()
    }

    fn push(&self, pending: Pending) {
        self.queue().waiting.push_back(pending);
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread. An event stays first in the queue until it is done with, so that `flush` sees it.
    fn serve(&self) {
        let Some(socket) = &self.socket else { return };
        let mut connection = Connection::new(socket);
        while let Some(pending) = self.first() {
            self.deliver(&mut connection, &pending);
            self.queue().waiting.pop_front();
            self.taken.notify_all();
        }
    }

    /// The first event, or none when the thread may end.
    fn first(&self) -> Option<Pending> {
        let empty = |queue: &mut Queue| queue.waiting.is_empty();
        let waited = self.filled.wait_timeout_while(self.queue(), LINGER, empty);
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        let first = queue.waiting.front().cloned();
        queue.is_served = first.is_some();
        first
    }

    fn deliver(&self, connection: &mut Connection<'_>, pending: &Pending) {
        for attempt in 1..=RETRIES + 1 {
            let Err(error) = connection.forward(&pending.request) else {
                return log::debug(|| format!("event {} published", pending.topic));
            };
            if attempt > RETRIES {
                return log::error(&format!("event {} dropped: {error}", pending.topic));
            }
            log::warn(&format!("event {}, attempt {attempt}: {error}", pending.topic));
            thread::sleep(Duration::from_secs(attempt.into()));
        }
    }
}
