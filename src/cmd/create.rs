//! `rrun create`: a container that waits for `start`.

use crate::cmd::args::{CreateArgs, Globals};
use crate::cmd::birth;
use crate::cmd::bundle::{Bundle, check_terminal};
use crate::error::Result;
use crate::launch::trace::Trace;
use crate::spec::Terminal;

/// Creates it.
///
/// # Errors
/// Whatever any layer says; nothing is left behind.
pub fn run(globals: &Globals, args: &CreateArgs) -> Result<u8> {
    let trace = open_trace(args)?;
    let bundle = {
        let _span = trace.span("read bundle and host");
        Bundle::load(args.bundle.as_deref())?
    };
    let terminal = bundle.spec.process.as_ref().map_or(Terminal::None, |p| p.terminal);
    check_terminal(terminal, true, args.console_socket.as_deref())?;
    let born = birth::create(globals, args, &bundle, true, &trace);
    close_trace(trace);
    born.map(|_| 0)
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
