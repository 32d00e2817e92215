//! What an instance that waits keeps in memory, and how many fit.

use super::{Section, by_subject, measured, plots};
use crate::report::facts::Facts;
use crate::report::html::{Html, plain};
use crate::report::number;
use crate::report::svg::{Bar, Part, bars};
use crate::result::{Lane, Metric, Row};

/// Bars of the charge, split where the parts are known, then how many fit.
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
    let bars_of_all: Vec<Bar> = rows.iter().map(|row| bar(facts, row)).collect();
    let caption = "From dark to light: user memory, the kernel's for the instance, and what its start left charged to the \
        caller, where they are told apart. On a logarithmic axis lengths are no shares.";
    bars("Charged to an idle instance.", caption, "KiB", &bars_of_all)
}

fn bar(facts: &Facts, row: &Row) -> Bar {
    let own = row.value().unwrap_or_default();
    let of = |case: &str| facts.row(Metric::M4, Lane::W, case, &row.subject).and_then(Row::value);
    let part = |name: &str, value| Part { name: name.to_owned(), value };
    let mut parts = match of("charge, kernel") {
        Some(kernel) if kernel <= own => vec![part("user", own - kernel), part("kernel", kernel)],
        _ => vec![part("all", own)],
    };
    let whole = facts.memory(&row.subject).unwrap_or(row);
    let rest = whole.value().unwrap_or_default() - own;
    if rest > 0.0 {
        parts.push(part("left with the caller", rest));
    }
    let words = number::quantity(whole.value().unwrap_or_default(), row.unit);
    Bar { subject: row.subject.clone(), parts, words }
}
