//! A container comes into being: what `create` and `run` share.
//!
//! ```text
//! bundle → plan → reserve the id → launch (record and pid file once there is a pid) → container
//! ```
//! What a newcomer would get wrong: whatever fails, dropping the reservation removes the directory, and the launch has
//! removed the process and the cgroup: an id is either a container or free.

use crate::cmd::args::{CreateArgs, Globals};
use crate::cmd::bundle::Bundle;
use crate::container::process::ProcStat;
use crate::container::{Container, LateHooks, NamespaceBits, Record, Reserved, Status, VERSION};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::launch::cgroup::Cgroup;
use crate::launch::console::{PidfdOf, send_console, send_pidfd};
use crate::launch::fault::point;
use crate::launch::trace::Trace;
use crate::launch::{Launch, Owner, Place, notify};
use crate::log;
use crate::plan::{Plan, Request};
use crate::timestamp::Timestamp;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
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
    /// Our own `NOTIFY_SOCKET`, when the container got one.
    pub notify: Option<std::ffi::OsString>,
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
    let mut newborn =
        Newborn { record: draft(bundle, &plan), reserved: &reserved, args, master: None };
    let launched = Launch {
        plan: &plan,
        place: Place::New(cgroup_plan(&plan)?),
        directory: reserved.directory(),
        init: None,
        hooks: Some(&bundle.spec.hooks),
        host: &bundle.host,
        trace,
    }
    .perform(&mut newborn)
    .context(doing)?;
    let Newborn { record, master, .. } = newborn;
    Ok(Born { container: reserved.into_container(record), pidfd: launched.pidfd, master, notify })
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
        point("record")?;
        self.reserved.save(&self.record)?;
        if let Some(socket) = &self.args.pidfd_socket {
            send_pidfd(socket, pidfd, PidfdOf::Init)?;
        }
        if let Some(file) = &self.args.pid_file {
            write_pid_file(file, pid)?;
        }
        Ok(())
    }

    fn state(&self, status: &str) -> Result<String> {
        let status = if status == "created" { Status::Created } else { Status::Creating };
        self.record.state_json(status)
    }

    fn console(&mut self, master: OwnedFd, number: u32) -> Result<()> {
        match &self.args.console_socket {
            Some(socket) => send_console(socket, master.as_fd(), &format!("/dev/pts/{number}")),
            None => {
                self.master = Some(master);
                Ok(())
            }
        }
    }
}

/// Writes a pid whole or not at all: who waits for the file must never read half a number.
///
/// # Errors
/// [`Kind::Kernel`] when it can't be written.
pub fn write_pid_file(file: &Path, pid: i32) -> Result<()> {
    point("pid-file")?;
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let draft: PathBuf = file.with_file_name(format!(".{name}.draft"));
    std::fs::write(&draft, pid.to_string())
        .and_then(|()| std::fs::rename(&draft, file))
        .context(|| format!("write pid file {}", file.display()))
}
