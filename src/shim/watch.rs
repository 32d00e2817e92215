//! The shim's one thread for events: processes that end, memory that runs out, and the streams that are copied.
//!
//! ```text
//!  any thread ──[submit]──► queue, eventfd ──► epoll ◄── pidfds, OOM bells, fifos, ptys, SIGCHLD
//!                                               │
//!                             callbacks, here, one after the other
//! ```
//! It knows how to wait; it refuses to know containers. Callbacks run on the loop's thread, so **they must not block**: no
//! lock that is held across a start, no answer from the loop itself. What a newcomer would get wrong: what is watched is
//! armed for one event and armed anew by whoever took it (EPOLLONESHOT). A hang-up that nobody wants to read yet would
//! otherwise be reported for ever, and the loop would spin.

mod orphans;
mod process;
mod reactor;
#[cfg(test)]
mod tests;

pub use orphans::Launching;
pub use process::End;
pub use reactor::{Next, Reactor, Ready, Source, Token};

use process::{Memory, Process};
use rrun::error::{Result, ResultExt};
use rrun::launch::cgroup::OomWatch;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// The loop's thread, as others see it. The thread ends with its last handle.
#[derive(Clone)]
pub struct Loop {
    running: Arc<Running>,
    launches: Arc<orphans::Launches>,
}

/// Ends the thread when it is dropped.
struct Running(Arc<reactor::Queue>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.submit(Box::new(Reactor::stop));
    }
}

/// What keeps being watched until this is dropped.
#[must_use = "dropped, it is watched no more"]
pub struct Watched {
    events: Loop,
    token: Token,
}

impl Drop for Watched {
    fn drop(&mut self) {
        let token = self.token;
        self.events.submit(move |reactor| reactor.remove(token));
    }
}

impl Loop {
    /// Starts the thread. It takes no signal.
    ///
    /// # Errors
    /// [`rrun::error::Kind::Kernel`] without descriptors or threads to be had.
    pub fn start() -> Result<Self> {
        let launches = Arc::new(orphans::Launches::default());
        let reactor = Reactor::new()?;
        let queue = reactor.queue();
        std::thread::Builder::new()
            .name("events".to_owned())
            .spawn(move || reactor.run())
            .context(|| "start the thread for events")?;
        Ok(Self { running: Arc::new(Running(queue)), launches })
    }

    /// Makes this process a subreaper, and reaps what is reparented to it. To be called by the first thread before there
    /// are others but the loop's: it blocks SIGCHLD, and a thread that does not would swallow it. What we start unblocks
    /// it for itself ([`rrun_sys::signal::start_clean`], and whatever the launch clones).
    ///
    /// From then on a child is an orphan unless it is watched, or its starter holds [`Loop::launching`].
    ///
    /// # Errors
    /// [`rrun::error::Kind::Kernel`] when the kernel refuses.
    pub fn adopt_orphans(&self) -> Result<()> {
        let orphans = orphans::Orphans::adopt(self)?;
        self.submit(move |reactor| reactor.add(Box::new(orphans)));
        Ok(())
    }

    /// Held by whoever starts children of its own, from before the start until it has reaped them or has them watched
    /// ([`Loop::watch_process`]). No orphan is reaped meanwhile, so nobody's child is taken for one.
    #[must_use = "dropped, the children may be reaped as orphans"]
    pub fn launching(&self) -> Launching {
        Launching::new(self)
    }

    /// Reaps the child `pid` once it has ended and tells `on_end`. What has run out of memory before that is reported
    /// first.
    pub fn watch_process(
        &self,
        pid: i32,
        pidfd: OwnedFd,
        on_end: impl FnOnce(End) + Send + 'static,
    ) {
        let process = Process::new(pid, pidfd, Box::new(on_end));
        // The guard is dropped when the loop knows the pid: the caller's may be dropped earlier.
        let launching = self.launching();
        self.submit(move |reactor| {
            reactor.add(Box::new(process));
            drop(launching);
        });
    }

    /// Calls `on_oom` whenever the kernel has killed for want of memory, once for as many kills as are known by then.
    pub fn watch_oom(&self, watch: OomWatch, on_oom: impl Fn() + Send + 'static) -> Watched {
        let token = self.running.0.token();
        let memory = Memory::new(watch, Box::new(on_oom));
        self.submit(move |reactor| reactor.add_as(token, Box::new(memory)));
        Watched { events: self.clone(), token }
    }

    /// Runs `order` on the loop's thread, after those submitted before.
    pub fn submit(&self, order: impl FnOnce(&mut Reactor) + Send + 'static) {
        self.running.0.submit(Box::new(order));
    }

    /// A name for a source that will be added.
    pub fn token(&self) -> Token {
        self.running.0.token()
    }
}
