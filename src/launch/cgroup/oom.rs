//! Whether the kernel killed for want of memory: a descriptor to poll, and a count to ask.
//!
//! It knows `memory.events` (v2) and `memory.oom_control` (v1); it refuses to know who was killed.
//! What a newcomer would get wrong: both only say "look", and neither at the right moment. v2 tells up to 10 ms after the
//! kill, as it limits the rate; v1 tells before it. The count is right as soon as the killed process has ended, so ask
//! then, too ([`OomWatch::take`] costs one read).

use super::directory::{Directory, read_all};
use super::{Cgroup, is_gone};
use crate::error::{Error, Result, ResultExt};
use nix::fcntl::OFlag;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use rrun_sys::Errno;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The kills in one cgroup and, in v2, below it.
#[derive(Debug)]
pub struct OomWatch {
    bell: Bell,
    counts: OwnedFd,
    path: PathBuf,
    seen: u64,
    gone: bool,
}

#[derive(Debug)]
enum Bell {
    Unified(Inotify),
    V1(EventFd),
}

impl OomWatch {
    /// Watches `cgroup`; `None` when it has no memory controller, or is gone.
    ///
    /// # Errors
    /// [`crate::error::Kind::Kernel`] when the kernel refuses.
    pub fn open(cgroup: &Cgroup) -> Result<Option<Self>> {
        if let Some(path) = cgroup.unified_path()
            && let Some(watch) = Self::open_unified(path)?
        {
            return Ok(Some(watch));
        }
        for path in cgroup.v1_paths() {
            if let Some(watch) = Self::open_v1(path)? {
                return Ok(Some(watch));
            }
        }
        Ok(None)
    }

    fn open_unified(cgroup: &Path) -> Result<Option<Self>> {
        let Some((path, counts)) = open_counts(cgroup, "memory.events")? else { return Ok(None) };
        let bell = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)
            .context(|| "inotify_init1")?;
        match bell.add_watch(&path, AddWatchFlags::IN_MODIFY) {
            Ok(_) => Self::start(Bell::Unified(bell), counts, path),
            Err(errno) if is_gone(Some(errno as i32)) => Ok(None),
            Err(errno) => Err(Error::kernel(format!("inotify_add_watch({path:?})"), errno as i32)
                .hint("the host may be out of inotify watches: raise fs.inotify.max_user_watches")),
        }
    }

    fn open_v1(cgroup: &Path) -> Result<Option<Self>> {
        let Some((path, counts)) = open_counts(cgroup, "memory.oom_control")? else {
            return Ok(None);
        };
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let bell = EventFd::from_value_and_flags(0, flags).context(|| "eventfd2")?;
        let order = format!("{} {}", bell.as_fd().as_raw_fd(), counts.as_raw_fd());
        let written = Directory::open_raw(cgroup)
            .and_then(|directory| directory.write("cgroup.event_control", &order));
        match written {
            Ok(()) => Self::start(Bell::V1(bell), counts, path),
            Err(errno) if is_gone(Some(errno.0)) => Ok(None),
            Err(errno) => {
                let call = format!("write({}/cgroup.event_control, {order:?})", cgroup.display());
                Err(Error::kernel(call, errno.0))
            }
        }
    }

    /// The bell is hung up first: a kill in between is rung for, and counted once.
    fn start(bell: Bell, counts: OwnedFd, path: PathBuf) -> Result<Option<Self>> {
        let mut watch = Self { bell, counts, path, seen: 0, gone: false };
        watch.take()?;
        Ok((!watch.gone).then_some(watch))
    }

    /// The kills since the last call, or since [`OomWatch::open`]. The descriptor is quiet again.
    ///
    /// # Errors
    /// [`crate::error::Kind::Kernel`] when the kernel refuses.
    pub fn take(&mut self) -> Result<u64> {
        let silenced = match &self.bell {
            Bell::Unified(inotify) => inotify.read_events().map(drop),
            Bell::V1(eventfd) => eventfd.read().map(drop),
        };
        match silenced {
            Ok(()) | Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(self.refused(errno as i32)),
        }
        match read_all(&self.counts) {
            Ok(text) => {
                let kills = kills(&text);
                let new = kills.saturating_sub(self.seen);
                self.seen = kills;
                Ok(new)
            }
            Err(Errno(errno)) if is_gone(Some(errno)) => {
                self.gone = true;
                Ok(0)
            }
            Err(Errno(errno)) => Err(self.refused(errno)),
        }
    }

    /// Whether the last [`OomWatch::take`] found the cgroup removed: nothing will come any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.gone
    }

    /// Whether the descriptor reports a kill before it has happened (v1), so that a count that did not grow is to be
    /// asked again a moment later.
    #[must_use]
    pub fn is_early(&self) -> bool {
        matches!(self.bell, Bell::V1(_))
    }

    fn refused(&self, errno: i32) -> Error {
        Error::kernel(format!("read({:?})", self.path), errno)
    }
}

/// It polls readable when [`OomWatch::take`] is worth a call.
impl AsFd for OomWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.bell {
            Bell::Unified(inotify) => inotify.as_fd(),
            Bell::V1(eventfd) => eventfd.as_fd(),
        }
    }
}

fn open_counts(cgroup: &Path, file: &str) -> Result<Option<(PathBuf, OwnedFd)>> {
    let path = cgroup.join(file);
    let opened = Directory::open_raw(cgroup)
        .and_then(|directory| directory.open_file(file, OFlag::O_RDONLY));
    match opened {
        Ok(counts) => Ok(Some((path, counts))),
        Err(errno) if is_gone(Some(errno.0)) => Ok(None),
        Err(errno) => Err(Error::kernel(format!("open({path:?})"), errno.0)),
    }
}

/// The value of `oom_kill`, the same word in both versions. A kernel before 4.13 has none in v1, and counts none.
fn kills(text: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_are_counted_and_mere_pressure_is_not() {
        assert_eq!(kills("low 0\nhigh 3\nmax 9\noom 2\noom_kill 1\noom_group_kill 4\n"), 1);
        assert_eq!(kills("oom_kill_disable 0\nunder_oom 1\noom_kill 7\n"), 7);
        assert_eq!(kills("oom_kill_disable 0\nunder_oom 1\n"), 0);
    }

    #[test]
    fn a_cgroup_that_is_not_there_is_not_watched() {
        assert!(OomWatch::open(&Cgroup::default()).expect("no cgroup").is_none());
        let none = Path::new("/sys/fs/cgroup/rrun-no-such-cgroup");
        assert!(OomWatch::open_unified(none).expect("v2").is_none());
        assert!(OomWatch::open_v1(none).expect("v1").is_none());
    }
}
