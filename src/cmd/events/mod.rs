//! `rrun events`: what a container uses, once or over and over, and when it ran out of memory.
//!
//! It knows the loop: the container's end, the kernel's word about memory and pressure, the next reading. It refuses to
//! know figures.
//! What a newcomer would get wrong: v1 tells *before* it kills, and the count of kills is what counts; so it is asked again
//! for a while, and once more when the container has ended. cgroup2 and pressure need no second look: each is told.

mod json;

use super::args::{EventsArgs, Globals};
use crate::container::{Container, Verb, demand};
use crate::error::{Error, Result};
use crate::launch::cgroup::{OomWatch, PressureWatch, Trigger};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long after v1's word the kill may come, and how often it is looked for.
const LATE: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(10);

/// Prints one line of JSON for each event, until the container ends; with `--stats` one, and ends.
///
/// # Errors
/// `container does not exist`, `container not running`; a container without a cgroup; pressure that nobody counts.
pub fn run(globals: &Globals, args: &EventsArgs) -> Result<u8> {
    let container = super::store(globals)?.open(&args.id)?;
    demand(Verb::Events, container.status()?, &container.record.id)?;
    if args.stats {
        return print_stats(&container);
    }
    let watch = |trigger: &Trigger| container.watch_pressure(*trigger);
    Events {
        end: container.pidfd()?,
        pressure: args.pressure.iter().map(watch).collect::<Result<_>>()?,
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

/// What ended a wait.
struct Awoken {
    ended: bool,
    rung: bool,
    /// Of each trigger, what poll(2) said.
    pressed: Vec<Option<PollFlags>>,
}

struct Events {
    container: Container,
    /// Of the first process.
    end: OwnedFd,
    oom: Option<OomWatch>,
    pressure: Vec<PressureWatch>,
    interval: Duration,
    /// When to read again.
    next: Instant,
    /// A kill is announced.
    look_until: Option<Instant>,
}

impl Events {
    fn follow(mut self) -> Result<u8> {
        loop {
            let Awoken { ended, rung, pressed } = self.wait()?;
            if rung && self.oom.as_ref().is_some_and(OomWatch::is_early) {
                self.look_until = Some(Instant::now() + LATE);
            }
            self.print_kills()?;
            self.print_pressure(&pressed)?;
            if ended {
                return Ok(0);
            }
            if self.next <= Instant::now() {
                self.print_reading()?;
                self.next = Instant::now() + self.interval;
            }
        }
    }

    /// Waits for the end, the bell or a trigger, and until the next reading at most.
    fn wait(&mut self) -> Result<Awoken> {
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
        fds.extend(self.pressure.iter().map(|one| PollFd::new(one.as_fd(), PressureWatch::EVENTS)));
        fds.extend(self.oom.iter().map(|oom| PollFd::new(oom.as_fd(), PollFlags::POLLIN)));
        match poll(&mut fds, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => {
                return Err(Error::kernel("poll(pidfd, memory, pressure)", errno as i32));
            }
        }
        let is_up = |fd: &PollFd<'_>| fd.any().unwrap_or_default();
        let triggers = self.pressure.len();
        Ok(Awoken {
            ended: fds.first().is_some_and(is_up),
            rung: fds.get(1 + triggers).is_some_and(is_up),
            pressed: fds.iter().skip(1).take(triggers).map(|fd| fd.revents()).collect(),
        })
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

    /// `pressed` has what poll(2) said of each trigger. One whose cgroup is gone would say so for ever.
    fn print_pressure(&mut self, pressed: &[Option<PollFlags>]) -> Result<()> {
        let mut said = pressed.iter().map(|flags| flags.unwrap_or(PollFlags::empty()));
        for watch in std::mem::take(&mut self.pressure) {
            let flags = said.next().unwrap_or(PollFlags::empty());
            let is_over = flags.intersects(PollFlags::POLLERR | PollFlags::POLLNVAL);
            if !is_over && flags.intersects(PressureWatch::EVENTS) {
                let Some(now) = watch.read()? else { continue };
                let id = self.container.record.id.as_str();
                super::print(&format!("{}\n", json::pressed(id, watch.trigger(), &now)))?;
            }
            if !is_over {
                self.pressure.push(watch);
            }
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
