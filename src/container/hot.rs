//! A container's hot mounts: which there are, and whose.
//!
//! It knows `<root>/<id>/mounts.json`, the list of what was added. It refuses to know how anything is mounted.
//! What a newcomer would get wrong: only what is in the list is ever removed. A mount of the configuration at the same
//! place, or one that the container made itself, is not ours to take away.

use super::process::ProcStat;
use super::status::Verb;
use super::{Container, not_running};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::launch::hot::{Hot, Inside};
use crate::spec::{IdMaps, Mount};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

const FILE: &str = "mounts.json";

impl Container {
    /// Mounts all of `mounts` in it, or none. The calling process ends up in its namespaces, and must do nothing but end.
    ///
    /// # Errors
    /// [`Kind::State`] when it has ended or has no mount namespace of its own; as [`Inside::add`].
    pub fn add_mounts(&self, mounts: &[Mount], maps: &IdMaps) -> Result<()> {
        let _held = self.hold(Verb::Mounts)?;
        let (pidfd, root) = self.root()?;
        let mut list = List::open(self)?;
        let before = list.mounts.clone();
        let inside = self.inside(&pidfd, root, maps);
        let added = inside.add(mounts, |new| {
            list.mounts.extend(new);
            list.write()
        });
        let Err(error) = added else { return Ok(()) };
        list.mounts = before;
        Err(match list.write() {
            Ok(()) => error,
            Err(undo) => error.while_undoing(undo),
        })
    }

    /// Unmounts what was added at the destinations of `mounts`: at each the newest, and all of them or none. Of the
    /// calling process as [`Container::add_mounts`].
    ///
    /// # Errors
    /// [`Kind::NotFound`] where nothing was added; as [`Inside::remove`].
    pub fn remove_mounts(&self, mounts: &[Mount]) -> Result<()> {
        let _held = self.hold(Verb::Mounts)?;
        let (pidfd, root) = self.root()?;
        let mut list = List::open(self)?;
        let mut going = Vec::new();
        for mount in mounts {
            let wanted = mount.destination.relative();
            let Some(at) = list.mounts.iter().rposition(|hot| hot.destination == wanted) else {
                let destination = mount.destination.as_str();
                let problem = format!("nothing was added at {destination:?}");
                return Err(Error::new(Kind::NotFound, problem)
                    .at(format!("/mounts/{}/destination", mount.index))
                    .hint("only what \"rrun mounts add\" has mounted can be removed"));
            };
            going.push((at, list.mounts.remove(at)));
        }
        // Oldest first, whatever the order of the request.
        going.reverse();
        let going: Vec<Hot> = going.into_iter().map(|(_, hot)| hot).collect();
        self.inside(&pidfd, root, &IdMaps::default()).remove(&going)?;
        list.write()
    }

    fn inside<'a>(&self, pidfd: &'a OwnedFd, root: OwnedFd, maps: &'a IdMaps) -> Inside<'a> {
        Inside { pidfd: pidfd.as_fd(), root, kinds: self.record.namespaces.entered, maps }
    }

    /// Its first process and its root directory.
    fn root(&self) -> Result<(OwnedFd, OwnedFd)> {
        if self.record.namespaces.entered & libc::CLONE_NEWNS as u32 == 0 {
            let id = self.record.id.as_str();
            let problem = format!("container {id:?} has the host's mounts");
            return Err(Error::new(Kind::State, problem)
                .hint("give it a mount namespace in linux.namespaces"));
        }
        let pidfd = self.pidfd()?;
        let path = format!("/proc/{}/root", self.record.pid);
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY);
        let root = options.open(&path).context(|| format!("open {path}"))?;
        // The number may have changed hands since the pidfd was opened.
        match ProcStat::read(self.record.pid)? {
            Some(stat) if stat.start_time == self.record.start_time => Ok((pidfd, root.into())),
            Some(_) | None => Err(not_running(&self.record)),
        }
    }
}

/// The list, open: inside the container its path leads elsewhere.
struct List {
    file: File,
    mounts: Vec<Hot>,
}

impl List {
    fn open(container: &Container) -> Result<Self> {
        let path = container.directory().join(FILE);
        let what = || format!("read {}", path.display());
        let mut options = OpenOptions::new();
        let open = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = open.open(&path).context(what)?;
        let mut text = String::new();
        file.read_to_string(&mut text).context(what)?;
        let mounts = match text.is_empty() {
            true => Vec::new(),
            false => serde_json::from_str(&text)
                .map_err(|error| Error::new(Kind::Internal, error.to_string()))
                .context(what)?,
        };
        Ok(Self { file, mounts })
    }

    fn write(&mut self) -> Result<()> {
        let text = serde_json::to_vec(&self.mounts)
            .map_err(|error| Error::new(Kind::Internal, error.to_string()))?;
        let write = |file: &mut File| {
            file.rewind()?;
            file.set_len(0)?;
            file.write_all(&text)
        };
        write(&mut self.file).context(|| format!("write {FILE}"))
    }
}
