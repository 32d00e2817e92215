//! A container's cgroup that systemd makes, and ends.
//!
//! It knows what is systemd's part, the unit, and what is ours: the files that it has no property for, and a check that
//! it has done its part. What a newcomer would get wrong: systemd says "done" and logs a warning when the kernel refused a
//! limit. So each limit is written by us as well, and a refusal is an error.

use super::directory::Directory;
use super::events::Events;
use super::{Cgroup, PATIENCE, guard, is_gone, make, pids, remove};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::host::cgroup::{below, clean};
use crate::launch::fault::point;
use crate::launch::systemd::Unit;
use crate::log;
use crate::plan::cgroup::scope::Scope;
use crate::plan::cgroup::{CgroupPlan, Devices, Place};
use std::os::fd::AsFd;
use std::time::Instant;

impl Cgroup {
    /// Has systemd put `pid`, which waits, into the scope of `plan`, and sets what systemd does not. Nothing happens for a
    /// plan without one. Whatever was made is noted in `self`, also when it fails: [`Cgroup::remove`] undoes it, once the
    /// process has ended.
    ///
    /// # Errors
    /// What systemd or the kernel refuses, with the field that asked for it.
    pub fn enter_scope(&mut self, plan: &CgroupPlan, pid: i32) -> Result<()> {
        let (Some(scope), Some(place)) = (&plan.scope, &plan.unified) else { return Ok(()) };
        point("start a scope")?;
        self.unit = Some(Unit::start(scope, pid)?);
        let place = Place { path: place_of(pid, scope)?, ..place.clone() };
        let path = below(&place.mount, &place.path);
        self.unified = Some(path.clone());
        let directory = Directory::open(&path)?;
        pids::refuse_if_over(&directory)?;
        make::furnish(&place, &path, &directory)?;
        if let Devices::Program(program) = &plan.devices {
            point("attach the device program")?;
            guard::attach(directory.as_fd(), program, guard::Others::Stay)?;
        }
        // Limits that were set after it came in.
        pids::refuse_if_over(&directory)
    }

    /// Whether systemd, which may do so, has to move a process in for us.
    #[must_use]
    pub fn needs_attaching(&self, error: &Error) -> bool {
        self.unit.is_some() && matches!(error.errno(), Some(libc::EACCES | libc::EPERM))
    }

    /// Has systemd move `pid` in.
    ///
    /// # Errors
    /// What it refuses.
    pub fn attach(&self, pid: i32) -> Result<()> {
        self.unit.as_ref().map_or(Ok(()), |unit| unit.attach(pid))
    }

    /// Ends the unit, if there is one. Only an empty one: systemd would kill who is in it, and this kills nobody.
    pub(super) fn end_unit(&self) -> Result<()> {
        let Some(unit) = &self.unit else { return Ok(()) };
        if let Some(path) = &self.unified {
            let empty = Events::open(path).and_then(|mut events| {
                events.wait(|now| !now.populated, Instant::now() + PATIENCE)
            });
            match empty {
                Ok(true) => {}
                Ok(false) => return Err(remove::still_used(path)),
                Err(error) if is_gone(error.errno()) => {}
                Err(error) => return Err(error),
            }
        }
        point("stop the scope")?;
        // An empty scope ends by itself, and its cgroup is about to be removed: a systemd that does not answer must not
        // keep the container from being deleted.
        if let Err(error) = unit.stop() {
            log::warn(&error.to_string());
        }
        Ok(())
    }
}

/// The cgroup of `pid`, which is that of the unit.
fn place_of(pid: i32, scope: &Scope) -> Result<String> {
    let file = format!("/proc/{pid}/cgroup");
    let lines = std::fs::read_to_string(&file).context(|| format!("read {file}"))?;
    let path = clean(lines.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default());
    if path.rsplit('/').next() == Some(&scope.unit) {
        return Ok(path);
    }
    Err(Error::new(
        Kind::Host,
        format!("systemd started {}, and left the process in {path}", scope.unit),
    )
    .hint("call from where the same cgroups are seen as systemd sees, and the same pids"))
}
