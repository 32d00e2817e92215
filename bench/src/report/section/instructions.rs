//! Lane I: the same starts, counted in instructions inside one emulated machine.

use super::{Section, by_subject, measured, plots};
use crate::report::facts::Facts;
use crate::report::html::{Html, class, folded};
use crate::report::number;
use crate::report::svg::{Bar, Part, bars};
use crate::result::{Found, Lane, Metric, Row};

/// Bars, and what share of a boot each is.
pub fn section(facts: &Facts) -> Section {
    // What is no number says which machine counted.
    let facts_of_it = facts.of(Metric::M1i, Lane::I).filter_map(|row| match &row.found {
        Found::Text(words) => Some(class("p", "soft", format!("{}: {words}.", row.case))),
        Found::Samples(_) | Found::Exact(_) | Found::DidNotFinish(_) | Found::Missing(_) => None,
    });
    let mut cases = facts.cases(Metric::M1i, Lane::I);
    cases.retain(|case| {
        let mut rows = facts.of(Metric::M1i, Lane::I).filter(|row| row.case == *case);
        rows.any(|row| !matches!(row.found, Found::Text(_)))
    });
    let drawn = cases.iter().map(|case| plot(facts, case));
    let table = folded("Figures", by_subject(facts, Metric::M1i, Lane::I, &cases));
    let body = plots(drawn).then(table).then(facts_of_it.collect::<Html>());
    Section {
        id: "instructions",
        title: "Start, in instructions",
        lead: "One emulated machine, one kernel, and a clock that is the number of instructions executed: no noise, and \
            no hardware virtualization needed. It counts instructions, not time: there are no caches in it, and what \
            QEMU itself does before a guest's first instruction is not in it.",
        body,
    }
}

fn plot(facts: &Facts, case: &str) -> Html {
    let rows = measured(facts, Metric::M1i, Lane::I, case);
    let boot = rows.iter().find(|row| row.subject == "vm microvm").and_then(|row| row.value());
    let bar = |row: &&Row| {
        let value = row.value().unwrap_or_default();
        let share = boot.filter(|boot| *boot > value).map(|boot| value / boot * 100.0);
        let share = share
            .map_or_else(String::new, |share| format!(", {} % of a boot", number::digits(share)));
        Bar {
            subject: row.subject.clone(),
            parts: vec![Part { name: number::of_row(row), value: value / 1e6 }],
            words: format!("{}{share}", number::quantity(value, row.unit)),
        }
    };
    // One bar beside nothing is no comparison; its number is in the table.
    if rows.len() < 2 {
        return Html::none();
    }
    let caption = format!("{case}: to the program's first instruction.");
    bars(
        "Guest instructions.",
        &caption,
        "million instructions",
        &rows.iter().map(bar).collect::<Vec<_>>(),
    )
}
