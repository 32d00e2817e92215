//! `rrun exec`: another process in a container.
//!
//! What a newcomer would get wrong: it is the container's configuration, not the caller's, that says under which filter
//! and with which privileges it runs; the command line changes only what it names.

use crate::cmd::args::{ExecArgs, Globals};
use crate::cmd::create::close_trace;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::launch::fault::point;
use crate::launch::supervise::Supervisor;
use crate::launch::trace::Trace;
use crate::log;
use crate::runtime::{Bundle, Exec, Handover, Running, check_terminal};
use crate::spec::{CapSet, Privileges, Process, Terminal};
use std::os::fd::{AsFd, OwnedFd};

/// Runs it, and unless detached waits for it.
///
/// # Errors
/// As [`Exec::perform`].
pub fn run(globals: &Globals, args: &ExecArgs) -> Result<u8> {
    let trace = args.trace.as_deref().map_or(Ok(Trace::off()), Trace::to)?;
    let container = super::store(globals)?.open(&args.id)?;
    let bundle =
        Bundle::load_config(Some(&container.record.bundle), container.record.config.as_deref())?;
    let process = process(&bundle, args)?;
    check_terminal(process.terminal, args.detach, args.console_socket.as_deref())?;
    let exec = Exec {
        container: &container,
        bundle: &bundle,
        process: &process,
        cgroup: &args.cgroup,
        ignore_paused: args.ignore_paused,
        filters: None,
        handover: Handover {
            streams: None,
            console_socket: args.console_socket.as_deref(),
            pidfd_socket: args.pidfd_socket.as_deref(),
            pid_file: args.pid_file.as_deref(),
            preserve_fds: args.preserve_fds,
        },
        trace: &trace,
    };
    let supervisor = if args.detach { None } else { Some(Supervisor::new(false)?) };
    let running = exec.perform();
    close_trace(trace);
    let Running { launched, master } = running?;
    let Some(supervisor) = supervisor else { return Ok(0) };
    match wait(supervisor, launched.pid, &launched.pidfd, master) {
        Ok(code) => Ok(code),
        Err(error) => Err(launched.end(error)),
    }
}

fn wait(
    mut supervisor: Supervisor,
    pid: i32,
    pidfd: &OwnedFd,
    master: Option<OwnedFd>,
) -> Result<u8> {
    point("supervise")?;
    if let Some(master) = master {
        supervisor.attach_terminal(master)?;
    }
    Ok(supervisor.wait(pid, pidfd.as_fd())?.status())
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
        process.apparmor_profile = Some(profile.clone()).filter(|profile| !profile.is_empty());
    }
    if let Some(label) = &args.process_label {
        process.selinux_label = Some(label.clone()).filter(|label| !label.is_empty());
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
