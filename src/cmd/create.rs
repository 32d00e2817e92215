//! `rrun create`: a container that waits for `start`.

use crate::cmd::args::{CreateArgs, Globals};
use crate::error::Result;
use crate::launch::trace::Trace;
use crate::runtime::{Born, Bundle, Create, Handover, check_terminal};

/// Creates it.
///
/// # Errors
/// Whatever any layer says; nothing is left behind.
pub fn run(globals: &Globals, args: &CreateArgs) -> Result<u8> {
    let trace = open_trace(args)?;
    let bundle = load(args, &trace)?;
    check_terminal(bundle.terminal(), true, args.console_socket.as_deref())?;
    let born = create(globals, args, &bundle, true, &trace);
    close_trace(trace);
    born.map(|_| 0)
}

/// The bundle that a command line names.
///
/// # Errors
/// As [`Bundle::load`].
pub fn load(args: &CreateArgs, trace: &Trace) -> Result<Bundle> {
    let _span = trace.span("read bundle and host");
    Bundle::load_config(args.bundle.as_deref(), args.config.as_deref())
}

/// Makes the container of a bundle; with `gate` it waits for `start`.
///
/// # Errors
/// As [`Create::perform`].
pub fn create(
    globals: &Globals,
    args: &CreateArgs,
    bundle: &Bundle,
    gate: bool,
    trace: &Trace,
) -> Result<Born> {
    let request = super::request(globals, args, bundle);
    Create {
        store: &super::store(globals)?,
        id: &args.id,
        bundle,
        request: crate::plan::Request { gate, ..request },
        manager: super::service_manager(),
        handover: Handover {
            console_socket: args.console_socket.as_deref(),
            pidfd_socket: args.pidfd_socket.as_deref(),
            pid_file: args.pid_file.as_deref(),
            ..Handover::default()
        },
        trace,
    }
    .perform()
}

/// `--trace`.
///
/// # Errors
/// When the file can't be made.
pub fn open_trace(args: &CreateArgs) -> Result<Trace> {
    args.trace.as_deref().map_or(Ok(Trace::off()), Trace::to)
}

/// Writes it. What was traced has happened: that it can't be written is a warning.
pub fn close_trace(trace: Trace) {
    if let Err(error) = trace.finish() {
        crate::log::warn(&error.to_string());
    }
}
