//! nginx, an API and PostgreSQL, as services are run.

use super::{Section, by_subject, definitions, measured, plots};
use crate::report::facts::Facts;
use crate::report::html::{Html, plain};
use crate::report::number;
use crate::report::svg::{Bar, Part, bars};
use crate::result::{Lane, Metric, Row};

/// What the cases are about, by a word in them; the last takes the rest.
const GROUPS: [(&str, &str); 5] = [
    ("replicas", "Replicas of the API behind one nginx"),
    ("memory", "Memory of each service"),
    ("1 client", "Under load, one client"),
    ("8 clients", "Under load, eight clients"),
    ("", "Start and restart"),
];

/// The order in which they are read.
const READ: [usize; 5] = [4, 2, 3, 0, 1];

/// A plot of the time to the first answer, and all cases.
pub fn section(facts: &Facts) -> Section {
    let cases = facts.cases(Metric::M14, Lane::W);
    let plot = cases.first().map_or_else(Html::none, |case| first(facts, case));
    let tables = READ.into_iter().map(|group| {
        let of_group: Vec<&str> =
            cases.iter().copied().filter(|case| place(case) == group).collect();
        let table = by_subject(facts, Metric::M14, Lane::W, &of_group);
        if table.is_none() { table } else { plain("h3", GROUPS[group].1).then(table) }
    });
    let definitions = definitions(facts, Metric::M14, Lane::W, &cases);
    let body = plots([plot]).then(tables.collect::<Html>()).then(definitions);
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

/// Which group a case is of.
fn place(case: &str) -> usize {
    GROUPS.iter().position(|(word, _)| case.contains(word)).unwrap_or(GROUPS.len() - 1)
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
    let title =
        if case == "ready" { "Until the first answer.".to_owned() } else { format!("{case}.") };
    bars(&title, &interval, unit.symbol(), &rows.iter().map(bar).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_read_once() {
        let name = |case| GROUPS[place(case)].1;
        assert_eq!(name("ready"), "Start and restart");
        assert_eq!(name("replicas=2, ready"), GROUPS[0].1);
        assert_eq!(name("latency of transfers, 8 clients"), GROUPS[3].1);
        let mut read = READ;
        read.sort_unstable();
        assert_eq!(read, [0, 1, 2, 3, 4]);
    }
}
