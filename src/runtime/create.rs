//! A container comes into being: what `create`, `run` and the shim share.
//!
//! ```text
//! bundle → plan → reserve the id → launch (drafts of the record meanwhile) → record → pid file → container
//! ```
//! What a newcomer would get wrong: whatever fails, dropping the reservation removes the directory, and the launch has
//! removed the process and the cgroup: an id is either a container or free. And until the launch is over nobody may
//! enter: an exec between clone and pivot_root would see the host's files.

use super::{Bundle, Handover, write_pid_file};
use crate::container::process::ProcStat;
use crate::container::{
    Container, LateHooks, NamespaceBits, Record, Reserved, Status, Store, VERSION,
};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::id::ContainerId;
use crate::launch::cgroup::Cgroup;
use crate::launch::console::{PidfdOf, send_pidfd, take_master};
use crate::launch::fault::point;
use crate::launch::notify::{self, Proxy};
use crate::launch::rdt::Prepared;
use crate::launch::trace::Trace;
use crate::launch::{Launch, Launched, Owner, Place};
use crate::log;
use crate::plan::{Plan, Request};
use crate::timestamp::Timestamp;
use std::ffi::OsString;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

/// A container to be.
#[derive(Debug)]
pub struct Create<'a> {
    /// Where it is recorded.
    pub store: &'a Store,
    /// Its name.
    pub id: &'a ContainerId,
    /// What it is made of.
    pub bundle: &'a Bundle,
    /// What was asked for beside that; with a gate it waits for [`super::start`].
    pub request: Request,
    /// The service manager's socket (`NOTIFY_SOCKET`), if its caller has one.
    pub manager: Option<OsString>,
    /// What its first process gets.
    pub handover: Handover<'a>,
    /// The time line, if one is wanted.
    pub trace: &'a Trace,
}

/// A container that has just come into being.
#[derive(Debug)]
pub struct Born {
    /// It.
    pub container: Container,
    /// Its first process.
    pub pidfd: OwnedFd,
    /// The master of its terminal, unless a console socket got it.
    pub master: Option<OwnedFd>,
    /// What it has to say to the service manager; `start` listens for a container with a gate.
    pub notify: Option<Proxy>,
}

impl Create<'_> {
    /// Makes it.
    ///
    /// # Errors
    /// Whatever any layer says; nothing is left behind.
    pub fn perform(mut self) -> Result<Born> {
        let reserved = self.store.reserve(self.id)?;
        if self.manager.is_some() {
            let directory = notify::make_directory(reserved.directory())?;
            self.request.notify_directory = Some(directory);
        }
        let plan = self.plan().context(|| format!("create {}", self.id))?;
        let Self { id, bundle, request, manager, handover, trace, .. } = self;
        let doing = || format!("create {id}");
        let cgroup = cgroup_plan(&plan)?;
        let rdt = bundle.spec.intel_rdt.as_ref();
        let rdt = rdt.map(|rdt| Prepared::of(rdt, id)).transpose().context(doing)?;
        let record = Record {
            cgroup: Cgroup::planned(cgroup),
            rdt: rdt.as_ref().map(|rdt| rdt.rdt.clone()),
            ..draft(bundle, &plan)
        };
        reserved.draft(&record)?;
        point("draft")?;
        rdt.as_ref().map_or(Ok(()), Prepared::make).context(doing)?;
        let mut newborn = Newborn {
            record,
            reserved: &reserved,
            handover,
            pidfd_receiver: bundle.spec.crun.pidfd_receiver.as_deref(),
            manager: manager.filter(|_| !request.gate),
            notify: None,
            master: None,
        };
        let launched = Launch {
            plan: &plan,
            place: Place::New(cgroup),
            directory: reserved.directory(),
            init: None,
            hooks: Some(&bundle.spec.hooks),
            rdt: rdt.as_ref().map(|rdt| &rdt.rdt),
            streams: handover.streams,
            host: &bundle.host,
            trace,
        }
        .perform(&mut newborn)
        .context(doing);
        let Newborn { record, notify, master, .. } = newborn;
        let launched = match launched {
            Ok(launched) => launched,
            Err(error) => {
                run_counterparts(&record);
                return Err(undo(rdt.as_ref(), error));
            }
        };
        let Launched { pid, pidfd, devices, .. } = launched;
        let container = reserved.into_container(record)?;
        let born = Born { container, pidfd, master, notify };
        match handover.pid_file.map_or(Ok(()), |file| write_pid_file(file, pid)) {
            Ok(()) => Ok(born),
            Err(error) => {
                let error = undo(rdt.as_ref(), abandon(born.container, error));
                Err(devices.into_iter().fold(error, |error, devices| devices.put_back(error)))
            }
        }
    }

    /// The plan of it; what is odd about it is said.
    fn plan(&self) -> Result<Plan> {
        let _span = self.trace.span("plan");
        let plan = self.bundle.plan(self.id, &self.request)?;
        plan.warnings.iter().for_each(|warning| log::warn(warning));
        Ok(plan)
    }
}

/// The runtime-spec: a hook that failed before had a counterpart, which may have something to undo.
fn run_counterparts(record: &Record) {
    if record.pid != 0 {
        record.run_poststop_hooks();
    }
}

fn undo(rdt: Option<&Prepared<'_>>, error: Error) -> Error {
    match rdt.map_or(Ok(()), Prepared::undo) {
        Ok(()) => error,
        Err(left) => error.while_undoing(left),
    }
}

/// Deletes a container whatever it does, because of `error`, which stays the error.
pub fn abandon(container: Container, error: Error) -> Error {
    match container.delete(true) {
        Ok(()) => error,
        Err(left) => error.while_undoing(left),
    }
}

pub(super) fn cgroup_plan(plan: &Plan) -> Result<&crate::plan::cgroup::CgroupPlan> {
    plan.cgroup
        .as_ref()
        .ok_or_else(|| Error::new(Kind::Internal, "a container's plan has no cgroup"))
}

/// The record, as far as it is known before there is a process.
pub(super) fn draft(bundle: &Bundle, plan: &Plan) -> Record {
    let spec = &bundle.spec;
    Record {
        version: VERSION,
        id: plan.id.clone(),
        oci_version: spec.version.clone(),
        bundle: bundle.path.clone(),
        config: bundle.config.clone(),
        rootfs: spec.rootfs.as_path().to_owned(),
        pid: 0,
        start_time: 0,
        cgroup: Cgroup::default(),
        rdt: None,
        created: Timestamp::now().rfc3339_nano(),
        annotations: spec.annotations.clone(),
        hooks: LateHooks {
            poststart: spec.hooks.poststart.clone(),
            poststop: spec.hooks.poststop.clone(),
        },
        namespaces: NamespaceBits::from(&spec.namespaces),
        terminal: plan.terminal,
        exit: None,
        steps: plan.steps.len(),
    }
}

struct Newborn<'a> {
    record: Record,
    reserved: &'a Reserved,
    handover: Handover<'a>,
    /// `run.oci.pidfd_receiver`, which the flag overrules.
    pidfd_receiver: Option<&'a Path>,
    /// The service manager's socket, to listen on behalf of before the program can speak.
    manager: Option<OsString>,
    notify: Option<Proxy>,
    master: Option<OwnedFd>,
}

impl Owner for Newborn<'_> {
    fn born(&mut self, pid: i32, pidfd: BorrowedFd<'_>, cgroup: &Cgroup) -> Result<()> {
        let stat = ProcStat::read(pid)?.ok_or_else(|| {
            Error::new(Kind::Child, "the container's first process ended at once")
        })?;
        self.record.pid = pid;
        self.record.start_time = stat.start_time;
        self.record.cgroup = cgroup.clone();
        self.reserved.draft(&self.record)?;
        point("record")?;
        if let Some(manager) = &self.manager {
            self.notify = Proxy::listen(self.reserved.directory(), manager, pid)?;
        }
        if let Some(socket) = self.handover.pidfd_socket.or(self.pidfd_receiver) {
            send_pidfd(socket, pidfd, PidfdOf::Init)?;
            point("pidfd socket")?;
        }
        Ok(())
    }

    /// Hooks run after what the runtime-spec's lifecycle calls step 2, and "created" is what follows that step. Who asks us
    /// learns that the container is still being created, for it can't be started yet.
    fn state(&self) -> Result<String> {
        self.record.state_json(Status::Created)
    }

    fn console(&mut self, master: OwnedFd, number: u32) -> Result<()> {
        self.master = take_master(master, number, self.handover.console_socket)?;
        Ok(())
    }
}
