//! The kernel tells when a container runs out of memory.
//!
//! It knows `memory.events` (cgroup2), which wakes who polls it, and v1's `cgroup.event_control`, which takes an eventfd.
//! It refuses to wait: whoever has it polls its descriptor beside others.
//! What a newcomer would get wrong: v1's eventfd also wakes when the cgroup is removed, and before anybody was killed;
//! cgroup2's file also for events that kill nobody. Only [`OomWatch::take`] says what happened.

use super::Cgroup;
use super::directory::{Directory, read_all};
use crate::error::{Error, Result};
use nix::fcntl::OFlag;
use nix::poll::PollFlags;
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// A watch on one container's memory.
#[derive(Debug)]
pub struct OomWatch(Kind);

#[derive(Debug)]
enum Kind {
    V2 { events: OwnedFd, killed: u64 },
    V1 { wake: EventFd, path: PathBuf },
}

impl Cgroup {
    /// Watches for it; `None` where nobody counts its memory, or the cgroup is gone.
    ///
    /// # Errors
    /// [`crate::error::Kind::Kernel`] when the kernel refuses.
    pub fn watch_oom(&self) -> Result<Option<OomWatch>> {
        for path in self.unified.iter().chain(&self.v1) {
            let watched = Directory::open_raw(path).and_then(|directory| watch(path, &directory));
            match watched {
                Ok(watch) => return Ok(Some(watch)),
                Err(rrun_sys::Errno(libc::ENOENT | libc::ENODEV)) => {}
                Err(errno) => {
                    let call = format!("watch {} for lack of memory", path.display());
                    return Err(Error::kernel(call, errno.0));
                }
            }
        }
        Ok(None)
    }
}

fn watch(
    path: &std::path::Path,
    directory: &Directory,
) -> std::result::Result<OomWatch, rrun_sys::Errno> {
    match directory.open_file("memory.events", OFlag::O_RDONLY) {
        Ok(events) => {
            let killed = kills(&read_all(&events)?);
            return Ok(OomWatch(Kind::V2 { events, killed }));
        }
        Err(rrun_sys::Errno(libc::ENOENT)) => {}
        Err(errno) => return Err(errno),
    }
    let control = directory.open_file("memory.oom_control", OFlag::O_RDONLY)?;
    let wake = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
        .map_err(|errno| rrun_sys::Errno(errno as i32))?;
    let pair = format!("{} {}", wake.as_fd().as_raw_fd(), control.as_raw_fd());
    // The kernel keeps what it needs of `control`.
    directory.write("cgroup.event_control", &pair)?;
    Ok(OomWatch(Kind::V1 { wake, path: path.join("memory.oom_control") }))
}

impl OomWatch {
    /// What to poll for on its descriptor. Besides these, an error condition wakes as well.
    #[must_use]
    pub fn wants(&self) -> PollFlags {
        match &self.0 {
            Kind::V2 { .. } => PollFlags::POLLPRI,
            Kind::V1 { .. } => PollFlags::POLLIN,
        }
    }

    /// How often it ran out of memory since the last call; to be called whenever the descriptor wakes. `None` when the
    /// cgroup is gone, and the watch is over.
    ///
    /// # Errors
    /// [`crate::error::Kind::Kernel`] when the kernel refuses.
    pub fn take(&mut self) -> Result<Option<u64>> {
        match &mut self.0 {
            Kind::V2 { events, killed } => match read_all(events) {
                Ok(text) => {
                    let now = kills(&text);
                    let more = now.saturating_sub(*killed);
                    *killed = now;
                    Ok(Some(more))
                }
                Err(rrun_sys::Errno(libc::ENODEV)) => Ok(None),
                Err(errno) => Err(Error::kernel("read(memory.events)", errno.0)),
            },
            Kind::V1 { wake, path } => {
                let count = match wake.read() {
                    Ok(count) => count,
                    Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => {
                        return Ok(Some(0));
                    }
                    Err(errno) => return Err(Error::kernel("read(eventfd)", errno as i32)),
                };
                Ok(path.exists().then_some(count))
            }
        }
    }
}

impl AsFd for OomWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Kind::V2 { events, .. } => events.as_fd(),
            Kind::V1 { wake, .. } => wake.as_fd(),
        }
    }
}

/// The processes that were killed for it, here and below.
fn kills(text: &str) -> u64 {
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    count.and_then(|count| count.trim().parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_events_only_the_kills_count() {
        let text = "low 0\nhigh 0\nmax 41\noom 3\noom_kill 2\noom_group_kill 1\n";
        assert_eq!(kills(text), 2);
        assert_eq!(kills("max 1\noom 1\n"), 0);
    }
}
