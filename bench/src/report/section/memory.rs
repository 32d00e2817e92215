//! What an instance that waits keeps in memory, and how many fit.

use super::{Section, by_subject, definitions, measured, notes, plots};
use crate::report::facts::{Facts, is_vm};
use crate::report::html::{Html, plain};
use crate::report::number;
use crate::report::svg::{Bar, Part, bars};
use crate::result::{Lane, Metric, Row};

/// Bars of the charge, split where the parts are known, then how many fit.
pub fn section(facts: &Facts) -> Section {
    let cases = facts.cases(Metric::M4, Lane::W);
    let density = facts.cases(Metric::M5, Lane::W);
    let mut body = plots([plot(facts)]).then(by_subject(facts, Metric::M4, Lane::W, &cases));
    body = body.then(definitions(facts, Metric::M4, Lane::W, &cases));
    let table = by_subject(facts, Metric::M5, Lane::W, &density);
    if !table.is_none() {
        body = body
            .then(plain("h3", "How many fit"))
            .then(table)
            // A cap is no density: who reads the number has to read why it is not larger.
            .then(notes(facts, Metric::M5, Lane::W))
            .then(definitions(facts, Metric::M5, Lane::W, &density));
    }
    Section {
        id: "memory",
        title: "Memory per idle instance",
        lead: "What the kernel charges to an instance while its program waits, user and kernel memory together: to its \
            own cgroup, and what its start left charged to whoever called the runtime. The proportional share of mapped \
            pages (PSS) falls with every further instance, and is only beside it.",
        body,
    }
}

fn plot(facts: &Facts) -> Html {
    let rows = measured(facts, Metric::M4, Lane::W, "charge");
    if rows.is_empty() {
        return Html::none();
    }
    // Beside a machine every container is a line of no length; parts of a bar need an axis from zero.
    let (machines, others): (Vec<&Row>, Vec<&Row>) =
        rows.iter().copied().partition(|row| is_vm(&row.subject));
    let all: Vec<Bar> = others.iter().map(|row| bar(facts, row)).collect();
    let longest = others.iter().filter_map(|row| whole(facts, row)).fold(0.0, f64::max);
    let mut caption = "From solid to faint: user memory, the kernel's for the instance, and what its start left charged \
        to the caller, where they are told apart."
        .to_owned();
    for machine in machines {
        let Some(value) = whole(facts, machine).filter(|_| longest > 0.0) else { continue };
        caption.push_str(&format!(
            " Not drawn: {}, {}, a bar {} times as long as the longest here.",
            machine.subject,
            number::quantity(value, machine.unit),
            number::digits(value / longest)
        ));
    }
    bars("Charged to an idle instance.", &caption, "KiB", &all)
}

/// All that is charged for the instance of a row.
fn whole(facts: &Facts, row: &Row) -> Option<f64> {
    facts.memory(&row.subject).unwrap_or(row).value()
}

fn bar(facts: &Facts, row: &Row) -> Bar {
    let own = row.value().unwrap_or_default();
    let of = |case: &str| facts.row(Metric::M4, Lane::W, case, &row.subject).and_then(Row::value);
    let part = |name: &str, value| Part { name: name.to_owned(), value };
    let mut parts = match of("charge, kernel") {
        Some(kernel) if kernel <= own => vec![part("user", own - kernel), part("kernel", kernel)],
        _ => vec![part("all", own)],
    };
    let whole = whole(facts, row).unwrap_or(own);
    let rest = whole - own;
    if rest > 0.0 {
        parts.push(part("left with the caller", rest));
    }
    let words = number::quantity(whole, row.unit);
    Bar { subject: row.subject.clone(), parts, words }
}
