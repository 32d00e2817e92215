//! `rrun run`: create, start, and unless detached wait, pass the exit code on and delete.

use crate::cmd::args::{Globals, RunArgs};
use crate::cmd::birth::{self, Born};
use crate::cmd::bundle::{Bundle, check_terminal};
use crate::cmd::create::open_trace;
use crate::cmd::start::run_poststart;
use crate::error::Result;
use crate::launch::supervise::Supervisor;
use crate::spec::Terminal;
use std::os::fd::AsFd;

/// Runs it.
///
/// # Errors
/// Whatever any layer says; nothing is left behind.
pub fn run(globals: &Globals, args: &RunArgs) -> Result<u8> {
    let trace = open_trace(&args.create)?;
    let bundle = {
        let _span = trace.span("read bundle and host");
        Bundle::load(args.create.bundle.as_deref())?
    };
    let terminal = bundle.spec.process.as_ref().map_or(Terminal::None, |p| p.terminal);
    check_terminal(terminal, args.detach, args.create.console_socket.as_deref())?;
    // Signals are ours from before there is a child: one that ends at once can't be missed.
    let supervisor = match args.detach {
        true => None,
        false => Some(Supervisor::new(!args.no_subreaper)?),
    };
    let born = birth::create(globals, &args.create, &bundle, false, &trace);
    trace.finish()?;
    let born = born?;
    if let Err(error) = run_poststart(&born.container) {
        return Err(match born.container.delete(true) {
            Ok(()) => error,
            Err(left) => error.while_undoing(left),
        });
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

fn supervise(mut supervisor: Supervisor, born: Born, keep: bool) -> Result<u8> {
    let Born { container, pidfd, master, notify } = born;
    if let Some(master) = master {
        supervisor.attach_terminal(master)?;
    }
    if let Some(proxy) = notify {
        supervisor.attach_notify(proxy);
    }
    let exit = supervisor.wait(container.record.pid, pidfd.as_fd())?;
    if !keep {
        container.delete(false)?;
    }
    Ok(exit.status())
}
