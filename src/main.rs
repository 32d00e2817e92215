//! The `rrun` command: parse, dispatch, report, exit code. Nothing else.

use rrun::cmd::{self, args, inherited};
use rrun::error::Error;
use rrun::launch::sealed;
use rrun::log;
use std::process::ExitCode;

fn main() -> ExitCode {
    let (globals, understood) = match args::parse(std::env::args_os()) {
        Ok(args::Invocation { globals, verb, request }) => match inherited::check(&request) {
            Ok(()) => (globals, Ok((verb, request))),
            Err(error) => {
                let exit = error.kind().exit_code(verb);
                (globals, Err((error.context(verb), exit)))
            }
        },
        Err(args::Refusal { globals, error, exit }) => (globals, Err((error, exit))),
    };
    if let Err(error) = log::open(&globals.log) {
        return report(&error, 1);
    }
    if let Ok((verb @ ("create" | "run" | "exec"), _)) = &understood
        && let Err(error) = sealed::ensure()
    {
        return report(&error, error.kind().exit_code(verb));
    }
    match understood {
        Ok((verb, request)) => match cmd::dispatch(&globals, request) {
            Ok(code) => code.into(),
            Err(error) => report(&error, error.kind().exit_code(verb)),
        },
        Err((error, exit)) => report(&error, exit),
    }
}

fn report(error: &Error, code: u8) -> ExitCode {
    log::failure(error);
    code.into()
}
