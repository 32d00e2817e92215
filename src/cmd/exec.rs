//! `rrun exec`: another process in a container.
//!
//! What a newcomer would get wrong: it is the container's configuration, not the caller's, that says under which filter
//! and with which privileges it runs; the command line changes only what it names.

use crate::cmd::args::{ExecArgs, Globals};
use crate::cmd::birth::write_pid_file;
use crate::cmd::bundle::{Bundle, check_terminal, home_of, refuse_systemd};
use crate::cmd::create::close_trace;
use crate::container::{Container, Status};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::launch::cgroup::Cgroup;
use crate::launch::console::{PidfdOf, send_pidfd, take_master};
use crate::launch::fault::point;
use crate::launch::supervise::Supervisor;
use crate::launch::trace::Trace;
use crate::launch::{Launch, Launched, Owner, Place};
use crate::log;
use crate::plan::{ExecRequest, Plan, Request};
use crate::spec::{CapSet, Privileges, Process, Terminal};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Runs it, and unless detached waits for it.
///
/// # Errors
/// [`Kind::State`] when the container does not run, and whatever the launch says.
pub fn run(globals: &Globals, args: &ExecArgs) -> Result<u8> {
    refuse_systemd(globals)?;
    let trace = args.trace.as_deref().map_or(Ok(Trace::off()), Trace::to)?;
    let container = crate::cmd::store(globals)?.open(&args.id)?;
    check_status(&container, args)?;
    let init = container.pidfd()?;
    let bundle = Bundle::load(Some(&container.record.bundle))?;
    let process = process(&bundle, args)?;
    check_terminal(process.terminal, args.detach, args.console_socket.as_deref())?;
    let cgroup = cgroup_of(&container.record.cgroup, &args.cgroup)?;
    let plan = plan(&bundle, &container, &cgroup, &process, args)?;
    for warning in &plan.warnings {
        log::warn(warning);
    }
    let mut supervisor = if args.detach { None } else { Some(Supervisor::new(false)?) };
    let mut owner = Caller { args, container: &container, master: None };
    let launched = Launch {
        plan: &plan,
        place: Place::Existing(&cgroup),
        directory: container.directory(),
        init: Some(init.as_fd()),
        hooks: None,
        host: &bundle.host,
        trace: &trace,
    }
    .perform(&mut owner)
    .context(|| format!("exec in {}", args.id));
    close_trace(trace);
    let launched = launched?;
    match attend(&launched, args, supervisor.take(), owner.master) {
        Ok(code) => Ok(code),
        Err(error) => Err(launched.end(error)),
    }
}

/// From the program's start on.
fn attend(
    launched: &Launched,
    args: &ExecArgs,
    supervisor: Option<Supervisor>,
    master: Option<OwnedFd>,
) -> Result<u8> {
    if let Some(file) = &args.pid_file {
        write_pid_file(file, launched.pid)?;
    }
    let Some(mut supervisor) = supervisor else { return Ok(0) };
    point("supervise")?;
    if let Some(master) = master {
        supervisor.attach_terminal(master)?;
    }
    Ok(supervisor.wait(launched.pid, launched.pidfd.as_fd())?.status())
}

fn check_status(container: &Container, args: &ExecArgs) -> Result<()> {
    match container.status()? {
        Status::Running | Status::Created => Ok(()),
        Status::Paused if args.ignore_paused => Ok(()),
        Status::Paused => Err(Error::new(Kind::State, "cannot exec in a paused container")
            .hint("resume it, or give --ignore-paused")),
        Status::Stopped => Err(Error::new(Kind::State, "cannot exec in a stopped container")),
        Status::Creating => {
            Err(Error::new(Kind::State, "cannot exec in a container being created"))
        }
    }
}

/// `--process`, or the container's own with what the command line changes.
fn process(bundle: &Bundle, args: &ExecArgs) -> Result<Process> {
    let mut process = match &args.process {
        Some(file) => {
            let json = std::fs::read(file).context(|| format!("read {}", file.display()))?;
            let (process, warnings) =
                Process::parse(&json).context(|| file.display().to_string())?;
            for warning in &warnings {
                log::warn(warning);
            }
            process
        }
        None => {
            let own = bundle.spec.process.clone();
            let mut process = own.ok_or_else(|| {
                Error::new(Kind::Spec, "the container's configuration has no process")
            })?;
            process.args.clone_from(&args.program);
            process.terminal = if args.tty { Terminal::Pty { size: None } } else { Terminal::None };
            process
        }
    };
    if args.tty && process.terminal == Terminal::None {
        process.terminal = Terminal::Pty { size: None };
    }
    if let Some(cwd) = &args.cwd {
        process.cwd = crate::id::InnerPath::new(cwd);
    }
    process.env.extend(args.env.iter().cloned());
    if let Some(user) = &args.user {
        process.user.uid = user.uid;
        process.user.gid = user.gid.unwrap_or(process.user.gid);
    }
    process.user.additional_gids.extend(&args.additional_gids);
    if args.no_new_privs {
        process.privileges = Privileges::NoNew;
    }
    if let Some(profile) = &args.apparmor {
        process.apparmor_profile = Some(profile.clone());
    }
    if args.process_label.as_deref().is_some_and(|label| !label.is_empty()) {
        return Err(Error::new(Kind::Unsupported, "--process-label: SELinux is not supported yet"));
    }
    add_capabilities(&mut process, &args.caps)?;
    Ok(process)
}

/// `--cap`: bounding, effective and permitted; inheritable never (CVE-2022-29162), ambient only what is inheritable.
fn add_capabilities(process: &mut Process, names: &[String]) -> Result<()> {
    for name in names {
        let Some(CapSet(bit)) = CapSet::named(name) else {
            return Err(Error::new(Kind::Usage, format!("--cap {name:?}: unknown capability"))
                .hint("use a name of capabilities(7), such as CAP_NET_ADMIN"));
        };
        let sets = &mut process.capabilities;
        let raise = |CapSet(set): &mut CapSet| *set |= bit;
        [&mut sets.bounding, &mut sets.effective, &mut sets.permitted].into_iter().for_each(raise);
        sets.ambient.0 |= bit & sets.inheritable.0;
    }
    Ok(())
}

/// `--cgroup PATH`, below the container's.
fn cgroup_of(own: &Cgroup, below: &[String]) -> Result<Cgroup> {
    match below {
        [] => Ok(own.clone()),
        [path] => own.child(path),
        _ => Err(Error::new(Kind::Unsupported, "--cgroup was given more than once")
            .hint("name one path for all controllers")),
    }
}

fn plan(
    bundle: &Bundle,
    container: &Container,
    cgroup: &Cgroup,
    process: &Process,
    args: &ExecArgs,
) -> Result<Plan> {
    let request = Request {
        preserve_fds: args.preserve_fds,
        home: home_of(process, &container.record.rootfs),
        ..Request::default()
    };
    let exec = ExecRequest {
        kinds: container.record.namespaces.entered,
        cgroup_join: cgroup.needs_join(),
        profile: bundle.spec.seccomp.clone(),
        personality: bundle.spec.personality,
        gid_map: bundle.spec.id_maps.gid.clone(),
    };
    Plan::exec(&container.record.id, process, &bundle.host, &request, &exec)
}

struct Caller<'a> {
    args: &'a ExecArgs,
    container: &'a Container,
    master: Option<OwnedFd>,
}

impl Owner for Caller<'_> {
    fn born(&mut self, _pid: i32, pidfd: BorrowedFd<'_>, _cgroup: &Cgroup) -> Result<()> {
        if let Some(socket) = &self.args.pidfd_socket {
            send_pidfd(socket, pidfd, PidfdOf::Exec)?;
            point("pidfd socket")?;
        }
        Ok(())
    }

    fn state(&self, _status: &str) -> Result<String> {
        self.container.record.state_json(Status::Running)
    }

    fn console(&mut self, master: OwnedFd, number: u32) -> Result<()> {
        self.master = take_master(master, number, self.args.console_socket.as_deref())?;
        Ok(())
    }
}
