//! The page's parts, in the order in which they are read.

mod anchors;
mod claims;
mod header;
mod instructions;
mod limits;
mod memory;
mod micro;
mod noisy;
mod parallel;
mod reach;
mod rows;
mod services;
mod start;

pub use header::{header, headlines};
pub use limits::limits;

use super::facts::{Facts, order};
use super::html::{Html, class, table};
use super::number;
use crate::result::{Lane, Metric, Row};

/// A part of the page.
#[derive(Debug)]
pub struct Section {
    /// Its address in the page.
    pub id: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What it is about, for who reads nothing else.
    pub lead: &'static str,
    /// The rest.
    pub body: Html,
}

/// Those that have something to show.
#[must_use]
pub fn all(facts: &Facts) -> Vec<Section> {
    let parts = [
        claims::section(facts),
        start::section(facts),
        parallel::section(facts),
        instructions::section(facts),
        memory::section(facts),
        micro::section(facts),
        noisy::section(facts),
        reach::section(facts),
        services::section(facts),
        anchors::section(facts),
        limits::section(facts),
        rows::section(facts),
    ];
    parts.into_iter().filter(|section| !section.body.is_none()).collect()
}

/// Plots, side by side where there is room.
fn plots(all: impl IntoIterator<Item = Html>) -> Html {
    let all: Html = all.into_iter().collect();
    if all.is_none() { all } else { class("div", "plots", all) }
}

/// The measured rows of a case, in the page's order.
fn measured<'a>(facts: &Facts<'a>, metric: Metric, lane: Lane, case: &str) -> Vec<&'a Row> {
    let rows = facts.of(metric, lane).filter(|row| row.case == case && row.value().is_some());
    let mut rows: Vec<&Row> = rows.collect();
    rows.sort_by_key(|row| order(&row.subject));
    rows
}

/// A table of subjects by cases of one metric: a line for each subject, a column for each case.
fn by_subject(facts: &Facts, metric: Metric, lane: Lane, cases: &[&str]) -> Html {
    let mut subjects: Vec<&str> = Vec::new();
    for row in facts.of(metric, lane).filter(|row| cases.contains(&row.case.as_str())) {
        if !subjects.contains(&row.subject.as_str()) {
            subjects.push(&row.subject);
        }
    }
    if subjects.is_empty() {
        return Html::none();
    }
    subjects.sort_by_key(|subject| order(subject));
    let line = |subject: &str| {
        let cell = |case: &&str| {
            facts
                .row(metric, lane, case, subject)
                .map_or_else(Html::none, |row| number::of_row(row).into())
        };
        [subject.to_owned().into()].into_iter().chain(cases.iter().map(cell)).collect()
    };
    let heads: Vec<&str> = [""].into_iter().chain(cases.iter().copied()).collect();
    table(&heads, subjects.into_iter().map(line).collect())
}
