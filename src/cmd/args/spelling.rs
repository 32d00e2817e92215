//! Go's spellings of flags become clap's.
//!
//! It knows that Go's flag package takes `-name`, `--name`, `-name=value` and `--name=value` alike, and stops at the first
//! positional. It refuses to know what a flag means; which ones there are and which take a value, the clap command says.
//! What a newcomer would get wrong: a token after a flag that takes a value *is* the value, whatever it looks like.

use clap::{Arg, Command};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The values of a flag that flags.rs gives the value name `WHEN`.
const WHEN: [&str; 3] = ["true", "false", "auto"];

/// Whether `token` would be read as a flag. A lone `-` is a value (standard input), by custom.
pub(super) fn is_flag(token: &OsStr) -> bool {
    token.len() > 1 && token.as_bytes().first() == Some(&b'-')
}

/// All of `tokens`, respelled.
pub(super) fn rewrite(command: &Command, tokens: &[OsString]) -> Vec<OsString> {
    walk(command, tokens, usize::MAX).0
}

/// The flags before the first positional, respelled, and what follows them untouched.
pub(super) fn before_positional<'a>(
    command: &Command,
    tokens: &'a [OsString],
) -> (Vec<OsString>, &'a [OsString]) {
    walk(command, tokens, 0)
}

/// The same, with the first positional itself; a `--` directly after it is dropped.
pub(super) fn through_positional<'a>(
    command: &Command,
    tokens: &'a [OsString],
) -> (Vec<OsString>, &'a [OsString]) {
    let (own, rest) = walk(command, tokens, 1);
    match rest.split_first() {
        Some((dashes, program)) if dashes == "--" => (own, program),
        _ => (own, rest),
    }
}

/// Respells until `positionals` of them were passed and another comes.
fn walk<'a>(
    command: &Command,
    tokens: &'a [OsString],
    mut positionals: usize,
) -> (Vec<OsString>, &'a [OsString]) {
    let mut respelled = Vec::with_capacity(tokens.len());
    let mut rest = tokens;
    let mut flags_are_over = false;
    while let Some((token, after)) = rest.split_first() {
        if flags_are_over || !is_flag(token) {
            if positionals == 0 {
                break;
            }
            positionals -= 1;
            respelled.push(token.clone());
            rest = after;
        } else if token == "--" {
            flags_are_over = true;
            respelled.push(token.clone());
            rest = after;
        } else {
            let flag = Flag::of(command, token);
            let mut spelling = flag.respelled;
            match (flag.next, after.split_first()) {
                (Next::Value, Some((value, after))) => {
                    respelled.extend([spelling, value.clone()]);
                    rest = after;
                }
                (Next::ValueIfWhen, Some((value, after))) if WHEN.iter().any(|w| value == w) => {
                    spelling.push("=");
                    spelling.push(value);
                    respelled.push(spelling);
                    rest = after;
                }
                (Next::Value | Next::ValueIfWhen | Next::Another, _) => {
                    respelled.push(spelling);
                    rest = after;
                }
            }
        }
    }
    (respelled, rest)
}

/// What the token after a flag is.
enum Next {
    /// Not this flag's.
    Another,
    /// Its value.
    Value,
    /// Its value if it is one of [`WHEN`]: `--rootless true` is one flag to runc, and `--rootless create` is not.
    ValueIfWhen,
}

struct Flag {
    respelled: OsString,
    next: Next,
}

impl Flag {
    fn of(command: &Command, token: &OsStr) -> Self {
        let bytes = token.as_bytes();
        let dashes = if bytes.starts_with(b"--") { 2 } else { 1 };
        let body = bytes.get(dashes..).unwrap_or_default();
        let name = body.split(|&byte| byte == b'=').next().unwrap_or_default();
        let long = command
            .get_arguments()
            .find(|arg| arg.get_long().is_some_and(|long| long.as_bytes() == name));
        let respelled = match long {
            Some(_) if dashes == 1 && name.len() > 1 => OsString::from_vec([b"--", body].concat()),
            Some(_) | None => token.to_owned(),
        };
        let arg = match long {
            None if dashes == 1 => last_of_cluster(command, name),
            Some(_) | None => long,
        };
        let next = match arg {
            Some(_) if name.len() < body.len() => Next::Another,
            Some(arg) if takes_value(arg) => Next::Value,
            Some(arg) if is_when(arg) => Next::ValueIfWhen,
            Some(_) | None => Next::Another,
        };
        Self { respelled, next }
    }
}

/// Of `-td`, the `d`; nothing when an earlier letter takes the rest as its value (`-u0`).
fn last_of_cluster<'a>(command: &'a Command, letters: &[u8]) -> Option<&'a Arg> {
    let by_letter =
        |&letter| command.get_arguments().find(|arg| arg.get_short() == Some(char::from(letter)));
    let (last, earlier) = letters.split_last()?;
    let taken = earlier.iter().filter_map(by_letter).any(takes_value);
    by_letter(last).filter(|_| !taken)
}

/// Whether the next token is the value of `arg`; a switch has its own behind an equals sign, if at all.
fn takes_value(arg: &Arg) -> bool {
    arg.get_num_args().is_none_or(|range| range.min_values() > 0)
}

fn is_when(arg: &Arg) -> bool {
    arg.get_value_names().is_some_and(|names| names.iter().any(|name| name == "WHEN"))
}
