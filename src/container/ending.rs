//! Signals and deletion.
//!
//! It knows who must die in which order. It refuses to know how a cgroup kills. What a newcomer would get wrong: a
//! container without a pid namespace of its own outlives its first process, so killing it means killing its cgroup.

use super::debris::remove_directory;
use super::handles::Lock;
use super::process::{self, Delivery};
use super::status::{Status, Verb, allows, demand};
use super::{Container, Record, not_found, not_running};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::launch::cgroup::Cgroup;
use crate::launch::hooks;
use crate::log;
use crate::spec::HookPhase;
use std::os::fd::AsFd;
use std::time::Duration;

/// How long a killed process may take to end: long enough for a machine under load, short enough for one that hangs in
/// the kernel to be reported.
const PATIENCE: Duration = Duration::from_secs(10);

impl Container {
    /// Sends `signal` to the first process, or with `all` to every process.
    ///
    /// # Errors
    /// [`Kind::State`] (`container not running`) when there is nobody to signal, but never for `all`: killing the rest
    /// of what has ended, or nothing, is success.
    pub fn kill(&self, signal: i32, all: bool) -> Result<()> {
        let Record { cgroup, namespaces, .. } = &self.record;
        let outlives_init = !namespaces.has_own_pid_namespace();
        let everyone = all || (signal == libc::SIGKILL && outlives_init);
        if !everyone || cgroup.unified_path().is_none() {
            return self.signal_init(signal, all);
        }
        if !all && !allows(Verb::Kill, self.status()?) && cgroup.pids()?.is_empty() {
            return Err(not_running(&self.record));
        }
        // The kernel kills frozen processes, too.
        if signal == libc::SIGKILL { cgroup.kill_all() } else { signal_each(cgroup, signal) }
    }

    fn signal_init(&self, signal: i32, all: bool) -> Result<()> {
        let verb = if all { Verb::KillAll } else { Verb::Kill };
        demand(verb, self.status()?, &self.record.id)?;
        let delivery = match process::pidfd_of(self.record.pid, self.record.start_time)? {
            Some(pidfd) => process::signal(pidfd.as_fd(), signal)?,
            None => Delivery::Gone,
        };
        if delivery == Delivery::Gone && !all {
            return Err(not_running(&self.record));
        }
        Ok(())
    }

    /// Deletes it: what is left of its processes, its cgroup, and, after the poststop hooks, its directory. Without
    /// `force` only one that is stopped, or was never started; with it, whatever it is doing. One that was interrupted
    /// can be repeated.
    ///
    /// # Errors
    /// [`Kind::State`] when it is running or paused; [`Kind::NotFound`] when another delete was faster (not with
    /// `force`); [`Kind::Kernel`] when a process does not end or something cannot be removed.
    pub fn delete(self, force: bool) -> Result<()> {
        match Lock::exclusive(&self.directory)? {
            Some(lock) => self.delete_locked(force, lock),
            None if force => Ok(()),
            None => Err(not_found(&self.directory)),
        }
    }

    /// [`Container::delete`] of one whose first process the caller has reaped: there is no status left to observe.
    ///
    /// # Errors
    /// As [`Container::delete`].
    pub fn delete_reaped(self) -> Result<()> {
        match Lock::exclusive(&self.directory)? {
            Some(_held) => self.remove(Status::Stopped),
            // Somebody deleted it with force, which ended it.
            None => Ok(()),
        }
    }

    /// [`Container::delete`] of one whose lock the caller holds, and loses.
    pub(super) fn delete_locked(self, force: bool, _held: Lock) -> Result<()> {
        let status = self.status()?;
        if !force {
            demand(Verb::Delete, status, &self.record.id)?;
        }
        self.remove(status)
    }

    fn remove(mut self, status: Status) -> Result<()> {
        // Only there can an update have made a cgroup that is not known here.
        if !self.record.cgroup.v1_paths().is_empty()
            && let Some(record) = Record::load(&self.directory)?
        {
            self.record = record;
        }
        self.end_processes(status)?;
        self.record.cgroup.remove()?;
        if let Some(rdt) = &self.record.rdt {
            rdt.remove()?;
        }
        self.record.run_poststop_hooks();
        remove_directory(&self.directory)
    }

    fn end_processes(&self, status: Status) -> Result<()> {
        if status == Status::Stopped && self.record.namespaces.has_own_pid_namespace() {
            return Ok(()); // The kernel ended the others before it let pid 1 become a zombie.
        }
        self.record.cgroup.kill_all()?;
        let Some(pidfd) = process::pidfd_of(self.record.pid, self.record.start_time)? else {
            return Ok(());
        };
        process::signal(pidfd.as_fd(), libc::SIGKILL)?;
        if process::wait_for_end(pidfd.as_fd(), PATIENCE)? {
            return Ok(());
        }
        let (pid, seconds) = (self.record.pid, PATIENCE.as_secs());
        Err(Error::new(
            Kind::Kernel,
            format!("process {pid} did not end {seconds} s after SIGKILL"),
        )
        .hint(format!("see what it waits for in /proc/{pid}/stack, then delete again")))
    }
}

impl Record {
    /// The OCI text: a poststop hook that fails is warned about; the others, and the deletion, go on.
    pub fn run_poststop_hooks(&self) {
        let poststop = &self.hooks.poststop;
        if poststop.is_empty() {
            return;
        }
        let failures = match self.state_json(Status::Stopped) {
            Ok(state) => hooks::run_every(poststop, &state, HookPhase::Poststop),
            Err(error) => vec![error],
        };
        failures.iter().for_each(|error| log::warn(&error.to_string()));
    }
}

/// Another signal than SIGKILL to all of `cgroup`, frozen meanwhile: nobody forks away from it, and no pid that was
/// read changes hands before its pidfd is open.
fn signal_each(cgroup: &Cgroup, signal: i32) -> Result<()> {
    if cgroup.pids()?.is_empty() {
        return Ok(());
    }
    let was_frozen = cgroup.is_frozen()?;
    if !was_frozen {
        cgroup.freeze()?;
    }
    let sent = cgroup.pids().and_then(|pids| {
        pids.into_iter().try_for_each(|pid| match rrun_sys::pidfd::pidfd_open(pid) {
            Ok(new) => process::signal(std::os::fd::OwnedFd::from(new).as_fd(), signal).map(|_| ()),
            Err(rrun_sys::Errno(libc::ESRCH)) => Ok(()),
            Err(errno) => Err(errno).context(|| format!("pidfd_open({pid})")),
        })
    });
    let thawed = if was_frozen { Ok(()) } else { cgroup.thaw() };
    match (sent, thawed) {
        (Err(error), Err(undo)) => Err(error.while_undoing(undo)),
        (sent, thawed) => sent.and(thawed),
    }
}
