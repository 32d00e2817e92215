//! The root directory: which containers there are, and whose directory is whose.
//!
//! It knows names and records; it refuses to know what the processes are doing. What a newcomer would get wrong: a
//! directory without a record is not a container. Its creator is at work (and holds the lock), or was killed, and then
//! the directory is debris that only a forced delete removes.
//!
//! ```text
//! <root>/            0700, made by the first reserve
//! └── <id>/          0700; mkdir(2) of it is the reservation, flock(2) on it says that somebody is changing it
//!     ├── creating.json  the record's drafts, until the launch is over
//!     ├── state.json     the record: present ⇔ this is a container
//!     └── gate           a socket: present ⇔ its process still waits for `start`
//! ```

use super::debris::{clear_debris, remove_directory};
use super::handles::{Lock, Reserved};
use super::record::Record;
use super::{Container, not_found};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::id::ContainerId;
use crate::log;
use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::PathBuf;

/// Where containers of one `--root` live.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    mode: u32,
}

/// What stands at a container's name.
#[derive(Debug)]
pub enum Found {
    /// A container: its record is complete.
    Container(Box<Container>),
    /// A reservation whose creator is at work, and what it has noted so far.
    Creating(Option<Box<Record>>),
    /// What a killed creator left: a directory without a record and without a creator.
    Debris,
    /// Nothing.
    Nothing,
}

impl Store {
    /// The store below `root` (`--root`), which need not exist yet.
    ///
    /// # Errors
    /// [`Kind::Usage`] for an empty path and for `/`, below which every directory would look like a container.
    pub fn new(root: PathBuf) -> Result<Self> {
        let refuse = |problem: &str| {
            Err(Error::new(Kind::Usage, format!("--root {}: {problem}", root.display()))
                .hint("name a directory that holds nothing else, such as /run/rrun"))
        };
        if root.as_os_str().is_empty() {
            return refuse("the path is empty");
        }
        let absolute = std::path::absolute(&root)
            .context(|| format!("find the absolute path of --root {}", root.display()))?;
        if !absolute.components().any(|part| matches!(part, std::path::Component::Normal(_))) {
            return refuse("the root of the file system is no place for containers");
        }
        Ok(Self { root: absolute, mode: 0o700 })
    }

    /// The store that is used without `--root`: `/run/rrun`, or `$XDG_RUNTIME_DIR/rrun` for who may not write to /run.
    ///
    /// # Errors
    /// [`Kind::Usage`] when it would be the latter, but `xdg_runtime_dir` is not set.
    pub fn default(may_write_run: bool, xdg_runtime_dir: Option<PathBuf>) -> Result<Self> {
        if may_write_run {
            return Self::new("/run/rrun".into());
        }
        match xdg_runtime_dir.filter(|dir| !dir.as_os_str().is_empty()) {
            // XDG's cleaners leave alone what has the sticky bit.
            Some(dir) => Ok(Self { mode: 0o1700, ..Self::new(dir.join("rrun"))? }),
            None => Err(Error::new(Kind::Usage, "XDG_RUNTIME_DIR is not set")
                .hint("set it, or say where containers are kept with --root DIR")),
        }
    }

    /// Reserves `id`: makes its directory, which nobody else can, and locks it.
    ///
    /// # Errors
    /// [`Kind::Exists`] when the id is taken; [`Kind::Kernel`] when the directory cannot be made.
    pub fn reserve(&self, id: &ContainerId) -> Result<Reserved> {
        let directory = self.directory(id);
        let make = || DirBuilder::new().mode(0o700).create(&directory);
        let made = make().or_else(|error| match error.raw_os_error() {
            Some(libc::ENOENT) => self.make_root().and_then(|()| make()),
            _ => Err(error),
        });
        let Err(error) = made else { return Reserved::new(directory, id) };
        Err(match error.raw_os_error() {
            Some(libc::EEXIST) => {
                let text = format!("container with given ID already exists: {:?}", id.as_str());
                Error::new(Kind::Exists, text)
                    .hint("choose another id, or remove that one with \"rrun delete\"")
            }
            Some(libc::EACCES) => Error::from(error)
                .context(format!("mkdir {}", directory.display()))
                .with_kind(Kind::Denied)
                .hint("name a directory of your own with --root DIR"),
            _ => Error::from(error).context(format!("mkdir {}", directory.display())),
        })
    }

    fn make_root(&self) -> std::io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.root)?;
        if self.mode != 0o700 {
            std::fs::set_permissions(&self.root, Permissions::from_mode(self.mode))?;
        }
        Ok(())
    }

    /// The container `id`.
    ///
    /// # Errors
    /// [`Kind::NotFound`] (`container does not exist`), [`Kind::State`] while it is being created or when its record is
    /// another version's.
    pub fn open(&self, id: &ContainerId) -> Result<Container> {
        match self.find(id)? {
            Found::Container(container) => Ok(*container),
            Found::Creating(_) => Err(being_created(id)),
            Found::Debris => Err(not_found(&self.directory(id)).hint(format!(
                "an interrupted create left this directory; \"rrun delete --force {id}\" removes it"
            ))),
            Found::Nothing => Err(not_found(&self.directory(id))),
        }
    }

    /// What stands at `id`.
    ///
    /// # Errors
    /// As [`Record::load`]; [`Kind::Kernel`] when the directory cannot be opened or locked.
    pub fn find(&self, id: &ContainerId) -> Result<Found> {
        let directory = self.directory(id);
        if let Some(record) = Record::load(&directory)? {
            return Ok(Found::Container(Box::new(Container::new(record, directory))));
        }
        let Some(_lock) = Lock::exclusive_now(&directory)? else {
            return Ok(if directory.is_dir() {
                Found::Creating(Record::load_draft(&directory)?.map(Box::new))
            } else {
                Found::Nothing
            });
        };
        // Its creator may have finished between the look and the lock.
        Ok(match Record::load(&directory)? {
            Some(record) => Found::Container(Box::new(Container::new(record, directory))),
            None => Found::Debris,
        })
    }

    /// Every container, by id. One that is being created has nothing to show yet and is left out; a record that cannot
    /// be read is warned about.
    ///
    /// # Errors
    /// [`Kind::Kernel`] when the root directory cannot be read. One that does not exist is an empty one.
    pub fn list(&self) -> Result<Vec<Container>> {
        let entries = match std::fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(Vec::new()),
            Err(error) => return Err(error).context(|| format!("read {}", self.root.display())),
        };
        let mut containers = Vec::new();
        for entry in entries {
            let name = entry.context(|| format!("read {}", self.root.display()))?.file_name();
            let Some(id) = name.to_str().and_then(|name| ContainerId::new(name).ok()) else {
                continue;
            };
            match Record::load(&self.directory(&id)) {
                Ok(Some(record)) => containers.push(Container::new(record, self.directory(&id))),
                Ok(None) => {}
                Err(error) => log::warn(&format!("container {:?} left out: {error}", id.as_str())),
            }
        }
        containers.sort_by(|a, b| a.record.id.cmp(&b.record.id));
        Ok(containers)
    }

    /// Deletes `id` whatever it is doing; nothing at that name is success. Waits for a creator that is at work.
    ///
    /// # Errors
    /// As [`Container::delete`].
    pub fn delete_forced(&self, id: &ContainerId) -> Result<()> {
        let directory = self.directory(id);
        let Some(lock) = Lock::exclusive(&directory)? else { return Ok(()) };
        match Record::load(&directory) {
            Ok(Some(record)) => Container::new(record, directory).delete_locked(true, lock),
            Ok(None) => clear_debris(directory, lock),
            // A damaged record describes nothing that could be ended first.
            Err(error) if error.kind() == Kind::Internal => remove_directory(&directory),
            Err(error) => Err(error),
        }
    }

    fn directory(&self, id: &ContainerId) -> PathBuf {
        self.root.join(id.as_str())
    }
}

fn being_created(id: &ContainerId) -> Error {
    Error::new(Kind::State, format!("container {:?} is being created", id.as_str()))
        .hint("wait until its create has returned")
}

#[cfg(test)]
pub(super) mod tests;
