//! `rrun doctor`: what this host can't do, and what of a bundle it will refuse.
//!
//! It knows how to ask and to tell. It refuses to guess: a call is probed by calling it, a field by what reads, plans and
//! opens it at a start.
//! What a newcomer would get wrong: nothing may be left of a question. What can only be asked by doing it, to a cgroup or
//! a process of its own, is undone before the answer is printed.

mod bundle;
mod host;
mod look;

use super::args::{DoctorArgs, Globals};
use crate::error::Result;
use serde_json::{Value, json};
use std::fmt::Write;

/// How a check of the host ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    /// Something that containers can be had without.
    Note,
    /// No container, or none of this user, will start.
    Fails,
}

impl Verdict {
    const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Note => "note",
            Self::Fails => "fails",
        }
    }
}

/// A check of the host.
#[derive(Debug)]
struct Check {
    name: &'static str,
    verdict: Verdict,
    found: String,
    fix: Option<String>,
}

impl Check {
    fn good(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Good, found: found.into(), fix: None }
    }

    fn note(name: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Note, found: found.into(), fix: Some(fix.into()) }
    }

    fn fails(name: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Fails, found: found.into(), fix: Some(fix.into()) }
    }
}

/// A field of a bundle that will be refused.
#[derive(Debug)]
struct Refusal {
    /// Its JSON pointer; empty for the bundle as a whole.
    pointer: String,
    why: String,
    fix: Option<String>,
}

/// Judges; the exit code is 1 when something will fail.
///
/// # Errors
/// As [`super::print`].
pub fn run(globals: &Globals, args: &DoctorArgs) -> Result<u8> {
    let checks = host::checks();
    let wanted = args.bundle.is_some() || args.config.is_some();
    let refusals = wanted.then(|| bundle::refusals(globals, args));
    let fails = checks.iter().any(|check| check.verdict == Verdict::Fails)
        || refusals.as_ref().is_some_and(|refusals| !refusals.is_empty());
    let text = match args.json {
        true => format!("{:#}\n", as_json(&checks, refusals.as_deref(), !fails)),
        false => as_text(&checks, refusals.as_deref(), fails),
    };
    super::print(&text)?;
    Ok(u8::from(fails))
}

fn as_json(checks: &[Check], refusals: Option<&[Refusal]>, good: bool) -> Value {
    let check = |check: &Check| {
        let Check { name, verdict, found, fix } = check;
        json!({ "check": name, "verdict": verdict.name(), "found": found, "fix": fix })
    };
    let refusal = |refusal: &Refusal| {
        let Refusal { pointer, why, fix } = refusal;
        json!({ "pointer": pointer, "why": why, "fix": fix })
    };
    let host: Vec<_> = checks.iter().map(check).collect();
    match refusals {
        None => json!({ "good": good, "host": host }),
        Some(refusals) => {
            let refused: Vec<_> = refusals.iter().map(refusal).collect();
            json!({ "good": good, "host": host, "refused": refused })
        }
    }
}

fn as_text(checks: &[Check], refusals: Option<&[Refusal]>, fails: bool) -> String {
    let mut text = String::new();
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or_default();
    // Writing to a String cannot fail.
    let mut line = |words: std::fmt::Arguments<'_>| {
        text.write_fmt(words).unwrap_or_default();
        text.push('\n');
    };
    for Check { name, verdict, found, fix } in checks {
        line(format_args!("{:<6}{name:<width$}  {found}", verdict.name()));
        if let Some(fix) = fix {
            line(format_args!("      {:<width$}  fix: {fix}", ""));
        }
    }
    for Refusal { pointer, why, fix } in refusals.unwrap_or_default() {
        line(format_args!(
            "refused  {}: {why}",
            if pointer.is_empty() { "bundle" } else { pointer }
        ));
        if let Some(fix) = fix {
            line(format_args!("         fix: {fix}"));
        }
    }
    line(format_args!(
        "{}",
        match (fails, refusals) {
            (false, None) => "containers will start here",
            (false, Some(_)) => "the bundle will start here",
            (true, _) => "something will fail",
        }
    ));
    text
}
