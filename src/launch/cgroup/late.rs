//! A cgroup in a v1 hierarchy for a container that was born without one there.
//!
//! It knows how to bring processes over while they fork. It refuses to know limits.
//! What a newcomer would get wrong: who is moved is a snapshot. A child is born where its parent is at that moment, so one
//! looks again until nobody is left outside.

use super::directory::Directory;
use super::{Cgroup, make, remove};
use crate::error::{Error, Result};
use crate::host::cgroup::below;
use crate::plan::cgroup::V1Place;
use rrun_sys::Errno;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One that was made.
pub struct Late {
    path: PathBuf,
    /// Above it, outermost first.
    ancestors: Vec<PathBuf>,
    /// Where its processes came from.
    origin: PathBuf,
}

impl Late {
    /// Makes it, with its limits, and moves every process of `cgroup` there.
    pub fn make(v1: &V1Place, cgroup: &Cgroup) -> Result<Self> {
        let path = below(&v1.place.mount, &v1.place.path);
        let mut ancestors = make::make_v1(v1)?;
        ancestors.retain(|one| *one != path);
        let late = Self { path, ancestors, origin: v1.place.mount.clone() };
        match late.move_all(cgroup, &late.path) {
            Ok(()) => Ok(late),
            Err(error) => Err(match late.undo() {
                Ok(()) => error,
                Err(failure) => error.while_undoing(failure),
            }),
        }
    }

    /// Adds it to what is known of the container.
    pub fn tell(&self, cgroup: &mut Cgroup) {
        cgroup.v1.push(self.path.clone());
        cgroup.ancestors.extend(self.ancestors.iter().cloned());
    }

    fn move_all(&self, cgroup: &Cgroup, to: &Path) -> Result<()> {
        let directory = Directory::open(to)?;
        let mut moved = BTreeSet::new();
        loop {
            let pids = cgroup.pids()?;
            let news: Vec<_> = pids.into_iter().filter(|pid| !moved.contains(pid)).collect();
            if news.is_empty() {
                return Ok(());
            }
            for pid in news {
                move_one(pid, to, &directory)?;
                moved.insert(pid);
            }
        }
    }

    /// Moves them to the root of the hierarchy, where nothing limits them, and removes it.
    pub fn undo(&self) -> Result<()> {
        let directory = Directory::open(&self.origin)?;
        loop {
            let pids = Directory::open(&self.path)?.read("cgroup.procs").unwrap_or_default();
            let pids: Vec<i32> = pids.lines().filter_map(|line| line.parse().ok()).collect();
            if pids.is_empty() {
                break;
            }
            for pid in pids {
                move_one(pid, &self.origin, &directory)?;
            }
        }
        remove::remove(None, std::slice::from_ref(&self.path), &self.ancestors)
    }
}

impl Cgroup {
    /// Moves one process there that has no children yet.
    ///
    /// # Errors
    /// [`Kind::Kernel`](crate::error::Kind::Kernel) when the kernel refuses.
    pub fn enter(&self, pid: i32) -> Result<()> {
        let all = self.unified.iter().chain(&self.v1);
        all.into_iter().try_for_each(|path| move_one(pid, path, &Directory::open(path)?))
    }
}

fn move_one(pid: i32, to: &Path, directory: &Directory) -> Result<()> {
    match directory.write("cgroup.procs", &pid.to_string()) {
        Ok(()) | Err(Errno(libc::ESRCH)) => Ok(()),
        Err(errno) => {
            let call = format!("write({}/cgroup.procs, \"{pid}\")", to.display());
            Err(Error::kernel(call, errno.0))
        }
    }
}
