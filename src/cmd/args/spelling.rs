//! Go's spellings of flags become clap's.
//!
//! It knows that Go's flag package takes `-name`, `--name`, `-name=value` and `--name=value` alike, and stops at the first
//! positional. It refuses to know what a flag means; which ones there are and which take a value, `flags` says.
//! What a newcomer would get wrong: a token after a flag that takes a value *is* the value, whatever it looks like.

use super::flags::{Flag, Flags, Takes};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The values of a flag that flags.rs gives the value name `WHEN`.
const WHEN: [&str; 3] = ["true", "false", "auto"];

/// Whether `token` would be read as a flag. A lone `-` is a value (standard input), by custom.
pub(super) fn is_flag(token: &OsStr) -> bool {
    token.len() > 1 && token.as_bytes().first() == Some(&b'-')
}

/// All of `tokens`, respelled.
pub(super) fn rewrite(flags: Flags, tokens: &[OsString]) -> Vec<OsString> {
    walk(flags, tokens, usize::MAX).0
}

/// The flags before the first positional, respelled, and what follows them untouched.
pub(super) fn before_positional(flags: Flags, tokens: &[OsString]) -> (Vec<OsString>, &[OsString]) {
    walk(flags, tokens, 0)
}

/// The same, with the first positional itself; a `--` directly after it is dropped.
pub(super) fn through_positional(
    flags: Flags,
    tokens: &[OsString],
) -> (Vec<OsString>, &[OsString]) {
    let (own, rest) = walk(flags, tokens, 1);
    match rest.split_first() {
        Some((dashes, program)) if dashes == "--" => (own, program),
        _ => (own, rest),
    }
}

/// The same, but what follows the first positional is untouched, flag or not.
pub(super) fn to_positional(flags: Flags, tokens: &[OsString]) -> (Vec<OsString>, &[OsString]) {
    let (mut own, rest) = before_positional(flags, tokens);
    match rest.split_first() {
        Some((first, after)) => {
            own.push(first.clone());
            (own, after)
        }
        None => (own, rest),
    }
}

/// Respells until `positionals` of them were passed and another comes.
fn walk(flags: Flags, tokens: &[OsString], mut positionals: usize) -> (Vec<OsString>, &[OsString]) {
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
            let flag = Seen::of(flags, token);
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

struct Seen {
    respelled: OsString,
    next: Next,
}

impl Seen {
    fn of(flags: Flags, token: &OsStr) -> Self {
        let bytes = token.as_bytes();
        let dashes = if bytes.starts_with(b"--") { 2 } else { 1 };
        let body = bytes.get(dashes..).unwrap_or_default();
        let name = body.split(|&byte| byte == b'=').next().unwrap_or_default();
        let long = by_name(flags, name);
        let respelled = match long {
            Some(_) if dashes == 1 && name.len() > 1 => OsString::from_vec([b"--", body].concat()),
            Some(_) | None => token.to_owned(),
        };
        let flag = match long {
            None if dashes == 1 => last_of_cluster(flags, name),
            Some(_) | None => long,
        };
        let next = match flag.map(|flag| flag.takes) {
            Some(_) if name.len() < body.len() => Next::Another,
            Some(Takes::Value | Takes::Values) => Next::Value,
            Some(Takes::When) => Next::ValueIfWhen,
            Some(Takes::Switch | Takes::Required | Takes::Optional) | None => Next::Another,
        };
        Self { respelled, next }
    }
}

fn all(flags: Flags) -> impl Iterator<Item = &'static Flag> {
    flags.iter().flat_map(|list| list.iter()).filter(|flag| !flag.is_positional())
}

/// The flag of a long name.
pub(super) fn by_name(flags: Flags, name: &[u8]) -> Option<&'static Flag> {
    all(flags).find(|flag| flag.name.as_bytes() == name)
}

/// The flag of a letter.
pub(super) fn by_letter(flags: Flags, letter: u8) -> Option<&'static Flag> {
    let letter = Some(char::from(letter));
    all(flags).find(|flag| flag.short == letter || flag.also == letter)
}

/// Of `-td`, the `d`; nothing when an earlier letter takes the rest as its value (`-u0`).
fn last_of_cluster(flags: Flags, letters: &[u8]) -> Option<&'static Flag> {
    let (&last, earlier) = letters.split_last()?;
    let taken = earlier
        .iter()
        .filter_map(|&letter| by_letter(flags, letter))
        .any(|flag| matches!(flag.takes, Takes::Value | Takes::Values));
    by_letter(flags, last).filter(|_| !taken)
}
