//! nginx, an API and PostgreSQL, as services are run.

use super::{Section, by_subject, measured, plots};
use crate::report::facts::Facts;
use crate::report::html::{Html, plain};
use crate::report::number;
use crate::report::svg::{Bar, Part, bars};
use crate::result::{Lane, Metric, Row};

/// How many cases a table of subjects can have before it is turned over.
const COLUMNS: usize = 4;

/// A plot of the time to the first answer, and all cases.
pub fn section(facts: &Facts) -> Section {
    let cases = facts.cases(Metric::M14, Lane::W);
    let plot = cases.first().map_or_else(Html::none, |case| first(facts, case));
    let tables = cases.chunks(COLUMNS).map(|cases| by_subject(facts, Metric::M14, Lane::W, cases));
    let body = plots([plot]).then(tables.collect::<Html>());
    let note =
        plain("p", "Not a Kubernetes measurement: replicas stand behind one proxy on one host.");
    Section {
        id: "services",
        title: "Services",
        lead: "nginx in front of an API in front of PostgreSQL, each limited in processor, memory and processes. Where a \
            payload does real work, a runtime's start is a small part of it: these ratios are the ones that a user feels.",
        body: if cases.is_empty() { Html::none() } else { body.then(note) },
    }
}

fn first(facts: &Facts, case: &str) -> Html {
    let rows = measured(facts, Metric::M14, Lane::W, case);
    let Some(unit) = rows.first().map(|row| row.unit) else { return Html::none() };
    let bar = |row: &&Row| {
        let value = row.value().unwrap_or_default();
        let part = Part { name: number::of_row(row), value };
        Bar { subject: row.subject.clone(), parts: vec![part], words: number::of_row(row) }
    };
    let interval = rows.first().map_or_else(String::new, |row| row.interval.clone());
    bars(&format!("{case}."), &interval, unit.symbol(), &rows.iter().map(bar).collect::<Vec<_>>())
}
