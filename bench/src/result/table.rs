//! Rows as a table for a terminal.
//!
//! It refuses a ratio without its interval. What a newcomer would get wrong: a ratio here is of rounds, so it may differ
//! from that of the two medians beside it.

use super::{Found, Row};
use crate::stats::quantile;
use std::fmt::Write;

/// The rows as text; each is divided by the one that `base` finds for it.
#[must_use]
pub fn table<'a>(rows: &'a [Row], base: impl Fn(&Row) -> Option<&'a Row>) -> String {
    let heads = ["", "min", "p10", "p50", "p90", "cpu"];
    let mut text = format!("{:<44}", heads[0]);
    for head in &heads[1..] {
        push(&mut text, format_args!("{head:>9}"));
    }
    push(&mut text, format_args!("   {:<24}\n", "ratio [95 %]"));
    for row in rows {
        push(
            &mut text,
            format_args!("{:<44}", format!("{} {}", crate::rounds::name(row), unit(row))),
        );
        push(&mut text, format_args!("{}\n", cells(row, base(row))));
    }
    text
}

/// The same case's row of `subject`.
#[must_use]
pub fn beside<'a>(rows: &'a [Row], row: &Row, subject: &str) -> Option<&'a Row> {
    let same = |other: &&Row| (other.metric, &other.case) == (row.metric, &row.case);
    rows.iter().filter(same).find(|other| other.subject == subject)
}

fn unit(row: &Row) -> String {
    format!("[{}]", row.unit.symbol())
}

fn cells(row: &Row, base: Option<&Row>) -> String {
    let samples = match &row.found {
        Found::Samples(samples) => samples,
        Found::Exact(value) => return format!("{value:>9.2}"),
        Found::Text(words) | Found::DidNotFinish(words) | Found::Missing(words) => {
            return format!("  {words}");
        }
    };
    let mut text = String::new();
    for part in [0.0, 0.1, 0.5, 0.9] {
        push(&mut text, format_args!("{:>9.2}", quantile(samples, part).unwrap_or(f64::NAN)));
    }
    let cpu = row.beside.get("cpu_ms").and_then(|cpu| quantile(cpu, 0.5));
    push(&mut text, format_args!("{:>9}", cpu.map_or_else(String::new, |cpu| format!("{cpu:.2}"))));
    if let Some(ratio) = base.and_then(|base| row.ratio(base)) {
        let interval = format!("{:.2} [{:.2}, {:.2}]", ratio.value, ratio.low, ratio.high);
        push(&mut text, format_args!("   {interval}"));
    }
    text
}

/// Writing to a String does not fail.
fn push(text: &mut String, what: std::fmt::Arguments<'_>) {
    let _written = text.write_fmt(what);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::{Metric, Unit};

    fn row(subject: &str, samples: &[f64]) -> Row {
        let row = Row::new(Metric::M1, "run", subject, Unit::Milliseconds, "of a test");
        row.group("g").samples(samples.to_vec())
    }

    #[test]
    fn ratios_compare_what_ran_in_the_same_round_and_say_how_sure_they_are() {
        let rows = [row("base", &[1.0, 10.0, 2.0]), row("twice", &[2.0, 20.0, 4.0])];
        let text = table(&rows, |row| beside(&rows, row, "base"));
        assert!(text.contains("2.00 [2.00, 2.00]"), "{text}");
    }

    #[test]
    fn one_who_hung_says_so_instead_of_a_number() {
        let rows = [row("youki", &[]).did_not_finish("given up: not done after 10 s")];
        assert!(table(&rows, |_| None).contains("youki [ms]"));
        assert!(table(&rows, |_| None).contains("given up: not done after 10 s"));
    }
}
