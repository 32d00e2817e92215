//! Many starts at once, and one after the other without a pause.

use super::{Section, by_subject, measured, plots};
use crate::report::facts::{Facts, is_variant, order};
use crate::report::html::{Html, folded, plain};
use crate::report::number;
use crate::report::svg::{Bar, Line, Part, bars, lines};
use crate::result::{Lane, Metric, Row};

const LATENCY: &str = "Latency of each start";

/// Latency against parallelism, and throughput.
pub fn section(facts: &Facts) -> Section {
    let cases = facts.cases(Metric::M3, Lane::W);
    let latency: Vec<&str> =
        cases.iter().copied().filter(|case| instances(case).is_some()).collect();
    let others: Vec<&str> =
        cases.iter().copied().filter(|case| instances(case).is_none()).collect();
    let rates = facts.cases(Metric::M2, Lane::W);
    let mut body = plots([latencies(facts), throughput(facts, rates.last().copied())]);
    for (title, metric, cases) in [
        (LATENCY, Metric::M3, latency),
        ("Until the last had started", Metric::M3, others),
        ("Starts and ends per second", Metric::M2, rates),
    ] {
        let table = by_subject(facts, metric, Lane::W, &cases);
        // What the plot shows already is folded.
        let table = if title == LATENCY { folded("Figures", table) } else { table };
        if !table.is_none() {
            body = body.then(plain("h3", title)).then(table);
        }
    }
    Section {
        id: "parallel",
        title: "Starts in parallel",
        lead: "K containers are started at once; each one's time to its first instruction is a sample. A tail is given \
            only where there are samples enough to carry it.",
        body,
    }
}

/// Bars of the busiest case.
fn throughput(facts: &Facts, case: Option<&str>) -> Html {
    let Some(case) = case else { return Html::none() };
    let rows = measured(facts, Metric::M2, Lane::W, case);
    let bar = |row: &&Row| {
        let part = Part { name: number::of_row(row), value: row.value().unwrap_or_default() };
        Bar { subject: row.subject.clone(), parts: vec![part], words: number::of_row(row) }
    };
    if rows.is_empty() {
        return Html::none();
    }
    let caption = format!("One after the other in each worker, {case}; more is better.");
    let all: Vec<Bar> = rows.iter().map(bar).collect();
    bars("Starts and ends per second.", &caption, "per second", &all)
}

/// "k=16" is sixteen.
fn instances(case: &str) -> Option<f64> {
    case.strip_prefix("k=")?.parse().ok()
}

fn latencies(facts: &Facts) -> Html {
    let mut subjects: Vec<&str> = Vec::new();
    for row in facts.of(Metric::M3, Lane::W).filter(|row| instances(&row.case).is_some()) {
        if !subjects.contains(&row.subject.as_str()) && !is_variant(&row.subject) {
            subjects.push(&row.subject);
        }
    }
    subjects.sort_by_key(|subject| order(subject));
    let line = |subject: &str, kind, of: fn(&Row) -> Option<f64>| {
        let rows = facts.of(Metric::M3, Lane::W).filter(|row| row.subject == subject);
        let mut points: Vec<(f64, f64)> =
            rows.filter_map(|row| Some((instances(&row.case)?, of(row)?))).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Line { subject: subject.to_owned(), kind, points }
    };
    let p95 = |row: &Row| row.summary.as_ref().and_then(|summary| summary.p95);
    let p99 = |row: &Row| row.summary.as_ref().and_then(|summary| summary.p99);
    let all = subjects.iter().flat_map(|subject| {
        [
            line(subject, "", Row::value),
            line(subject, "dashed", p95),
            line(subject, "dashed p99", p99),
        ]
    });
    let all: Vec<Line> = all.filter(|line| line.points.len() > 1).collect();
    if all.is_empty() {
        return Html::none();
    }
    let caption = if all.iter().any(|line| !line.kind.is_empty()) {
        "Whole lines are medians; dashed ones the 95th and, above it, the 99th percentile."
    } else {
        "Lines are medians; no percentile has samples enough."
    };
    lines(
        "Latency against how many start at once.",
        caption,
        ("started at once", "milliseconds"),
        &all,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_number_of_instances_is_one() {
        assert_eq!(instances("k=16"), Some(16.0));
        assert_eq!(instances("k=16 makespan"), None);
    }
}
