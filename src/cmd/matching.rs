//! Whom `kill` and `delete` mean: one container, or all whose ids match.
//!
//! What a newcomer would get wrong: the verb is done to each, whatever the one before answered; who names fifty
//! containers and finds one that refuses wants the other forty-nine.

use super::args::{Globals, Whom};
use crate::container::{Container, Store};
use crate::error::{Error, Kind, Result};
use rrun_sys::pattern::Pattern;
use std::ffi::CString;

/// The containers of `pattern`.
///
/// # Errors
/// [`Kind::Usage`] for what is no pattern; [`Kind::NotFound`] when none matches.
fn matching(store: &Store, pattern: &str) -> Result<Vec<Container>> {
    let wrong = || {
        Error::new(Kind::Usage, format!("--regex: {pattern:?} is no regular expression"))
            .hint("write a POSIX extended one, such as '^web-[0-9]+$'")
    };
    let compiled = CString::new(pattern).ok().and_then(|text| Pattern::new(&text).ok());
    let compiled = compiled.ok_or_else(wrong)?;
    let fits = |container: &Container| {
        CString::new(container.record.id.as_str()).is_ok_and(|id| compiled.matches(&id))
    };
    let found: Vec<_> = store.list()?.into_iter().filter(fits).collect();
    if found.is_empty() {
        return Err(Error::new(Kind::NotFound, format!("no container's id matches {pattern:?}"))
            .hint("\"rrun list -q\" shows which there are"));
    }
    Ok(found)
}

/// Does `verb` to each container of `pattern`.
///
/// # Errors
/// As [`matching`]; that of the one that failed, or all of them in one.
pub fn each(store: &Store, pattern: &str, verb: impl Fn(Container) -> Result<()>) -> Result<()> {
    let mut failures = Vec::new();
    for container in matching(store, pattern)? {
        let id = container.record.id.to_string();
        if let Err(error) = verb(container) {
            failures.push(error.context(id));
        }
    }
    let Some(first) = failures.first() else { return Ok(()) };
    if failures.len() == 1 {
        return Err(failures.remove(0));
    }
    let texts: Vec<_> = failures.iter().map(ToString::to_string).collect();
    Err(Error::new(first.kind(), format!("{} failed: {}", texts.len(), texts.join("; "))))
}

/// Does `one` to the container that is named, or `every` to each that matches.
///
/// # Errors
/// As [`each`].
pub fn to(
    globals: &Globals,
    whom: &Whom,
    one: impl FnOnce(&Store, &crate::id::ContainerId) -> Result<()>,
    every: impl Fn(Container) -> Result<()>,
) -> Result<u8> {
    let store = super::store(globals)?;
    match whom {
        Whom::One(id) => one(&store, id)?,
        Whom::Matching(pattern) => each(&store, pattern, every)?,
    }
    Ok(0)
}
