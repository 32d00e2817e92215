//! Go's spellings of flags become clap's.
//!
//! It knows that Go's flag package takes `-name`, `--name`, `-name=value` and `--name=value` alike, and stops at the first
//! positional. It refuses to know what a flag means; which ones there are and which take a value, the clap command says.
//! What a newcomer would get wrong: a token after a flag that takes a value *is* the value, whatever it looks like.

use clap::{Arg, Command};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

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
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if token == "--" && positionals > 0 {
            // From here on clap takes everything as positional; so do we, but for counting.
            respelled.push(token.clone());
        } else if !is_flag(token) || respelled.iter().any(|token| token == "--") {
            if positionals == 0 {
                break;
            }
            positionals -= 1;
            respelled.push(token.clone());
        } else {
            let flag = Flag::of(command, token);
            respelled.push(flag.respelled);
            if let Some(value) = tokens.get(at + 1)
                && flag.next.accepts(value)
            {
                at += 1;
                match flag.next {
                    Next::Anything => respelled.push(value.clone()),
                    Next::Nothing | Next::OneOf(_) => {
                        if let Some(last) = respelled.last_mut() {
                            last.push("=");
                            last.push(value);
                        }
                    }
                }
            }
        }
        at += 1;
    }
    (respelled, tokens.get(at..).unwrap_or_default())
}

/// What the token after a flag is.
enum Next {
    /// Not this flag's.
    Nothing,
    /// Its value.
    Anything,
    /// Its value if it is one of these: clap would want an equals sign.
    OneOf(&'static [&'static str]),
}

impl Next {
    fn accepts(&self, token: &OsStr) -> bool {
        match self {
            Self::Nothing => false,
            Self::Anything => true,
            Self::OneOf(values) => values.iter().any(|value| token == *value),
        }
    }
}

struct Flag {
    respelled: OsString,
    next: Next,
}

impl Flag {
    fn of(command: &Command, token: &OsStr) -> Self {
        let bytes = token.as_bytes();
        let single = bytes.get(1) != Some(&b'-');
        let body = bytes.get(if single { 1 } else { 2 }..).unwrap_or_default();
        let (name, value) = match body.iter().position(|&byte| byte == b'=') {
            Some(equals) => body.split_at(equals),
            None => (body, &[][..]),
        };
        let long = command
            .get_arguments()
            .find(|arg| arg.get_long().is_some_and(|long| long.as_bytes() == name));
        // `-d`, and clusters such as `-td`, are clap's own.
        let shorts = if single { name } else { &[] };
        let by_letter = |letter: u8| {
            command.get_arguments().find(|arg| arg.get_short() == Some(char::from(letter)))
        };
        let last = shorts.last().and_then(|&letter| by_letter(letter));
        let earlier_takes_the_rest = shorts.split_last().is_some_and(|(_, earlier)| {
            earlier.iter().any(|&l| by_letter(l).is_some_and(takes_value))
        });

        let respelled = match (long, single && name.len() > 1) {
            (Some(_), true) => OsString::from_vec([b"--", body].concat()),
            (Some(_) | None, _) => token.to_owned(),
        };
        let next = match long.or(last.filter(|_| !earlier_takes_the_rest)) {
            _ if !value.is_empty() => Next::Nothing,
            Some(arg) if takes_value(arg) => Next::Anything,
            Some(arg) if arg.get_id() == "rootless" && command.get_name() == "rrun" => {
                Next::OneOf(&["true", "false", "auto"])
            }
            Some(_) | None => Next::Nothing,
        };
        Self { respelled, next }
    }
}

/// Whether the next token is the value of `arg`; a switch has its own behind an equals sign, if at all.
fn takes_value(arg: &Arg) -> bool {
    arg.get_num_args().is_none_or(|range| range.min_values() > 0)
}
