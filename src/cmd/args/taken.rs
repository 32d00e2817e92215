//! What was taken from a command line, turned into values; and clap's complaints turned into ours.
//!
//! What a newcomer would get wrong: clap's own errors are pages for a terminal. Callers log one line, so each becomes one
//! that names the flag, the value and the fix.

use super::direct::{self, Values};
use super::flags::Flags;
use crate::error::{Error, Kind, Result};
use crate::id::ContainerId;
use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

/// The values of one command.
pub(super) struct Taken {
    values: Values,
}

impl Taken {
    /// Takes `tokens` by `flags`, with the help of clap's `command` if need be; `None` when help is wanted.
    pub(super) fn parse(
        flags: Flags,
        command: impl FnOnce() -> Command,
        tokens: Vec<OsString>,
    ) -> Result<Option<Self>> {
        let values = match direct::take(flags, &tokens) {
            Some(values) => Some(values),
            None => by_clap(flags, command(), tokens)?,
        };
        Ok(values.map(|values| Self { values }))
    }

    /// The last one's.
    fn raw(&mut self, name: &str) -> Option<OsString> {
        let at = self.values.iter().rposition(|(other, _)| *other == name)?;
        Some(self.values.remove(at).1)
    }

    /// A switch: absent is off, bare is on, and Go's words for either.
    pub(super) fn on(&mut self, name: &str) -> Result<bool> {
        match self.raw(name) {
            None => Ok(false),
            Some(value) => match value.to_str() {
                Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
                Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
                Some(_) | None => Err(wrong(name, &value, "is neither true nor false")
                    .hint(format!("write --{name} or --{name}=false"))),
            },
        }
    }

    /// A path; an empty one is refused.
    pub(super) fn path(&mut self, name: &str) -> Result<Option<PathBuf>> {
        match self.raw(name) {
            Some(value) if value.is_empty() => Err(wrong(name, &value, "is empty")
                .hint(format!("name a path, or leave {} away", label(name)))),
            value => Ok(value.map(PathBuf::from)),
        }
    }

    /// A path that clap has seen to be there.
    pub(super) fn required_path(&mut self, name: &str) -> Result<PathBuf> {
        let missing = || Error::new(Kind::Internal, format!("clap let a missing {name} pass"));
        self.path(name)?.ok_or_else(missing)
    }

    /// Text, which must be UTF-8.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>> {
        self.raw(name).map(|value| utf8(name, value)).transpose()
    }

    /// Every value of a flag that may be repeated.
    pub(super) fn texts(&mut self, name: &str) -> Result<Vec<String>> {
        let values = self.values.iter().filter(|(other, _)| *other == name);
        values.map(|(_, value)| utf8(name, value.clone())).collect()
    }

    /// Text that `understand` turns into a value; on failure it says what is wrong with it.
    pub(super) fn parsed<T>(
        &mut self,
        name: &str,
        understand: impl FnOnce(&str) -> std::result::Result<T, &'static str>,
    ) -> Result<Option<T>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match understand(&text) {
            Ok(value) => Ok(Some(value)),
            Err(fix) => Err(wrong(name, &text, "is not understood").hint(fix)),
        }
    }

    /// A number.
    pub(super) fn number<T: FromStr>(&mut self, name: &str) -> Result<Option<T>> {
        self.parsed(name, |text| {
            decimal(text).ok_or("give a number of decimal digits in its range")
        })
    }

    /// The container's id, which was required.
    pub(super) fn id(&mut self) -> Result<ContainerId> {
        match self.optional_id()? {
            Some(id) => Ok(id),
            None => Err(Error::new(Kind::Internal, "clap let a missing id pass")),
        }
    }

    /// The container's id, where it may be left away.
    pub(super) fn optional_id(&mut self) -> Result<Option<ContainerId>> {
        let Some(text) = self.text("ID")? else { return Ok(None) };
        if text.starts_with('-') {
            let problem = format!("invalid container id {text:?}");
            return Err(Error::new(Kind::Usage, problem)
                .hint("begin it with a letter or a digit: everything else takes it for a flag"));
        }
        ContainerId::new(&text).map(Some)
    }
}

/// What clap takes; `None` when help is wanted.
pub(super) fn by_clap(
    flags: Flags,
    command: Command,
    tokens: Vec<OsString>,
) -> Result<Option<Values>> {
    let name = command.get_bin_name().unwrap_or("rrun").to_owned();
    let mut matches = match command.no_binary_name(true).try_get_matches_from(tokens) {
        Ok(matches) => matches,
        Err(error) if error.kind() == ErrorKind::DisplayHelp => return Ok(None),
        Err(error) => return Err(in_our_words(&error, &name)),
    };
    let mut taken = Values::new();
    for flag in flags.iter().flat_map(|list| list.iter()) {
        let values = matches.remove_many::<OsString>(flag.name).into_iter().flatten();
        taken.extend(values.map(|value| (flag.name, value)));
    }
    Ok(Some(taken))
}

/// Digits only: Rust's own parser would let `+1` pass.
pub(super) fn decimal<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The complaint about one value of one flag.
pub(super) fn wrong(name: &str, value: impl std::fmt::Debug, problem: &str) -> Error {
    Error::new(Kind::Usage, format!("{}: {value:?} {problem}", label(name)))
}

/// Positionals are named in capitals.
fn label(name: &str) -> String {
    if name.starts_with(|c: char| c.is_ascii_uppercase()) {
        name.into()
    } else {
        format!("--{name}")
    }
}

fn utf8(name: &str, value: OsString) -> Result<String> {
    value.into_string().map_err(|value| {
        wrong(name, &value, "is not UTF-8").hint("JSON, and so rrun, knows no other text")
    })
}

fn in_our_words(error: &clap::Error, command: &str) -> Error {
    let named = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        Some(_) | None => None,
    };
    let argument = named(ContextKind::InvalidArg).unwrap_or_default();
    let problem = match error.kind() {
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            format!("unknown flag {argument}")
        }
        ErrorKind::UnknownArgument => format!("unexpected argument {argument:?}"),
        ErrorKind::MissingRequiredArgument => format!("{argument} is missing"),
        ErrorKind::InvalidValue
            if named(ContextKind::InvalidValue).is_none_or(|v| v.is_empty()) =>
        {
            format!("{argument} needs a value")
        }
        ErrorKind::NoEquals => format!("{argument} needs its value behind an equals sign"),
        ErrorKind::TooManyValues => format!(
            "unexpected value {:?} for {argument}",
            named(ContextKind::InvalidValue).unwrap_or_default()
        ),
        _ => error
            .to_string()
            .lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches("error: ")
            .into(),
    };
    let error = Error::new(Kind::Usage, problem);
    match named(ContextKind::SuggestedArg) {
        _ if command != "rrun" && is_global(&argument) => {
            error.hint(format!("{argument} stands before the command"))
        }
        Some(suggestion) => error.hint(format!("did you mean {suggestion}?")),
        None => error.hint(format!("\"{command} --help\" shows what it takes")),
    }
}

fn is_global(flag: &str) -> bool {
    let long = flag.strip_prefix("--").unwrap_or_default();
    super::spelling::by_name(super::flags::GLOBALS, long.as_bytes()).is_some()
}
