//! A container comes into being: what `create` and `run` share.
//!
//! ```text
//! bundle → plan → reserve the id → launch (drafts of the record meanwhile) → record → pid file → container
//! ```
//! What a newcomer would get wrong: whatever fails, dropping the reservation removes the directory, and the launch has
//! removed the process and the cgroup: an id is either a container or free. And until the launch is over nobody may
//! enter: an exec between clone and pivot_root would see the host's files.

use crate::cmd::args::{CreateArgs, Globals};
use crate::cmd::bundle::Bundle;
use crate::container::process::ProcStat;
use crate::container::{Container, LateHooks, NamespaceBits, Record, Reserved, Status, VERSION};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::launch::cgroup::Cgroup;
use crate::launch::console::{PidfdOf, send_pidfd, take_master};
use crate::launch::fault::point;
use crate::launch::notify::{self, Proxy};
use crate::launch::trace::Trace;
use crate::launch::{Launch, Owner, Place};
use crate::log;
use crate::plan::{Plan, Request};
use crate::timestamp::Timestamp;
use std::ffi::OsString;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

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

/// Makes the container of a bundle; with `gate` it waits for `start`.
///
/// # Errors
/// Whatever any layer says; nothing is left behind.
pub fn create(
    globals: &Globals,
    args: &CreateArgs,
    bundle: &Bundle,
    gate: bool,
    trace: &Trace,
) -> Result<Born> {
    let doing = || format!("create {}", args.id);
    let mut request = Request { gate, ..bundle.request(globals, args)? };
    let reserved = crate::cmd::store(globals)?.reserve(&args.id)?;
    let notify = std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty());
    if notify.is_some() {
        request.notify_directory = Some(notify::make_directory(reserved.directory())?);
    }
    let span = trace.span("plan");
    let plan = bundle.plan(&args.id, &request).context(doing)?;
    drop(span);
    for warning in &plan.warnings {
        log::warn(warning);
    }
    let cgroup = cgroup_plan(&plan)?;
    let record = Record { cgroup: Cgroup::planned(cgroup), ..draft(bundle, &plan) };
    reserved.draft(&record)?;
    point("draft")?;
    let mut newborn = Newborn {
        record,
        reserved: &reserved,
        args,
        manager: notify.filter(|_| !gate),
        notify: None,
        master: None,
    };
    let launched = Launch {
        plan: &plan,
        place: Place::New(cgroup),
        directory: reserved.directory(),
        init: None,
        hooks: Some(&bundle.spec.hooks),
        host: &bundle.host,
        trace,
    }
    .perform(&mut newborn)
    .context(doing);
    let Newborn { record, notify, master, .. } = newborn;
    let launched = match launched {
        Ok(launched) => launched,
        Err(error) => {
            // The runtime-spec: a hook that failed before had a counterpart, which may have something to undo.
            if record.pid != 0 {
                record.run_poststop_hooks();
            }
            return Err(error);
        }
    };
    let (pid, pidfd) = (launched.pid, launched.pidfd);
    let container = reserved.into_container(record)?;
    let born = Born { container, pidfd, master, notify };
    match args.pid_file.as_deref().map_or(Ok(()), |file| write_pid_file(file, pid)) {
        Ok(()) => Ok(born),
        Err(error) => Err(abandon(born.container, error)),
    }
}

/// Deletes a container whatever it does, because of `error`, which stays the error.
pub fn abandon(container: Container, error: Error) -> Error {
    match container.delete(true) {
        Ok(()) => error,
        Err(left) => error.while_undoing(left),
    }
}

fn cgroup_plan(plan: &Plan) -> Result<&crate::plan::cgroup::CgroupPlan> {
    plan.cgroup
        .as_ref()
        .ok_or_else(|| Error::new(Kind::Internal, "a container's plan has no cgroup"))
}

/// The record, as far as it is known before there is a process.
fn draft(bundle: &Bundle, plan: &Plan) -> Record {
    let spec = &bundle.spec;
    Record {
        version: VERSION,
        id: plan.id.clone(),
        oci_version: spec.version.clone(),
        bundle: bundle.path.clone(),
        rootfs: spec.rootfs.as_path().to_owned(),
        pid: 0,
        start_time: 0,
        cgroup: Cgroup::default(),
        created: Timestamp::now().rfc3339_nano(),
        annotations: spec.annotations.clone(),
        hooks: LateHooks {
            poststart: spec.hooks.poststart.clone(),
            poststop: spec.hooks.poststop.clone(),
        },
        namespaces: NamespaceBits::from(&spec.namespaces),
        terminal: plan.terminal,
    }
}

struct Newborn<'a> {
    record: Record,
    reserved: &'a Reserved,
    args: &'a CreateArgs,
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
        if let Some(socket) = &self.args.pidfd_socket {
            send_pidfd(socket, pidfd, PidfdOf::Init)?;
            point("pidfd socket")?;
        }
        Ok(())
    }

    fn state(&self, status: &str) -> Result<String> {
        let status = if status == "created" { Status::Created } else { Status::Creating };
        self.record.state_json(status)
    }

    fn console(&mut self, master: OwnedFd, number: u32) -> Result<()> {
        self.master = take_master(master, number, self.args.console_socket.as_deref())?;
        Ok(())
    }
}

/// Writes a pid whole or not at all: who waits for the file must never read half a number.
///
/// # Errors
/// [`Kind::Kernel`] when it can't be written.
pub fn write_pid_file(file: &Path, pid: i32) -> Result<()> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let draft: PathBuf = file.with_file_name(format!(".{name}.draft"));
    let written = std::fs::write(&draft, pid.to_string())
        .context(|| format!("write pid file {}", draft.display()))
        .and_then(|()| point("pid file"))
        .and_then(|()| {
            std::fs::rename(&draft, file).context(|| format!("write pid file {}", file.display()))
        });
    if written.is_err() {
        // What failed may be that there was nowhere to write to; then there is no draft either.
        std::fs::remove_file(&draft).ok();
    }
    written
}
