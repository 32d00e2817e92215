//! Cold starts.

use super::{Section, measured, plots};
use crate::report::facts::{Facts, is_vm};
use crate::report::html::{Html, plain, table};
use crate::report::number;
use crate::report::svg::{Curve, Strip, ecdf, strips};
use crate::result::{Found, Lane, Metric, Row};
use crate::stats::{ENOUGH_FOR_P95, Summary};

/// Everyone's start, as curves, as samples, as a table.
pub fn section(facts: &Facts) -> Section {
    let body = facts.cases(Metric::M1, Lane::W).into_iter().map(|case| of(facts, case)).collect();
    Section {
        id: "start",
        title: "Cold start",
        lead: "From before the birth of the runtime's (or QEMU's) process to the first instruction of the same static \
            program. Everyone has one turn per round, in shuffled order.",
        body,
    }
}

fn of(facts: &Facts, case: &str) -> Html {
    let rows = measured(facts, Metric::M1, Lane::W, case);
    if rows.is_empty() {
        return Html::none();
    }
    let drawn = || rows.iter().filter_map(|row| Some((*row, samples(row)?, row.summary.as_ref()?)));
    let strip = |(row, samples, summary): (&Row, &[f64], &Summary)| Strip {
        subject: row.subject.clone(),
        samples: samples.to_vec(),
        median: (summary.p50, summary.low, summary.high),
        words: number::quantity(summary.p50, row.unit),
    };
    let strips = strips(
        "Every start.",
        "Dots are samples; the upright line is the median, the line through it its 95 % interval.",
        "milliseconds, logarithmic",
        &drawn().map(strip).collect::<Vec<_>>(),
    );
    // A curve of five samples is a staircase of an accident.
    let enough = drawn().filter(|(_, samples, _)| samples.len() >= 10);
    let curves = enough
        .map(|(row, samples, _)| Curve { subject: row.subject.clone(), samples: samples.to_vec() });
    let curves: Vec<Curve> = curves.collect();
    let ecdf = if curves.is_empty() {
        Html::none()
    } else {
        ecdf(
            "How many had started by then.",
            "Further left is faster; steeper is steadier. Subjects with fewer than ten samples are left out.",
            "milliseconds, logarithmic",
            &curves,
        )
    };
    plain("h3", case.to_owned()).then(plots([strips, ecdf])).then(lines(facts, case, &rows))
}

fn samples(row: &Row) -> Option<&[f64]> {
    match &row.found {
        Found::Samples(samples) => Some(samples),
        Found::Exact(_) | Found::Text(_) | Found::DidNotFinish(_) | Found::Missing(_) => None,
    }
}

fn lines(facts: &Facts, case: &str, rows: &[&Row]) -> Html {
    let base =
        |subject: &str| facts.row(Metric::M1, case, subject).filter(|row| row.value().is_some());
    let (floor, rrun, machine) = (base("floor"), base("rrun"), base("vm microvm"));
    let ratio = |row: &Row, base: Option<&Row>| {
        let Some(base) = base else { return "–".to_owned() };
        if !facts.may_divide(row, base) {
            return "withheld: emulated".to_owned();
        }
        facts.ratio(row, base).map_or_else(|| "–".to_owned(), |ratio| number::ratio(&ratio))
    };
    let line = |row: &&Row| -> Vec<Html> {
        let Some(summary) = &row.summary else { return vec![row.subject.clone().into()] };
        let shown = |value: f64| number::quantity(value, row.unit);
        let p95 = summary.p95.map_or_else(|| too_small(summary.n), shown);
        let quartiles = summary.quartiles.map(shown).join(" – ");
        [
            row.subject.clone(),
            summary.n.to_string(),
            shown(summary.min),
            number::of_summary(summary, row.unit),
            quartiles,
            p95,
            ratio(row, floor),
            ratio(row, rrun),
            if is_vm(&row.subject) { "–".to_owned() } else { ratio(row, machine) },
        ]
        .map(Html::from)
        .into()
    };
    let heads =
        ["", "n", "min", "median [95 %]", "quartiles", "p95", "÷ floor", "÷ rrun", "÷ vm microvm"];
    table(&heads, rows.iter().map(line).collect())
}

fn too_small(n: usize) -> String {
    format!("n too small ({n} of {ENOUGH_FOR_P95})")
}
