//! The page's parts, in the order in which they are read.

mod anchors;
mod claims;
mod engines;
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
use super::html::{Html, class, folded, plain, table};
use super::number;
use crate::result::{Found, Lane, Metric, Row};

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
        engines::section(facts),
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
    let row = |case: &str, subject: &str| facts.row(metric, lane, case, subject);
    // Who has no number at all is a sentence under the table, once, and no line of it.
    let reason = |subject: &str| {
        let mut rows = cases.iter().filter_map(|case| row(case, subject));
        let first = rows.next().and_then(missing)?;
        rows.all(|row| missing(row) == Some(first)).then_some(first)
    };
    let line = |subject: &&str| {
        let cell = |case: &&str| row(case, subject).map_or_else(Html::none, found);
        [Html::from(*subject)].into_iter().chain(cases.iter().map(cell)).collect()
    };
    let heads: Vec<&str> = [""].into_iter().chain(cases.iter().copied()).collect();
    let lines: Vec<Vec<Html>> =
        subjects.iter().filter(|subject| reason(subject).is_none()).map(line).collect();
    let mut absent: Vec<(&str, Vec<&str>)> = Vec::new();
    for (subject, why) in subjects.iter().filter_map(|subject| Some((subject, reason(subject)?))) {
        match absent.iter_mut().find(|(known, _)| *known == why) {
            Some((_, subjects)) => subjects.push(subject),
            None => absent.push((why, vec![subject])),
        }
    }
    let sentence = |(why, subjects): (&str, Vec<&str>)| {
        class("p", "soft", format!("Not measured: {}: {why}.", subjects.join("; ")))
    };
    let table = if lines.is_empty() { Html::none() } else { table(&heads, lines) };
    table.then(absent.into_iter().map(sentence).collect::<Html>())
}

/// What each case is, from when to when, behind a line.
fn definitions(facts: &Facts, metric: Metric, lane: Lane, cases: &[&str]) -> Html {
    let of = |case: &&str| {
        let row = facts.of(metric, lane).find(|row| row.case == *case)?;
        Some(plain("dt", *case).then(plain("dd", row.interval.clone())))
    };
    let all: Html = cases.iter().filter_map(of).collect();
    if all.is_none() { all } else { folded("What the columns are", plain("dl", all)) }
}

/// What a reader must know of the rows of a metric, each sentence once, with whom it is about.
fn notes(facts: &Facts, metric: Metric, lane: Lane) -> Html {
    let mut all: Vec<(&str, Vec<&str>)> = Vec::new();
    for row in facts.of(metric, lane) {
        for note in &row.notes {
            match all.iter_mut().find(|(known, _)| known == note) {
                Some((_, subjects)) if subjects.contains(&row.subject.as_str()) => {}
                Some((_, subjects)) => subjects.push(&row.subject),
                None => all.push((note, vec![&row.subject])),
            }
        }
    }
    let one = |(note, subjects): (&str, Vec<&str>)| {
        class("p", "soft", format!("{}: {note}.", subjects.join("; ")))
    };
    all.into_iter().map(one).collect()
}

/// Why a row has no number.
fn missing(row: &Row) -> Option<&str> {
    match &row.found {
        Found::Missing(why) => Some(why),
        Found::Samples(_) | Found::Exact(_) | Found::Text(_) | Found::DidNotFinish(_) => None,
    }
}

/// A cell: a number, or a reason, which may be long.
fn found(row: &Row) -> Html {
    let words = number::of_row(row);
    if row.value().is_some() { words.into() } else { class("div", "reason", words) }
}
