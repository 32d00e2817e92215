//! What an instance that waits keeps in memory, and how many fit.

use super::{Section, by_subject, measured, plots};
use crate::report::facts::Facts;
use crate::report::html::{Html, plain};
use crate::report::number;
use crate::report::svg::{Bar, Part, bars};
use crate::result::{Lane, Metric, Row};

/// Bars of the charge, split where the kernel's part is known.
pub fn section(facts: &Facts) -> Section {
    let cases = facts.cases(Metric::M4, Lane::W);
    let density = facts.cases(Metric::M5, Lane::W);
    let mut body = plots([plot(facts)]).then(by_subject(facts, Metric::M4, Lane::W, &cases));
    let table = by_subject(facts, Metric::M5, Lane::W, &density);
    if !table.is_none() {
        body = body.then(plain("h3", "How many fit")).then(table);
    }
    Section {
        id: "memory",
        title: "Memory per idle instance",
        lead: "What the kernel charges to the instance's own cgroup, user and kernel memory together, while its program \
            waits. The proportional share of mapped pages (PSS) beside it falls with every further instance.",
        body,
    }
}

fn plot(facts: &Facts) -> Html {
    let rows = measured(facts, Metric::M4, Lane::W, "charge");
    if rows.is_empty() {
        return Html::none();
    }
    let bar = |row: &&Row| {
        let all = row.value().unwrap_or_default();
        let kernel = facts.row(Metric::M4, "charge, kernel", &row.subject).and_then(Row::value);
        let parts = match kernel {
            Some(kernel) if kernel <= all => vec![
                Part { name: "user".to_owned(), value: all - kernel },
                Part { name: "kernel".to_owned(), value: kernel },
            ],
            _ => vec![Part { name: "all".to_owned(), value: all }],
        };
        Bar { subject: row.subject.clone(), parts, words: number::quantity(all, row.unit) }
    };
    let caption =
        "The darker part is user memory, the lighter the kernel's, where they are told apart.";
    bars("Charged to an idle instance.", caption, "KiB", &rows.iter().map(bar).collect::<Vec<_>>())
}
