//! argv → [`Request`]: syntax only; nothing is opened, resolved or asked of the kernel.
//!
//! It knows runc's command line and ours. What a newcomer would get wrong: callers write Go's spellings (`-bundle=x`,
//! `--systemd-cgroup=false`), which `spelling` turns into clap's; and clap itself is met only by a line that is wrong or
//! odd (see `direct`), because a start should not pay for help and suggestions.
//!
//! ```text
//! rrun  --root /r -debug   run   --bundle /b web
//!       └── globals ────┘  verb  └── its own ──┘
//! ```

mod checkpoint;
mod direct;
mod exec;
mod flags;
mod live;
mod pressure;
mod request;
mod signal;
mod spelling;
mod taken;
pub(super) mod update;
mod user;
mod watch;
mod whom;

pub use checkpoint::{CheckpointArgs, RestoreArgs};
pub use exec::ExecArgs;
pub use flags::tree;
pub use live::{MountsAction, MountsArgs, WaitArgs};
pub use request::{
    CreateArgs, DoctorArgs, ExplainArgs, Globals, ListArgs, ListFormat, PauseArgs, Request,
    ResumeArgs, Rootless, RunArgs, SpecArgs, StartArgs, StateArgs, UnpackArgs,
};
pub use signal::Signal;
pub use update::{UpdateArgs, UpdateSource};
pub use user::ExecUser;
pub use watch::{EventsArgs, PsArgs};
pub use whom::{DeleteArgs, KillArgs, Whom};

use crate::error::{Error, Kind};
use flags::Verb;
use std::ffi::OsString;
use taken::Taken;

/// A command line that was understood.
#[derive(Debug)]
pub struct Invocation {
    /// What stands before the verb.
    pub globals: Globals,
    /// The verb's name, for the exit code; empty without one.
    pub verb: &'static str,
    /// The verb and its own.
    pub request: Request,
}

/// A command line that was not.
#[derive(Debug)]
pub struct Refusal {
    /// As far as they were understood: where to log it.
    pub globals: Globals,
    /// [`Kind::Usage`], always.
    pub error: Error,
    /// 1; 3 for an unknown verb, as every runtime built on Go's `urfave/cli` has it.
    pub exit: u8,
}

/// Understands `argv`, whose first element is the program's name.
///
/// # Errors
/// A [`Refusal`] that names the flag, the value and the fix.
pub fn parse(argv: impl IntoIterator<Item = OsString>) -> Result<Invocation, Refusal> {
    let tokens: Vec<OsString> = argv.into_iter().skip(1).collect();
    let mut globals = Globals::default();
    let (verb, rest) = match take_globals(&mut globals, &tokens) {
        Ok((Some(Wanted::Answer(request)), _)) => {
            return Ok(Invocation { globals, verb: "", request });
        }
        Ok((Some(Wanted::Verb(verb)), rest)) => (verb, rest),
        Ok((None, unknown)) => {
            return Err(Refusal { globals, error: unknown_verb(unknown), exit: 3 });
        }
        Err(error) => return Err(Refusal { globals, error, exit: 1 }),
    };
    match take_verb(verb, rest) {
        Ok(request) => Ok(Invocation { globals, verb: verb.name(), request }),
        Err(error) => Err(Refusal { globals, error: error.context(verb.name()), exit: 1 }),
    }
}

enum Wanted {
    Verb(Verb),
    /// Help or the version: no verb is needed.
    Answer(Request),
}

type Tokens<'a> = &'a [OsString];

/// Takes what stands before the verb, and the verb: `None` when it is unknown, and then it is still in the rest.
fn take_globals<'a>(
    globals: &mut Globals,
    tokens: Tokens<'a>,
) -> Result<(Option<Wanted>, Tokens<'a>), Error> {
    let mut rest = tokens;
    if tokens.first().is_some_and(|first| spelling::is_flag(first)) {
        let (own, after) = spelling::before_positional(flags::GLOBALS, tokens);
        rest = after;
        let Some(mut taken) = Taken::parse(flags::GLOBALS, flags::globals, own)? else {
            return Ok((Some(Wanted::Answer(Request::Help(flags::help()))), rest));
        };
        *globals = Globals::take(&mut taken)?;
        if taken.on("version")? {
            return Ok((Some(Wanted::Answer(Request::Version)), rest));
        }
    }
    let Some((first, after)) = rest.split_first() else {
        return Ok((Some(Wanted::Answer(Request::Help(flags::help()))), rest));
    };
    if first == "help" || first == "h" {
        return Ok(match after.first().map(|name| Verb::named(name)) {
            None => (Some(Wanted::Answer(Request::Help(flags::help()))), after),
            Some(Some(verb)) => (Some(Wanted::Answer(Request::Help(flags::help_of(verb)))), after),
            Some(None) => (None, after),
        });
    }
    Ok(match Verb::named(first) {
        Some(verb) => (Some(Wanted::Verb(verb)), after),
        None => (None, rest),
    })
}

fn unknown_verb(tokens: Tokens<'_>) -> Error {
    let given = tokens.first().map(|token| token.to_string_lossy()).unwrap_or_default();
    let error = Error::new(Kind::Usage, format!("unknown command {given:?}"));
    match Verb::ALL.iter().find(|verb| is_near(verb.name(), &given)) {
        Some(verb) => error.hint(format!("did you mean \"rrun {}\"?", verb.name())),
        None => error.hint("\"rrun --help\" lists the commands"),
    }
}

/// Whether `given` is `name` with one letter missing, added, changed or swapped with its neighbour.
fn is_near(name: &str, given: &str) -> bool {
    let same = name.bytes().zip(given.bytes()).take_while(|(a, b)| a == b).count();
    let (name, given) = (&name.as_bytes()[same..], &given.as_bytes()[same..]);
    match (name, given) {
        ([], []) => true,
        ([_, rest @ ..], []) | ([], [_, rest @ ..]) => rest.is_empty(),
        ([a, name_rest @ ..], [b, given_rest @ ..]) => {
            let swapped = name_rest.first() == Some(b)
                && given_rest.first() == Some(a)
                && name_rest.get(1..) == given_rest.get(1..);
            name_rest == given || name == given_rest || name_rest == given_rest || swapped
        }
    }
}

/// Understands what follows the verb.
fn take_verb(verb: Verb, tokens: Tokens<'_>) -> Result<Request, Error> {
    let flags = verb.flags();
    // What follows exec's id belongs to the program that it starts, and what follows that of ps to ps.
    let (own, program) = match verb {
        Verb::Exec => spelling::through_positional(flags, tokens),
        Verb::Ps => spelling::to_positional(flags, tokens),
        _ => (spelling::rewrite(flags, tokens), &[][..]),
    };
    match Taken::parse(flags, || verb.command(), own)? {
        Some(mut taken) => Request::take(verb, &mut taken, program),
        None => Ok(Request::Help(flags::help_of(verb))),
    }
}

#[cfg(test)]
mod tests;
