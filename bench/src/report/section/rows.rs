//! Everything, row by row, with its definition: what a reader needs to repeat it or to doubt it.

use super::{Section, found};
use crate::report::facts::Facts;
use crate::report::html::{Html, element, plain, table};
use crate::report::number;
use crate::result::{Metric, Row};

/// A table for each metric, folded.
pub fn section(facts: &Facts) -> Section {
    let of = |metric: Metric| {
        let rows: Vec<&Row> = facts.results.of(metric).collect();
        if rows.is_empty() {
            return Html::none();
        }
        let summary = format!("{metric:?}: {} ({} rows)", metric.title(), rows.len());
        let heads = ["subject", "case", "lane", "found", "n", "quartiles", "interval and notes"];
        let lines = table(&heads, rows.into_iter().map(line).collect());
        element("details", &[("class", "every")], plain("summary", summary).then(lines))
    };
    Section {
        id: "rows",
        title: "Every row",
        lead: "Each number with its 95 % interval, how many samples it has, its spread, and from when to when it was \
            taken. The samples themselves are in isobench.json.",
        body: Metric::ALL.into_iter().map(of).collect(),
    }
}

fn line(row: &Row) -> Vec<Html> {
    let summary = row.summary.as_ref();
    let quartiles =
        summary.map_or_else(String::new, |summary| number::range(summary.quartiles, row.unit));
    let notes = row.notes.iter().map(|note| plain("div", plain("small", note.clone())));
    vec![
        row.subject.clone().into(),
        row.case.clone().into(),
        format!("{:?}", row.lane).into(),
        found(row),
        summary.map_or_else(String::new, |summary| summary.n.to_string()).into(),
        quartiles.into(),
        Html::from(row.interval.clone()).then(notes.collect::<Html>()),
    ]
}
