//! The `rrun` command: parse, dispatch, report, exit code. Nothing else.

#![no_main]

use rrun::cmd::{self, args, inherited};
use rrun::error::Error;
use rrun::launch::sealed;
use rrun::log;

#[global_allocator]
static ARENA: rrun_sys::arena::Arena = rrun_sys::arena::Arena::new();

rrun_sys::entry!(run);

fn run() -> u8 {
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
    if let Ok((verb @ ("create" | "run" | "exec" | "mounts"), _)) = &understood
        && let Err(error) = sealed::ensure(c"rrun")
    {
        return report(&error, error.kind().exit_code(verb));
    }
    match understood {
        Ok((verb, request)) => match cmd::dispatch(&globals, request) {
            Ok(code) => code,
            Err(error) => report(&error, error.kind().exit_code(verb)),
        },
        Err((error, exit)) => report(&error, exit),
    }
}

fn report(error: &Error, code: u8) -> u8 {
    log::failure(error);
    code
}
