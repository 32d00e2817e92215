//! `cgroup.events`: whether a cgroup2 has processes and whether it is frozen, and the wait for either to change.
//!
//! What a newcomer would get wrong: the file signals a change with POLLPRI, and only a change since the last read through
//! the same descriptor. So read, then poll, then read again; a change between the two is not lost.

use super::directory::{Directory, read_all};
use crate::error::{Error, Result};
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// Any process, in it or below.
    pub populated: bool,
    /// All of them stopped, or about to be born so.
    pub frozen: bool,
}

impl State {
    fn parse(text: &str) -> Self {
        let is_set = |key: &str| text.lines().any(|line| line.strip_prefix(key) == Some(" 1"));
        Self { populated: is_set("populated"), frozen: is_set("frozen") }
    }
}

pub struct Events {
    file: OwnedFd,
    path: PathBuf,
}

impl Events {
    pub fn open(cgroup: &Path) -> Result<Self> {
        let path = cgroup.join("cgroup.events");
        let file = Directory::open_raw(cgroup)
            .and_then(|directory| directory.open_file("cgroup.events", OFlag::O_RDONLY))
            .map_err(|errno| Error::kernel(format!("open({path:?})"), errno.0))?;
        Ok(Self { file, path })
    }

    pub fn read(&mut self) -> Result<State> {
        let text = read_all(&self.file)
            .map_err(|errno| Error::kernel(format!("read({:?})", self.path), errno.0))?;
        Ok(State::parse(&text))
    }

    /// Waits until `wanted` holds; false when it does not by `deadline`.
    pub fn wait(&mut self, wanted: impl Fn(State) -> bool, deadline: Instant) -> Result<bool> {
        while !wanted(self.read()?) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            // Rounded up, so that the last wait is no busy loop.
            let left = left + Duration::from_millis(1);
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(self.file.as_fd(), PollFlags::POLLPRI)], timeout) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(errno) => {
                    return Err(Error::kernel(format!("poll({:?})", self.path), errno as i32));
                }
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_one_behind_the_whole_key_counts() {
        let state = |populated, frozen| State { populated, frozen };
        assert_eq!(State::parse("populated 1\nfrozen 0\n"), state(true, false));
        assert_eq!(State::parse("populated 0\nfrozen 1\n"), state(false, true));
        assert_eq!(State::parse("unpopulated 1\nfrozen 10\n"), state(false, false));
    }
}
