//! What a validation program said, and whether the list of known gaps said so before.
//!
//! Knows as much of TAP as the programs write. Refuses to call a program passed that asserted nothing: several print a
//! plan of no tests, whatever happened.
//! What a newcomer would get wrong: `# SKIP` is no gap of the runtime; the program's configuration did not set that field.

use std::collections::BTreeMap;
use std::fmt;

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Exit code 0, at least one `ok` and no `not ok`.
    Passed,
    /// Exit code 0, and no assertion at all.
    Silent,
    /// The first reason it gave.
    Failed(String),
}

impl Verdict {
    /// Reads what was written, and how the program ended (no code: it was ended for taking too long).
    #[must_use]
    pub fn of(code: Option<i32>, stdout: &str, stderr: &str) -> Verdict {
        let first = |start: &str| stdout.lines().find(|line| line.starts_with(start));
        let last_words = || stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("");
        match (code, first("not ok"), first("ok")) {
            (None, ..) => Verdict::Failed("it takes too long".into()),
            (_, Some(line), _) => Verdict::Failed(line.to_owned()),
            (Some(0), None, Some(_)) => Verdict::Passed,
            (Some(0), None, None) => Verdict::Silent,
            (Some(code), ..) => Verdict::Failed(format!("exit code {code}: {}", last_words())),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Passed => f.write_str("passed"),
            Verdict::Silent => f.write_str("asserts nothing"),
            Verdict::Failed(why) => write!(f, "failed: {why}"),
        }
    }
}

/// A program that is known not to pass.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gap {
    /// Facts of the machine under which it does not (all must hold); none: never. `sometimes` is no fact: the program
    /// races with what it starts, and either outcome is expected.
    pub when: Vec<String>,
    /// Why.
    pub reason: String,
}

/// The known gaps by program: `[program]`, then `reason = "…"` and perhaps `when = "FACT FACT"`.
///
/// # Errors
/// The line that is none of these, or a program without a reason.
pub fn gaps(text: &str) -> Result<BTreeMap<String, Gap>, String> {
    let mut all = BTreeMap::<String, Gap>::new();
    let mut program = None::<String>;
    for (number, line) in text.lines().map(str::trim).enumerate() {
        let wrong = || format!("line {}: {line:?} is no line of known-gaps.toml", number + 1);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            if all.insert(name.to_owned(), Gap::default()).is_some() {
                return Err(format!("line {}: {name} is there twice", number + 1));
            }
            program = Some(name.to_owned());
            continue;
        }
        let (key, value) = line.split_once(" = ").ok_or_else(wrong)?;
        let value =
            value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or_else(wrong)?;
        let gap = program.as_ref().and_then(|name| all.get_mut(name)).ok_or_else(wrong)?;
        match key {
            "reason" => gap.reason = value.to_owned(),
            "when" => gap.when = value.split(' ').map(str::to_owned).collect(),
            _ => return Err(wrong()),
        }
    }
    match all.iter().find(|(_, gap)| gap.reason.is_empty()) {
        Some((name, _)) => Err(format!("{name} has no reason")),
        None => Ok(all),
    }
}

/// What of the verdicts was not expected, one line each; `facts` are those of this machine.
#[must_use]
pub fn unexpected(
    verdicts: &BTreeMap<String, Verdict>,
    gaps: &BTreeMap<String, Gap>,
    facts: &[&str],
) -> Vec<String> {
    let holds = |gap: &&Gap| gap.when.iter().all(|fact| facts.contains(&fact.as_str()));
    let races = |name: &String| {
        gaps.get(name).is_some_and(|gap| gap.when.iter().any(|fact| fact == "sometimes"))
    };
    let told =
        verdicts.iter().filter(|(name, _)| !races(name)).filter_map(|(name, verdict)| {
            match (verdict, gaps.get(name).filter(holds)) {
                (Verdict::Passed, Some(gap)) => {
                    Some(format!("{name}: passes, but is listed as a gap: {}", gap.reason))
                }
                (Verdict::Passed, None) | (_, Some(_)) => None,
                (other, None) => Some(format!("{name}: {other}")),
            }
        });
    let gone = gaps.keys().filter(|name| !verdicts.contains_key(*name));
    told.chain(gone.map(|name| format!("{name}: is listed as a gap, and nothing of this name ran")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_asserts_nothing_has_not_passed() {
        assert_eq!(Verdict::of(Some(0), "TAP version 13\n1..0\n", ""), Verdict::Silent);
        assert_eq!(Verdict::of(Some(0), "ok 1 - a\n1..1\n", ""), Verdict::Passed);
    }

    #[test]
    fn the_first_failed_assertion_is_the_reason_and_without_one_the_last_words_are() {
        let said = "ok 1 - a\nnot ok 2 - b\nnot ok 3 - c\n";
        assert_eq!(Verdict::of(Some(0), said, "x"), Verdict::Failed("not ok 2 - b".into()));
        let failed = Verdict::of(Some(1), "TAP version 13\n", "one\ntwo\n\n");
        assert_eq!(failed, Verdict::Failed("exit code 1: two".into()));
        assert_eq!(Verdict::of(None, "ok 1\n", "").to_string(), "failed: it takes too long");
    }

    #[test]
    fn both_a_new_gap_and_a_closed_one_are_unexpected() {
        let known = "# why\n[race]\nwhen = \"sometimes\"\nreason = \"r\"\n[a]\nreason = \"r\"\n\n[b]\nwhen = \"v1 x\"\nreason = \"r\"\n[gone]\nreason = \"r\"";
        let known = gaps(known).expect("a list");
        let verdicts = [
            ("a", Verdict::Passed),
            ("b", Verdict::Silent),
            ("c", Verdict::Passed),
            ("race", Verdict::Silent),
        ];
        let verdicts = verdicts.map(|(name, verdict)| (name.to_owned(), verdict)).into();
        let lines = |facts: &[&str]| unexpected(&verdicts, &known, facts);
        let (a, gone) = (
            "a: passes, but is listed as a gap: r",
            "gone: is listed as a gap, and nothing of this name ran",
        );
        assert_eq!(lines(&["v1", "x"]), [a, gone]);
        assert_eq!(lines(&["v1"]), [a, "b: asserts nothing", gone]);
    }

    #[test]
    fn a_gap_needs_a_reason_and_a_line_a_meaning() {
        assert_eq!(gaps("[a]"), Err("a has no reason".into()));
        assert!(gaps("reason = \"x\"").is_err() && gaps("[a]\nwhy = \"x\"").is_err());
        assert!(gaps("[a]\nreason = \"x\"\n[a]\nreason = \"x\"").is_err());
    }
}
