//! `rrun run`: create, start, and unless detached wait, pass the exit code on and delete.

use crate::cmd::args::{Globals, RunArgs};
use crate::cmd::create::{close_trace, create, load, open_trace};
use crate::container::Container;
use crate::error::Result;
use crate::launch::fault::point;
use crate::launch::notify::Proxy;
use crate::launch::supervise::{Exit, Supervisor};
use crate::runtime::{Born, abandon, check_terminal, run_poststart};
use std::os::fd::{AsFd, OwnedFd};

/// Runs it.
///
/// # Errors
/// Whatever any layer says; nothing is left behind.
pub fn run(globals: &Globals, args: &RunArgs) -> Result<u8> {
    let trace = open_trace(&args.create)?;
    let bundle = load(&args.create, &trace)?;
    check_terminal(bundle.terminal(), args.detach, args.create.console_socket.as_deref())?;
    // Signals are ours from before there is a child: one that ends at once can't be missed.
    let supervisor = match args.detach {
        true => None,
        false => Some(Supervisor::new(!args.no_subreaper)?),
    };
    let born = create(globals, &args.create, &bundle, false, &trace);
    close_trace(trace);
    let born = born?;
    if let Err(error) = run_poststart(&born.container) {
        return Err(abandon(born.container, error));
    }
    match supervisor {
        None => {
            // The service manager takes our end for the service's unless it was told of another main process.
            if let Some(proxy) = born.notify {
                proxy.forward_until_ready(born.pidfd.as_fd())?;
            }
            Ok(0)
        }
        Some(supervisor) => supervise(supervisor, born, args.keep),
    }
}

pub(super) fn supervise(supervisor: Supervisor, born: Born, keep: bool) -> Result<u8> {
    let Born { mut container, pidfd, master, notify } = born;
    let exit = match wait(supervisor, &container, &pidfd, master, notify) {
        Ok(exit) => exit,
        // Without anybody to wait for it, it would run on unseen.
        Err(error) => return Err(abandon(container, error)),
    };
    if keep {
        container.note_exit(exit.status())?;
    } else {
        container.delete_reaped()?;
    }
    Ok(exit.status())
}

fn wait(
    mut supervisor: Supervisor,
    container: &Container,
    pidfd: &OwnedFd,
    master: Option<OwnedFd>,
    notify: Option<Proxy>,
) -> Result<Exit> {
    point("supervise")?;
    if let Some(master) = master {
        supervisor.attach_terminal(master)?;
    }
    if let Some(proxy) = notify {
        supervisor.attach_notify(proxy);
    }
    supervisor.wait(container.record.pid, pidfd.as_fd())
}
