//! The article's claims, put so that they can be measured, with verdicts computed from rows.
//!
//! It refuses a verdict without its whole interval on one side: then the claim is open, and says so. What a newcomer
//! would get wrong: a claim that holds against a cold virtual machine may not hold against a restored one, and both are
//! the answer.

mod inside;
mod starting;

use super::facts::{Facts, Virtualization};
use super::number;
use crate::result::{Lane, Metric, Row};
use crate::stats::Estimate;
use std::fmt;

/// What the rows say of a claim; each with a clause that qualifies it, which may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All that was measured supports it.
    Holds(String),
    /// Some does.
    Partly(String),
    /// What was measured contradicts it.
    Fails(String),
    /// It was not measured, or not well enough.
    Open(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, clause) = match self {
            Self::Holds(clause) => ("Holds", clause),
            Self::Partly(clause) => ("Holds in part", clause),
            Self::Fails(clause) => ("Does not hold", clause),
            Self::Open(clause) => ("Open", clause),
        };
        if clause.is_empty() { write!(out, "{word}.") } else { write!(out, "{word}: {clause}.") }
    }
}

/// A claim and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// As the article has it, in a few words.
    pub claim: &'static str,
    /// What was measured for it.
    pub measured: &'static str,
    /// What the rows say.
    pub verdict: Verdict,
    /// The rows.
    pub evidence: Vec<String>,
}

/// All six, in the article's order.
#[must_use]
pub fn claims(facts: &Facts) -> Vec<Claim> {
    vec![
        starting::portable(facts),
        starting::fast(facts),
        starting::light(facts),
        inside::no_translation(facts),
        inside::isolation(facts),
        inside::managed(facts),
    ]
}

/// Where a ratio stands to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Above,
    Below,
    Unclear,
}

fn side(ratio: &Estimate) -> Side {
    match ratio {
        _ if ratio.low > 1.0 => Side::Above,
        _ if ratio.high < 1.0 => Side::Below,
        _ => Side::Unclear,
    }
}

/// How many times `above` is `below`, and a sentence of it, where the rows are there and may be divided.
fn compared(facts: &Facts, above: Option<&Row>, below: Option<&Row>) -> Option<(Estimate, String)> {
    let (above, below) = (above?, below?);
    let ratio = facts.ratio(above, below)?;
    let sentence = format!(
        "{}{}: {} {}, {} {}; {}",
        above.metric.title(),
        if above.case == "run" { String::new() } else { format!(", {}", above.case) },
        above.subject,
        number::of_row(above),
        below.subject,
        number::of_row(below),
        number::ratio(&ratio)
    );
    Some((ratio, sentence))
}

/// Rows of a metric with a number, of one subject.
fn of_subject<'a>(facts: &Facts<'a>, metric: Metric, lane: Lane, subject: &str) -> Vec<&'a Row> {
    let rows = facts.of(metric, lane);
    rows.filter(|row| row.subject == subject && row.value().is_some()).collect()
}

/// Why a ratio to a virtual machine's time is not there.
fn no_machine(facts: &Facts) -> &'static str {
    match facts.virtualization() {
        Virtualization::Hardware => "the virtual machine's rows are missing",
        Virtualization::Emulated => "no time of an emulated machine is compared",
        Virtualization::None => "no virtual machine was measured",
    }
}

#[cfg(test)]
mod tests;
