//! What is done to a container between its start and its end: paused, resumed, changed, looked at.
//!
//! It knows who may do it when. It refuses to know the kernel's files, and command lines: an engine's shim calls the same
//! functions, from several threads.
//! What a newcomer would get wrong: status and deed are one. The container is locked from the look at its status to the
//! last write, or a `delete` in between would have us write into the next container of that name.

use super::handles::Lock;
use super::process::ProcStat;
use super::record::Record;
use super::status::{Verb, demand};
use super::{Container, not_found};
#[cfg(doc)]
use crate::error::Kind;
use crate::error::{Error, Result, ResultExt};
use crate::launch::cgroup::{OomWatch, PressureWatch, Stats, Trigger};
use crate::launch::rdt::{Former, Rdt};
use crate::spec::Resources;
use std::os::unix::fs::MetadataExt;

impl Container {
    /// Stops every process where it is.
    ///
    /// # Errors
    /// [`Kind::State`] when it is not running, has no cgroup or will not freeze;
    /// [`Kind::NotFound`] when it was deleted.
    pub fn pause(&self) -> Result<()> {
        let _held = self.hold(Verb::Pause)?;
        self.record.cgroup.freeze()
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// As [`Container::pause`], when it is not paused.
    pub fn resume(&self) -> Result<()> {
        let _held = self.hold(Verb::Resume)?;
        self.record.cgroup.thaw()
    }

    /// Changes those limits that `resources` names; all of them or none.
    ///
    /// # Errors
    /// [`Kind::State`] when it has ended; otherwise what is wrong with which field, and what
    /// of the change stands, if any does.
    pub fn update(&mut self, resources: &Resources) -> Result<()> {
        self.update_with(resources, &[])
    }

    /// [`Container::update`], and these lines for its class of caches and memory bandwidth, each with its field.
    ///
    /// # Errors
    /// As [`Container::update`]; [`Kind::Host`], too, without resctrl.
    pub fn update_with(
        &mut self,
        resources: &Resources,
        schemata: &[(String, String)],
    ) -> Result<()> {
        let _held = self.hold(Verb::Update)?;
        self.refresh()?;
        let change = match (schemata, &self.record.rdt) {
            ([], _) => RdtChange::None,
            (lines, Some(rdt)) => RdtChange::Lines(rdt.update(lines)?),
            (lines, None) => RdtChange::New(Rdt::late(&self.record.id, lines, || self.pids())?),
        };
        let cgroup = match self.record.cgroup.update(resources) {
            Ok(cgroup) => cgroup,
            Err(error) => return Err(change.put_back(error)),
        };
        let rdt = match change {
            RdtChange::New(rdt) => Some(rdt),
            RdtChange::None | RdtChange::Lines(_) => self.record.rdt.clone(),
        };
        if cgroup == self.record.cgroup && rdt == self.record.rdt {
            return Ok(());
        }
        self.record.cgroup = cgroup;
        self.record.rdt = rdt;
        self.record.amend(&self.directory)
    }

    /// Reads its record again: an update on a hybrid host may have given it one more cgroup.
    fn refresh(&mut self) -> Result<()> {
        self.record = Record::load(&self.directory)?.ok_or_else(|| not_found(&self.directory))?;
        Ok(())
    }

    /// Every process in it, in the numbers of our pid namespace, ascending.
    ///
    /// # Errors
    /// [`Kind::State`] (`container not running`) when it has ended;
    /// [`Kind::Kernel`] when the kernel does not tell.
    pub fn pids(&self) -> Result<Vec<i32>> {
        demand(Verb::Ps, self.status()?, &self.record.id)?;
        let mut pids = match self.record.cgroup.unified_path() {
            Some(_) => self.record.cgroup.pids()?,
            None => self.pids_by_namespace()?,
        };
        pids.sort_unstable();
        Ok(pids)
    }

    /// Without a cgroup, those in the pid namespace of the first process; when it has none of its own, only itself.
    fn pids_by_namespace(&self) -> Result<Vec<i32>> {
        let init = self.record.pid;
        if !self.record.namespaces.has_own_pid_namespace() {
            return Ok(vec![init]);
        }
        // Another user's processes are not ours to look at, and not in our container.
        let namespace_of =
            |pid: i32| std::fs::metadata(format!("/proc/{pid}/ns/pid")).ok().map(|file| file.ino());
        let Some(own) = namespace_of(init) else { return Ok(vec![init]) };
        let entries = std::fs::read_dir("/proc").context(|| "read /proc")?;
        let numbers =
            entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let alive = |pid: &i32| matches!(ProcStat::read(*pid), Ok(Some(stat)) if stat.is_alive());
        Ok(numbers.filter(|pid| namespace_of(*pid) == Some(own)).filter(alive).collect())
    }

    /// What it uses. Of one that has ended, what is left to see in its cgroup.
    ///
    /// # Errors
    /// [`Kind::State`] without a cgroup or when it is gone.
    pub fn stats(&self) -> Result<Stats> {
        self.record.cgroup.stats()
    }

    /// Watches whether it runs out of memory; `None` where nobody counts its memory.
    ///
    /// # Errors
    /// [`Kind::Kernel`] when the kernel refuses.
    pub fn watch_oom(&self) -> Result<Option<OomWatch>> {
        OomWatch::open(&self.record.cgroup)
    }

    /// Watches whether its processes wait too long.
    ///
    /// # Errors
    /// As [`PressureWatch::open`].
    pub fn watch_pressure(&self, trigger: Trigger) -> Result<PressureWatch> {
        PressureWatch::open(&self.record.cgroup, trigger)
    }

    /// Locks it and checks that `verb` fits.
    pub(super) fn hold(&self, verb: Verb) -> Result<Lock> {
        let Some(lock) = Lock::exclusive(&self.directory)? else {
            return Err(not_found(&self.directory));
        };
        demand(verb, self.status()?, &self.record.id)?;
        Ok(lock)
    }
}

/// What an update did to caches and memory bandwidth.
enum RdtChange {
    None,
    Lines(Former),
    New(Rdt),
}

impl RdtChange {
    fn put_back(self, error: Error) -> Error {
        match self {
            Self::None => error,
            Self::Lines(former) => former.put_back(error),
            Self::New(rdt) => match rdt.remove() {
                Ok(()) => error,
                Err(left) => error.while_undoing(left),
            },
        }
    }
}
