//! `rrun restore`: a container comes back from files; unless detached wait, pass the exit code on and delete.

use super::args::{Globals, RestoreArgs};
use super::checkpoint::criu;
use super::run::supervise;
use crate::error::Result;
use crate::launch::supervise::Supervisor;
use crate::plan::Request;
use crate::runtime::{Bundle, Handover, Restore, check_terminal};
use crate::spec::Terminal;

/// Brings it back.
///
/// # Errors
/// As [`Restore::perform`]; nothing is left behind then.
pub fn run(globals: &Globals, args: &RestoreArgs) -> Result<u8> {
    let bundle = Bundle::load(args.bundle.as_deref())?;
    // A terminal that is the caller's needs nobody to hand it to.
    let terminal = if args.wishes.shell_job { Terminal::None } else { bundle.terminal() };
    check_terminal(terminal, args.detach, args.console_socket.as_deref())?;
    let supervisor = match args.detach {
        true => None,
        false => Some(Supervisor::new(!args.no_subreaper)?),
    };
    let born = Restore {
        store: &super::store(globals)?,
        id: &args.id,
        bundle: &bundle,
        request: Request {
            no_pivot: args.no_pivot,
            systemd_cgroup: globals.systemd_cgroup,
            ..bundle.request()
        },
        criu: &criu(globals)?,
        images: &args.images,
        work: args.work.as_deref(),
        wishes: args.wishes.clone(),
        handover: Handover {
            console_socket: args.console_socket.as_deref(),
            pid_file: args.pid_file.as_deref(),
            ..Handover::default()
        },
    }
    .perform()?;
    match supervisor {
        None => Ok(0),
        Some(supervisor) => supervise(supervisor, born, args.keep),
    }
}
