//! How a container's directory goes away, also when nobody completed it.
//!
//! It knows which file must go last. What a newcomer would get wrong: a draft without a process only says where a cgroup
//! *would* have been made; what is in it may be somebody else's, so nobody there is killed.

use super::Container;
use super::handles::Lock;
use super::record::{DRAFT, FILE, Record};
use crate::error::{Result, ResultExt};
use crate::log;
use std::path::{Path, PathBuf};

/// What describes a container, complete or not.
const RECORDS: [&str; 2] = [FILE, DRAFT];

/// What a killed creator left: whatever its draft describes is ended first.
pub(super) fn clear_debris(directory: PathBuf, lock: Lock) -> Result<()> {
    match Record::load_draft(&directory)? {
        Some(draft) if draft.pid != 0 => Container::new(draft, directory).delete_locked(true, lock),
        // Without a process the cgroup was only planned: one that is in use may be somebody else's.
        Some(draft) => {
            let rdt = draft.rdt.as_ref().map_or(Ok(()), |rdt| rdt.remove());
            for error in [draft.cgroup.remove(), rdt].into_iter().filter_map(Result::err) {
                log::warn(&error.to_string());
            }
            remove_directory(&directory)
        }
        None => remove_directory(&directory),
    }
}

/// Removes a container's directory, the record last of what is in it: an interrupted removal can be repeated as long as
/// there is something that the record must say.
pub(super) fn remove_directory(directory: &Path) -> Result<()> {
    let gone = |error: &std::io::Error| error.raw_os_error() == Some(libc::ENOENT);
    let remove = || -> std::io::Result<()> {
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            if RECORDS.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                std::fs::remove_dir_all(entry.path())?;
            } else {
                std::fs::remove_file(entry.path())?;
            }
        }
        for name in RECORDS {
            match std::fs::remove_file(directory.join(name)) {
                Err(error) if !gone(&error) => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        std::fs::remove_dir(directory)
    };
    match remove() {
        Err(error) if !gone(&error) => {
            Err(error).context(|| format!("remove {}", directory.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
