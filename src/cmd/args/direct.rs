//! Command lines as callers write them, taken without clap: building its model of a verb, to read six words, was more
//! work than reading the configuration.
//!
//! It knows spellings about which there can be no doubt, and refuses every other; then clap is asked, who takes it or says
//! what is wrong with it. What a newcomer would get wrong: nothing may be taken here that clap would take differently. In
//! doubt, refuse.

use super::flags::{Flag, Flags, Takes};
use super::spelling::{by_letter, by_name, is_flag};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Names and values, in the order of the command line.
pub(super) type Values = Vec<(&'static str, OsString)>;

/// Takes `tokens`, which `spelling` has seen; `None` when it is not certain what they mean.
pub(super) fn take(flags: Flags, tokens: &[OsString]) -> Option<Values> {
    let mut values = Values::with_capacity(tokens.len());
    let mut positionals =
        flags.iter().flat_map(|list| list.iter()).filter(|flag| flag.is_positional());
    let mut tokens = tokens.iter();
    while let Some(token) = tokens.next() {
        if token.is_empty() {
            return None;
        }
        if !is_flag(token) {
            values.push((positionals.next()?.name, token.clone()));
            continue;
        }
        let (flag, value) = flag_of(flags, token.as_bytes())?;
        let value = match (flag.takes, value) {
            (_, Some(value)) => value.to_owned(),
            (Takes::Value | Takes::Values, None) => tokens.next()?.clone(),
            _ => "true".into(),
        };
        // What begins with a dash may be a value or a flag, and nothing may be a value or a mistake.
        if value.is_empty() || is_flag(&value) {
            return None;
        }
        values.push((flag.name, value));
    }
    positionals.all(|missing| missing.takes == Takes::Optional).then_some(values)
}

/// `--name`, `--name=value` or `-n`.
fn flag_of(flags: Flags, token: &[u8]) -> Option<(&'static Flag, Option<&OsStr>)> {
    let Some(body) = token.strip_prefix(b"--") else {
        return match token {
            [b'-', letter] => Some((by_letter(flags, *letter)?, None)),
            _ => None,
        };
    };
    let mut parts = body.splitn(2, |&byte| byte == b'=');
    let flag = by_name(flags, parts.next()?)?;
    Some((flag, parts.next().map(OsStr::from_bytes)))
}

#[cfg(test)]
mod tests {
    use super::super::flags::{GLOBALS, Verb};
    use super::super::taken::by_clap;
    use super::*;

    fn tokens(line: &str) -> Vec<OsString> {
        line.split_ascii_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn what_is_taken_here_clap_takes_the_same_way() {
        let words = [
            "web",
            "x=y",
            "-b",
            "--bundle",
            "--bundle=",
            "--bundle=/b",
            "-d",
            "--detach=false",
            "--",
            "-",
            "-td",
            "--keep",
            "-e",
            "--env=a=b",
            "--cap",
            "-9",
            "--signal",
            "--all",
            "--help",
            "-fq",
            "--rootless",
            "--force",
            "-r",
            "--resources=-",
            "--memory",
            "--memory=-1",
            "--stats",
        ];
        let mut taken = 0;
        for verb in Verb::ALL {
            for first in words {
                for second in words {
                    for third in ["web", "-b", "-d", "--keep"] {
                        let line = tokens(&format!("{first} {second} {third}"));
                        let Some(values) = take(verb.flags(), &line) else { continue };
                        taken += 1;
                        let clap = by_clap(verb.flags(), verb.command(), line.clone());
                        let mut clap = clap.ok().flatten().unwrap_or_default();
                        let mut values = last_of_each(verb.flags(), values);
                        values.sort();
                        clap.sort();
                        assert_eq!(values, clap, "{verb:?} {line:?}");
                    }
                }
            }
        }
        assert!(taken > 50, "{taken} lines were compared");
    }

    /// Of a flag that takes one value, clap has kept the last.
    fn last_of_each(flags: Flags, values: Values) -> Values {
        let keeps_all = |name: &str| {
            by_name(flags, name.as_bytes()).is_some_and(|flag| flag.takes == Takes::Values)
        };
        let later = |index: usize, name| values[index + 1..].iter().any(|(other, _)| other == name);
        let kept = values.iter().enumerate();
        kept.filter(|(index, (name, _))| keeps_all(name) || !later(*index, name))
            .map(|(_, value)| value.clone())
            .collect()
    }

    #[test]
    fn the_lines_of_engines_need_no_clap() {
        assert!(
            take(GLOBALS, &tokens("--root /r --log /l --log-format json --systemd-cgroup"))
                .is_some()
        );
        for (verb, line) in [
            (Verb::Create, "--bundle /b --pid-file /p --no-pivot --preserve-fds 3 web"),
            (Verb::Run, "-b /b -d web"),
            (Verb::Exec, "--process /p --detach --pid-file /f web"),
            (Verb::Delete, "--force web"),
            (Verb::Kill, "--all web KILL"),
            (Verb::Ps, "--format json web"),
            (Verb::Update, "--resources - web"),
            (Verb::Update, "--resources=/f web"),
            (Verb::Events, "--interval=5s web"),
        ] {
            assert!(take(verb.flags(), &tokens(line)).is_some(), "{line}");
        }
    }
}
