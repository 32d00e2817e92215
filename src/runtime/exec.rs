//! Another process in a container.
//!
//! What a newcomer would get wrong: it is the container's configuration, not the caller's, that says under which filter
//! it runs.

use super::bundle::home_of;
use super::{Bundle, Handover, write_pid_file};
use crate::container::{Container, Status, Verb, demand};
use crate::error::{Result, ResultExt};
use crate::launch::cgroup::Cgroup;
use crate::launch::console::{PidfdOf, send_pidfd, take_master};
use crate::launch::fault::point;
use crate::launch::trace::Trace;
use crate::launch::{Launch, Launched, Owner, Place};
use crate::log;
use crate::plan::seccomp::Filters;
use crate::plan::{ExecRequest, Plan, Request};
use crate::spec::Process;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A process to be.
#[derive(Debug)]
pub struct Exec<'a> {
    /// Where.
    pub container: &'a Container,
    /// The container's bundle.
    pub bundle: &'a Bundle,
    /// What.
    pub process: &'a Process,
    /// Cgroups below the container's, each `[controller,…:]path`.
    pub cgroup: &'a [String],
    /// Also into a container that is paused, to hang until it is resumed.
    pub ignore_paused: bool,
    /// Filters made before, in a process that makes many.
    pub filters: Option<Filters>,
    /// What it gets.
    pub handover: Handover<'a>,
    /// The time line, if one is wanted.
    pub trace: &'a Trace,
}

/// A process that runs.
#[derive(Debug)]
pub struct Running {
    /// It.
    pub launched: Launched,
    /// The master of its terminal, unless a console socket got it.
    pub master: Option<OwnedFd>,
}

impl Exec<'_> {
    /// Runs it.
    ///
    /// # Errors
    /// [`crate::error::Kind::State`] when the container does not run, and whatever the launch says; nothing runs then.
    pub fn perform(&self) -> Result<Running> {
        let Self { container, bundle, handover, .. } = self;
        let verb = if self.ignore_paused { Verb::ExecIgnoringPause } else { Verb::Exec };
        demand(verb, container.status()?, &container.record.id)?;
        let init = container.pidfd()?;
        let cgroup = match self.cgroup {
            [] => container.record.cgroup.clone(),
            below => container.record.cgroup.children(below)?,
        };
        let plan = self.plan(&cgroup)?;
        for warning in &plan.warnings {
            log::warn(warning);
        }
        let mut owner = Caller { handover, container, master: None };
        let launched = Launch {
            plan: &plan,
            place: Place::Existing(&cgroup),
            directory: container.directory(),
            init: Some(init.as_fd()),
            hooks: None,
            rdt: container.record.rdt.as_ref(),
            streams: handover.streams,
            host: &bundle.host,
            trace: self.trace,
        }
        .perform(&mut owner)
        .context(|| format!("exec in {}", container.record.id))?;
        let written = handover.pid_file.map_or(Ok(()), |file| write_pid_file(file, launched.pid));
        match written {
            Ok(()) => Ok(Running { launched, master: owner.master }),
            Err(error) => Err(launched.end(error)),
        }
    }

    fn plan(&self, cgroup: &Cgroup) -> Result<Plan> {
        let Self { container, bundle, process, .. } = self;
        let mut host = bundle.host.clone();
        if process.has_labels() {
            host.ask_security();
        }
        let request = Request {
            preserve_fds: self.handover.preserve_fds,
            home: home_of(process, &container.record.rootfs),
            filters: self.filters.clone(),
            ..Request::default()
        };
        let exec = ExecRequest {
            kinds: container.record.namespaces.entered,
            cgroup_join: cgroup.needs_join(),
            profile: bundle.spec.seccomp.clone(),
            hardening: bundle.spec.hardening.clone(),
            personality: bundle.spec.personality,
            memory_policy: bundle.spec.memory_policy.clone(),
            gid_map: bundle.spec.id_maps.gid.clone(),
            keep_groups: bundle.spec.crun.keep_groups,
        };
        Plan::exec(&container.record.id, process, &host, &request, &exec)
    }
}

struct Caller<'a> {
    handover: &'a Handover<'a>,
    container: &'a Container,
    master: Option<OwnedFd>,
}

impl Owner for Caller<'_> {
    fn born(&mut self, _pid: i32, pidfd: BorrowedFd<'_>, _cgroup: &Cgroup) -> Result<()> {
        if let Some(socket) = self.handover.pidfd_socket {
            send_pidfd(socket, pidfd, PidfdOf::Exec)?;
            point("pidfd socket")?;
        }
        Ok(())
    }

    fn state(&self) -> Result<String> {
        self.container.record.state_json(Status::Running)
    }

    fn console(&mut self, master: OwnedFd, number: u32) -> Result<()> {
        self.master = take_master(master, number, self.handover.console_socket)?;
        Ok(())
    }
}
