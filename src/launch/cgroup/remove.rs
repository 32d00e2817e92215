//! A cgroup is removed, with all that was made below it.
//!
//! It knows rmdir and the wait for dying processes. It kills nobody.
//! What a newcomer would get wrong: cgroupfs is not emptied before it is removed; its files are the kernel's. Only
//! directories are, and a container may have made more of them.

use super::events::Events;
use super::{PATIENCE, is_gone};
use crate::error::{Error, Kind, Result};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Removes the cgroup in every hierarchy, then those of `ancestors` that nobody uses.
pub fn remove(unified: Option<&Path>, v1: &[PathBuf], ancestors: &[PathBuf]) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut failure: Option<Error> = None;
    let hierarchies = unified.into_iter().map(|path| (path, Waiting::ByEvents));
    for (path, waiting) in hierarchies.chain(v1.iter().map(|path| (&**path, Waiting::BySleeping))) {
        if let Err(error) = remove_tree(path, waiting, deadline) {
            failure = Some(match failure {
                None => error,
                Some(first) => first.while_undoing(error),
            });
        }
    }
    if let Some(error) = failure {
        return Err(error);
    }
    for path in ancestors.iter().rev() {
        // Whoever uses it now removes it, or keeps it: not ours to complain about.
        match rmdir(path) {
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// How to learn that a cgroup has become empty. v1 has nothing to wait on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    ByEvents,
    BySleeping,
}

fn remove_tree(path: &Path, waiting: Waiting, deadline: Instant) -> Result<()> {
    let mut pause = Duration::from_micros(250);
    loop {
        match rmdir(path) {
            Ok(()) => return Ok(()),
            Err(errno) if is_gone(Some(errno)) => return Ok(()),
            Err(libc::EBUSY | libc::ENOTEMPTY) => {}
            Err(errno) => return Err(Error::kernel(format!("rmdir({path:?})"), errno)),
        }
        for child in children(path) {
            remove_tree(&child, waiting, deadline)?;
        }
        if Instant::now() >= deadline || !wait_until_empty(path, waiting, deadline)? {
            return Err(still_used(path));
        }
        // Empty and yet busy once: what was empty was read before its children went. Twice: the kernel is not done.
        if pause > Duration::from_micros(250) || waiting == Waiting::BySleeping {
            std::thread::sleep(pause);
        }
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

fn wait_until_empty(path: &Path, waiting: Waiting, deadline: Instant) -> Result<bool> {
    if waiting == Waiting::BySleeping {
        return Ok(true);
    }
    let waited =
        Events::open(path).and_then(|mut events| events.wait(|now| !now.populated, deadline));
    match waited {
        Err(error) if is_gone(error.errno()) => Ok(true),
        other => other,
    }
}

pub fn still_used(path: &Path) -> Error {
    Error::new(Kind::State, format!("cgroup {} is still in use after 2 s", path.display()))
        .with_call(format!("rmdir({path:?})"), libc::EBUSY)
        .hint("kill its processes; one that hangs in the kernel has to come back first")
}

/// The cgroups directly below; none when it is gone.
pub fn children(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(path) else { return Vec::new() };
    let is_directory =
        |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    entries.flatten().filter(is_directory).map(|entry| entry.path()).collect()
}

/// rmdir(2), with the bare errno.
pub fn rmdir(path: &Path) -> std::result::Result<(), i32> {
    std::fs::remove_dir(path).map_err(|error| error.raw_os_error().unwrap_or(libc::EIO))
}
