//! What a neighbour can do, what limits do about it, and how exact they are.
//!
//! What a newcomer would get wrong: cases are sentences of several parts, "cpu hog | limits | cpu", and not all of them are
//! slowdowns: "containment | …" counts whether the host went on.

use super::{Section, by_subject, definitions};
use crate::report::facts::{Facts, order};
use crate::report::html::{Html, class, folded, plain, table};
use crate::report::number;
use crate::report::svg::{Cell, Tone, heat};
use crate::result::{Found, Lane, Metric, Row, Unit};

/// By the clock, then counted, then whether the host went on, then the limits themselves.
pub fn section(facts: &Facts) -> Section {
    let parts = [
        (
            "By the clock",
            "Times as long as alone. DNF: it did not finish within ten times as long.",
            by_clock(facts),
        ),
        (
            "In instructions, on one processor",
            "Times as long as alone, beside what the scheduler's rules lead one to expect.",
            by_instructions(facts),
        ),
        ("Containment", "Whether the host goes on, and who pays for the greed.", contained(facts)),
        (
            "How exact limits are",
            "0 % is exact. Above it more is let through than the limit says; below, less is given, as a busy host does \
             too.",
            exact(facts),
        ),
    ];
    let part = |(title, about, body): (&'static str, &'static str, Html)| {
        if body.is_none() {
            return body;
        }
        plain("h3", title).then(class("p", "soft", about)).then(body)
    };
    Section {
        id: "noisy",
        title: "Noisy neighbours",
        lead: "How many times longer a victim takes while an aggressor runs, by how both are confined. A cgroup for each \
            container already shares the processors by container instead of by task; limits give the bound.",
        body: parts.into_iter().map(part).collect(),
    }
}

/// Aggressor, configuration and victim of a slowdown by the clock: "cpu hog | limits | cpu".
fn slowdown(row: &Row) -> Option<[&str; 3]> {
    let mut words = row.case.split(" | ");
    let words = [words.next()?, words.next()?, words.next()?];
    (row.unit == Unit::Ratio && words[0] != CONTAINMENT).then_some(words)
}

const CONTAINMENT: &str = "containment";

/// "rrun, limits": who stands between the two, and how.
fn column(row: &Row, configuration: &str) -> String {
    match configuration.strip_prefix("container, ").unwrap_or(configuration) {
        alone if alone == row.subject || row.subject == "vm" => alone.to_owned(),
        how => format!("{}, {how}", row.subject),
    }
}

fn by_clock(facts: &Facts) -> Html {
    let rows: Vec<(&Row, [&str; 3])> =
        facts.of(Metric::M12, Lane::W).filter_map(|row| Some((row, slowdown(row)?))).collect();
    let (mut lines, mut columns): (Vec<[&str; 2]>, Vec<(&Row, String)>) = (Vec::new(), Vec::new());
    for (row, [aggressor, configuration, victim]) in &rows {
        if !lines.contains(&[aggressor, victim]) {
            lines.push([aggressor, victim]);
        }
        let name = column(row, configuration);
        if !columns.iter().any(|(_, known)| *known == name) {
            columns.push((row, name));
        }
    }
    if rows.is_empty() {
        return Html::none();
    }
    // Stable: within one subject configurations stay in the order of measurement.
    columns.sort_by_key(|(row, _)| order(&row.subject).0);
    let cell = |line: &[&str; 2], name: &str| {
        let found = rows.iter().find(|(row, [aggressor, configuration, victim])| {
            [*aggressor, *victim] == *line && column(row, configuration) == name
        });
        found.map_or_else(
            || Cell { tone: Tone::Unknown, words: "–".to_owned(), about: String::new() },
            |(row, _)| shown(row),
        )
    };
    let line = |line: &[&str; 2]| {
        let cells = columns.iter().map(|(_, name)| cell(line, name)).collect();
        (format!("{} → {}", line[0], line[1]), cells)
    };
    let names: Vec<&str> = columns.iter().map(|(_, name)| name.as_str()).collect();
    heat("aggressor → victim", &names, lines.iter().map(line).collect())
}

/// Everyone's neighbours in lane I: each has a configuration of its own.
fn by_instructions(facts: &Facts) -> Html {
    let ratios = || facts.of(Metric::M12, Lane::I).filter(|row| row.unit == Unit::Ratio);
    if ratios().next().is_none() {
        return Html::none();
    }
    let line = |row: &Row| {
        let (aggressor, how) = row.case.split_once(" | ").unwrap_or((row.case.as_str(), ""));
        let how = match (how, row.subject.as_str()) {
            ("", "bare") => "tasks without a cgroup".to_owned(),
            ("", subject) => format!("a container of {subject}"),
            (how, subject) => format!("{subject}, {how}"),
        };
        let theory = row.notes.iter().find_map(|note| note.strip_prefix("theory: "));
        let expected = Cell {
            tone: Tone::Unknown,
            words: theory.and_then(|theory| theory.split([',', ' ']).next()).unwrap_or("–").into(),
            about: theory.unwrap_or_default().to_owned(),
        };
        (format!("{aggressor}: {how}"), vec![shown(row), expected])
    };
    let map = heat("neighbour", &["measured", "expected"], ratios().map(line).collect());
    let mut others: Vec<&str> = Vec::new();
    for row in facts.of(Metric::M12, Lane::I).filter(|row| row.unit != Unit::Ratio) {
        if !others.contains(&row.case.as_str()) {
            others.push(&row.case);
        }
    }
    let lines = others.into_iter().filter_map(|case| {
        let row = facts.of(Metric::M12, Lane::I).find(|row| row.case == case)?;
        Some(vec![case.into(), number::of_row(row).into(), row.interval.clone().into()])
    });
    let counted = table(&["what", "found", "definition"], lines.collect());
    map.then(folded("What the kernel counted meanwhile", class("div", "rows", counted)))
}

fn contained(facts: &Facts) -> Html {
    let line = |row: &Row| -> Option<Vec<Html>> {
        let words: Vec<&str> = row.case.split(" | ").collect();
        let [CONTAINMENT, aggressor, configuration, what] = words[..] else { return None };
        let how = column(row, configuration);
        Some(
            [aggressor.to_owned(), how, what.to_owned(), number::of_row(row)]
                .map(Html::from)
                .into(),
        )
    };
    let lines: Vec<Vec<Html>> = facts.of(Metric::M12, Lane::W).filter_map(line).collect();
    if lines.is_empty() {
        return Html::none();
    }
    table(&["beside a", "confined by", "what", "found"], lines)
}

/// The cases of M6 that no bare process has.
fn exact(facts: &Facts) -> Html {
    let mut cases = facts.cases(Metric::M6, Lane::W);
    cases.retain(|case| facts.row(Metric::M6, Lane::W, case, "bare").is_none());
    let table = by_subject(facts, Metric::M6, Lane::W, &cases);
    table.then(definitions(facts, Metric::M6, Lane::W, &cases))
}

fn shown(row: &Row) -> Cell {
    let about = [number::of_row(row)].into_iter().chain(row.notes.iter().cloned());
    let about = about.collect::<Vec<_>>().join(". ");
    match &row.found {
        Found::DidNotFinish(_) => Cell { tone: Tone::Dead, words: "DNF".to_owned(), about },
        Found::Missing(_) | Found::Text(_) => {
            Cell { tone: Tone::Unknown, words: "not measured".to_owned(), about }
        }
        Found::Samples(_) | Found::Exact(_) => {
            let value = row.value().unwrap_or(f64::NAN);
            Cell { tone: Tone::of(value), words: number::digits(value), about }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(case: &str, subject: &str, unit: Unit) -> Row {
        Row::new(Metric::M12, case, subject, unit, "with / alone").exact(2.0)
    }

    #[test]
    fn what_is_counted_is_no_slowdown() {
        let found = |case, unit| slowdown(&row(case, "rrun", unit)).is_some();
        assert!(found("hog | limits | cpu", Unit::Ratio));
        assert!(!found("containment | fork bomb | limits | host starts", Unit::Count));
        assert!(!found("host can still fork", Unit::Ratio));
    }

    #[test]
    fn a_column_is_who_and_how() {
        let name = |subject, how| column(&row("", subject, Unit::Ratio), how);
        assert_eq!(name("bare", "bare"), "bare");
        assert_eq!(name("rrun", "container, no limits"), "rrun, no limits");
        assert_eq!(name("runc", "limits"), "runc, limits");
        assert_eq!(name("vm", "two vms"), "two vms");
    }
}
