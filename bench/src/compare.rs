//! Two results side by side, row by row, with a verdict where the samples carry one.
//!
//! It refuses to compare rows of different definitions, and machines as if they were one: it says what differs first.
//! What a newcomer would get wrong: two runs are never paired, so the interval is that of a ratio of two medians, drawn
//! anew; and a wide interval is "inconclusive", not "no change".

use crate::report::{digits, of_row, ratio_words};
use crate::result::{Found, Isobench, Row};
use crate::stats::Estimate;
use std::fmt::Write;

/// What became of a row from A to B.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The whole interval is on the better side of one.
    Better,
    /// The whole interval is on the worse side of one.
    Worse,
    /// A count that is the same, or an interval that lies within ±[`NARROW`] of one.
    Same,
    /// The interval has one in it and is wider than that.
    Inconclusive,
    /// A count that differs, or a fact that does: neither is better by itself.
    Differs,
}

/// An interval this close to one, in parts of one, is no change (Kata's rule for its checks).
pub const NARROW: f64 = 0.05;

/// A row of both.
#[derive(Debug)]
pub struct Pair<'a> {
    /// In A.
    pub before: &'a Row,
    /// In B.
    pub after: &'a Row,
    /// B / A, where both are numbers.
    pub ratio: Option<Estimate>,
    /// The verdict.
    pub change: Change,
}

/// Rows of both that have the same definition.
#[must_use]
pub fn pairs<'a>(before: &'a Isobench, after: &'a Isobench) -> Vec<Pair<'a>> {
    let of = |before: &'a Row| {
        let after = twin(after, before)?;
        // Two runs share a group's name, and no round.
        let unpaired = Row { group: None, ..after.clone() };
        let ratio = unpaired.ratio(before);
        let change = change(before, after, ratio.as_ref())?;
        Some(Pair { before, after, ratio, change })
    };
    before.rows.iter().filter_map(of).collect()
}

fn twin<'a>(results: &'a Isobench, row: &Row) -> Option<&'a Row> {
    let same = |other: &&Row| {
        (other.metric, other.lane, other.unit) == (row.metric, row.lane, row.unit)
            && (&other.case, &other.subject) == (&row.case, &row.subject)
            && other.interval == row.interval
    };
    results.rows.iter().find(same)
}

fn change(before: &Row, after: &Row, ratio: Option<&Estimate>) -> Option<Change> {
    match (&before.found, &after.found, ratio) {
        (Found::Missing(_), Found::Missing(_), _) => None,
        (Found::Samples(_), Found::Samples(_), Some(ratio)) => {
            let (better, worse) = if after.unit.more_is_better() {
                (ratio.low > 1.0, ratio.high < 1.0)
            } else {
                (ratio.high < 1.0, ratio.low > 1.0)
            };
            let near = ratio.low > 1.0 - NARROW && ratio.high < 1.0 + NARROW;
            Some(match (better, worse, near) {
                (true, ..) => Change::Better,
                (_, true, _) => Change::Worse,
                (.., true) => Change::Same,
                _ => Change::Inconclusive,
            })
        }
        (ours, theirs, _) => Some(if ours == theirs { Change::Same } else { Change::Differs }),
    }
}

/// What a person reads: what differs between the runs, then row by row, then the rows of only one.
#[must_use]
pub fn table(before: &Isobench, after: &Isobench) -> String {
    let mut text = conditions(before, after);
    let pairs = pairs(before, after);
    let width = pairs.iter().map(|pair| name(pair.before).chars().count()).max().unwrap_or(0);
    for pair in &pairs {
        let ratio = pair.ratio.as_ref().map_or_else(String::new, ratio_words);
        let verdict = match pair.change {
            Change::Better => "better",
            Change::Worse => "worse",
            Change::Same => "same",
            Change::Inconclusive => "inconclusive",
            Change::Differs => "differs",
        };
        let (a, b) = (short(pair.before), short(pair.after));
        let name = name(pair.before);
        line(&mut text, &format!("{name:<width$}  {a:>26}  {b:>26}  {ratio:<24}  {verdict}"));
    }
    let alone = |results: &Isobench, other: &Isobench| {
        results.rows.iter().filter(|row| twin(other, row).is_none()).map(name).collect::<Vec<_>>()
    };
    for (which, rows) in [("A", alone(before, after)), ("B", alone(after, before))] {
        for row in rows {
            line(&mut text, &format!("only in {which}: {row}"));
        }
    }
    let count = |change| pairs.iter().filter(|pair| pair.change == change).count();
    line(
        &mut text,
        &format!(
            "{} rows: {} better, {} worse, {} the same, {} inconclusive, {} differ",
            pairs.len(),
            count(Change::Better),
            count(Change::Worse),
            count(Change::Same),
            count(Change::Inconclusive),
            count(Change::Differs)
        ),
    );
    text
}

/// What was not the same in the two runs.
fn conditions(before: &Isobench, after: &Isobench) -> String {
    let mut text = String::new();
    let keys = before.run.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
    for key in keys.filter(|key| !["seconds", "date", "load at the end"].contains(key)) {
        let (a, b) = (&before.run[key], &after.run[key]);
        match (a.as_object(), b.as_object()) {
            (Some(a), Some(b)) => {
                for (name, value) in a.iter().filter(|(name, value)| b.get(*name) != Some(value)) {
                    let other =
                        b.get(name).map_or_else(|| "nothing".to_owned(), ToString::to_string);
                    line(&mut text, &format!("{key}, {name}: A {value}, B {other}"));
                }
            }
            _ if a != b => line(&mut text, &format!("{key}: A {a}, B {b}")),
            _ => {}
        }
    }
    text
}

fn name(row: &Row) -> String {
    let case = if row.case.is_empty() { String::new() } else { format!(" {}", row.case) };
    format!("{:?}{case}, {}", row.metric, row.subject)
}

/// The first line of what was found, no longer than its column.
fn short(row: &Row) -> String {
    let words = match &row.found {
        Found::Exact(value) => format!("{} {}", digits(*value), row.unit.symbol()),
        Found::Samples(_) | Found::Text(_) | Found::DidNotFinish(_) | Found::Missing(_) => {
            of_row(row)
        }
    };
    let words = words.trim();
    if words.chars().count() <= 26 {
        return words.to_owned();
    }
    words.chars().take(25).chain(['…']).collect()
}

fn line(text: &mut String, words: &str) {
    // Writing to a String does not fail.
    let _written = writeln!(text, "{words}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::{Metric, SCHEMA, Unit};
    use serde_json::json;

    fn results(unit: Unit, middle: f64, spread: f64, kernel: &str) -> Isobench {
        let samples = (0..40).map(|n| middle + spread * (f64::from(n % 9) - 4.0)).collect();
        let row =
            Row::new(Metric::M1, "run", "rrun", unit, "t0→t1").group("start").samples(samples);
        let run = json!({ "kernel": kernel });
        Isobench { schema: SCHEMA, run, rows: vec![row], problems: Vec::new() }
    }

    fn verdict(before: &Isobench, after: &Isobench) -> Option<Change> {
        pairs(before, after).first().map(|pair| pair.change)
    }

    #[test]
    fn a_verdict_needs_the_whole_interval_on_one_side() {
        let of = |middle, spread| results(Unit::Milliseconds, middle, spread, "6.1");
        assert_eq!(verdict(&of(10.0, 0.1), &of(12.0, 0.1)), Some(Change::Worse));
        assert_eq!(verdict(&of(12.0, 0.1), &of(10.0, 0.1)), Some(Change::Better));
        assert_eq!(verdict(&of(10.0, 0.01), &of(10.0, 0.01)), Some(Change::Same));
        assert_eq!(verdict(&of(10.0, 2.0), &of(10.1, 2.0)), Some(Change::Inconclusive));
    }

    #[test]
    fn more_of_a_rate_is_better() {
        let of = |middle| results(Unit::PerSecond, middle, 0.1, "6.1");
        assert_eq!(verdict(&of(10.0), &of(12.0)), Some(Change::Better));
    }

    #[test]
    fn a_count_is_the_same_or_differs() {
        let of = |count| {
            let row = Row::new(Metric::M13, "allowed", "rrun", Unit::Count, "of 463").exact(count);
            Isobench { schema: SCHEMA, run: json!({}), rows: vec![row], problems: Vec::new() }
        };
        assert_eq!(verdict(&of(312.0), &of(312.0)), Some(Change::Same));
        assert_eq!(verdict(&of(312.0), &of(313.0)), Some(Change::Differs));
    }

    #[test]
    fn other_definitions_are_not_compared_and_other_machines_are_named() {
        let before = results(Unit::Milliseconds, 10.0, 0.1, "6.1");
        let mut after = results(Unit::Milliseconds, 10.0, 0.1, "6.12");
        assert!(table(&before, &after).contains("kernel: A \"6.1\", B \"6.12\""));
        after.rows[0].interval = "t0→t3".to_owned();
        assert!(pairs(&before, &after).is_empty());
        let text = table(&before, &after);
        assert!(text.contains("only in A: M1 run, rrun") && text.contains("only in B"), "{text}");
    }
}
