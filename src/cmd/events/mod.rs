//! `rrun events`: what a container uses, once or over and over, and when it ran out of memory.
//!
//! It knows the loop: the container's end, the kernel's word about memory, the next reading. It refuses to know figures.
//! What a newcomer would get wrong: v1 tells *before* it kills, and the count of kills is what counts; so it is asked again
//! for a while, and once more when the container has ended.

mod json;

use super::args::{EventsArgs, Globals};
use crate::container::{Container, Verb, demand};
use crate::error::{Error, Result};
use crate::launch::cgroup::OomWatch;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long after v1's word the kill may come, and how often it is looked for.
const LATE: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(10);

/// Prints one line of JSON for each event, until the container ends; with `--stats` one, and ends.
///
/// # Errors
/// `container does not exist`, `container not running`; a container without a cgroup.
pub fn run(globals: &Globals, args: &EventsArgs) -> Result<u8> {
    let container = super::store(globals)?.open(&args.id)?;
    demand(Verb::Events, container.status()?, &container.record.id)?;
    if args.stats {
        return print_stats(&container);
    }
    Events {
        end: container.pidfd()?,
        oom: container.watch_oom()?,
        next: Instant::now() + args.interval,
        look_until: None,
        container,
        interval: args.interval,
    }
    .follow()
}

fn print_stats(container: &Container) -> Result<u8> {
    let line = json::stats(container.record.id.as_str(), &container.stats()?);
    super::print(&format!("{line}\n"))
}

struct Events {
    container: Container,
    /// Of the first process.
    end: OwnedFd,
    oom: Option<OomWatch>,
    interval: Duration,
    /// When to read again.
    next: Instant,
    /// A kill is announced.
    look_until: Option<Instant>,
}

impl Events {
    fn follow(mut self) -> Result<u8> {
        loop {
            let (ended, rung) = self.wait()?;
            if rung && self.oom.as_ref().is_some_and(OomWatch::is_early) {
                self.look_until = Some(Instant::now() + LATE);
            }
            self.print_kills()?;
            if ended {
                return Ok(0);
            }
            if self.next <= Instant::now() {
                self.print_reading()?;
                self.next = Instant::now() + self.interval;
            }
        }
    }

    /// Waits for the end or the bell, and until the next reading at most.
    fn wait(&mut self) -> Result<(bool, bool)> {
        let now = Instant::now();
        let mut until = self.next;
        match self.look_until {
            Some(end) if end > now => until = until.min(now + LOOK),
            Some(_) | None => self.look_until = None,
        }
        // Rounded up, so that the last wait is no busy loop.
        let left = until.saturating_duration_since(now) + Duration::from_millis(1);
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut fds = vec![PollFd::new(self.end.as_fd(), PollFlags::POLLIN)];
        fds.extend(self.oom.iter().map(|oom| PollFd::new(oom.as_fd(), PollFlags::POLLIN)));
        match poll(&mut fds, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(Error::kernel("poll(pidfd, memory)", errno as i32)),
        }
        let is_up = |fd: Option<&PollFd<'_>>| fd.and_then(PollFd::any).unwrap_or_default();
        Ok((is_up(fds.first()), is_up(fds.get(1))))
    }

    fn print_kills(&mut self) -> Result<()> {
        let Some(oom) = &mut self.oom else { return Ok(()) };
        let kills = oom.take()?;
        if oom.is_gone() {
            self.oom = None;
        }
        for _ in 0..kills {
            super::print(&format!("{}\n", json::oom(self.container.record.id.as_str())))?;
        }
        Ok(())
    }

    /// Of one that ends at this moment there are no figures; the next wait says so.
    fn print_reading(&self) -> Result<()> {
        match print_stats(&self.container) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == crate::error::Kind::State => Ok(()),
            Err(error) => Err(error),
        }
    }
}
