//! What a process inside could touch: counted on running instances, not read from a configuration.

use super::{Section, plots};
use crate::report::facts::{Facts, order};
use crate::report::html::{Html, class, element, plain, table};
use crate::report::number;
use crate::report::svg::{Fate, grid};
use crate::result::{Found, Lane, Metric};
use syscalls::x86_64::Sysno;

/// A grid for each filter, and the table.
pub fn section(facts: &Facts) -> Section {
    let filters = filters(facts);
    let grids: Vec<Html> =
        filters.iter().map(|(subjects, letters)| filter(subjects, letters)).collect();
    let fates: Vec<Fate> =
        filters.iter().flat_map(|(_, letters)| letters.chars().map(fate)).collect();
    let key = if grids.is_empty() { Html::none() } else { key(&fates) };
    Section {
        id: "reach",
        title: "Reach",
        lead: "What a process inside could touch if it were hostile. A container shares the host's kernel: its limits \
            are which calls, devices and files it reaches. A virtual machine reaches its own kernel, and the host only \
            through QEMU.",
        body: plots(grids).then(key).then(lines(facts)),
    }
}

/// Who has which filter: those that have the same are one, and those that have none have nothing to draw.
fn filters<'a>(facts: &Facts<'a>) -> Vec<(Vec<&'a str>, &'a str)> {
    let mut rows: Vec<_> =
        facts.of(Metric::M13, Lane::R).filter(|row| row.case == "grid").collect();
    rows.sort_by_key(|row| order(&row.subject));
    let mut all: Vec<(Vec<&str>, &str)> = Vec::new();
    for row in rows {
        let Found::Text(letters) = &row.found else { continue };
        // A virtual machine's says in words that the question is not one for it.
        if letters.contains(' ') || letters.chars().all(|letter| letter == 'A') {
            continue;
        }
        match all.iter_mut().find(|(_, known)| known == letters) {
            Some((subjects, _)) => subjects.push(&row.subject),
            None => all.push((vec![&row.subject], letters)),
        }
    }
    all
}

/// What a letter of the reach's grid says.
const fn fate(letter: char) -> Fate {
    match letter {
        'A' => Fate::Allowed,
        'a' => Fate::Depends,
        'k' => Fate::Killed,
        _ => Fate::Denied,
    }
}

/// One letter for each system call, by number.
fn filter(subjects: &[&str], letters: &str) -> Html {
    let calls = letters.chars().enumerate().map(|(number, letter)| {
        let name = Sysno::new(number).map_or("unassigned", |call| call.name());
        (fate(letter), name.to_owned())
    });
    let calls: Vec<_> = calls.collect();
    let allowed = calls.iter().filter(|(fate, _)| *fate == Fate::Allowed).count();
    let caption = format!(
        "The system calls 0 to {}, a square each: {allowed} are allowed whatever their arguments are.",
        calls.len().saturating_sub(1)
    );
    grid(&format!("The filter of {}.", subjects.join(", ")), &caption, &calls)
}

fn key(fates: &[Fate]) -> Html {
    let all = [
        (Fate::Allowed, "allowed", "allowed"),
        (Fate::Depends, "depends", "allowed with some arguments"),
        (Fate::Denied, "denied", "fails with an error"),
        (Fate::Killed, "killed", "ends the process"),
    ];
    let one = |(_, kind, words): (Fate, &str, &'static str)| {
        plain("li", class("span", &format!("swatch square {kind}"), "").then(words))
    };
    let there = all.into_iter().filter(|(fate, ..)| fates.contains(fate));
    class("ul", "legend", there.map(one).collect::<Html>())
}

/// What a case is about, by how it begins; the rest is around the process.
const ABOUT: [(&str, &str); 4] = [
    ("system calls", "System calls and the filter before them"),
    ("filter", "System calls and the filter before them"),
    ("steps", "System calls and the filter before them"),
    ("QEMU", "What stands between a guest and the host"),
];

const AROUND: &str = "Around the process";

fn about(case: &str) -> &'static str {
    ABOUT.iter().find(|(start, _)| case.starts_with(start)).map_or(AROUND, |(_, about)| *about)
}

/// A table for each subject matter: a line for each question, a column for each who was asked.
fn lines(facts: &Facts) -> Html {
    let cases: Vec<&str> =
        facts.cases(Metric::M13, Lane::R).into_iter().filter(|case| *case != "grid").collect();
    let of = |title: &'static str| {
        let cases: Vec<&str> = cases.iter().copied().filter(|case| about(case) == title).collect();
        let table = questions(facts, &cases);
        if table.is_none() { table } else { plain("h3", title).then(table) }
    };
    [ABOUT[0].1, AROUND, ABOUT[3].1].map(of).into_iter().collect()
}

fn questions(facts: &Facts, cases: &[&str]) -> Html {
    let mut subjects: Vec<&str> = Vec::new();
    for row in facts.of(Metric::M13, Lane::R).filter(|row| cases.contains(&row.case.as_str())) {
        if !subjects.contains(&row.subject.as_str()) {
            subjects.push(&row.subject);
        }
    }
    if cases.is_empty() {
        return Html::none();
    }
    subjects.sort_by_key(|subject| order(subject));
    let line = |case: &&str| {
        let cell = |subject: &&str| match facts.row(Metric::M13, Lane::R, case, subject) {
            Some(row) => {
                let words = number::of_row(row);
                element("span", &[("title", &row.interval)], words)
            }
            None => "–".into(),
        };
        [Html::from(*case)].into_iter().chain(subjects.iter().map(cell)).collect()
    };
    let heads: Vec<&str> = [""].into_iter().chain(subjects.iter().copied()).collect();
    table(&heads, cases.iter().map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::{Isobench, Row, SCHEMA, Unit};

    #[test]
    fn equal_filters_are_drawn_once_and_absent_ones_not_at_all() {
        let row = |subject: &str, letters: &str| {
            Row::new(Metric::M13, "grid", subject, Unit::Count, "").lane(Lane::R).text(letters)
        };
        let rows = vec![
            row("bare", "AAAA"),
            row("runc", "AaeA"),
            row("rrun", "AaeA"),
            row("crun", "Aakk"),
            row("vm", "own kernel"),
        ];
        let run = serde_json::json!({});
        let results = Isobench { schema: SCHEMA, run, rows, problems: Vec::new() };
        let found = filters(&Facts::new(&results));
        assert_eq!(
            ['A', 'a', 'e', 'k'].map(fate),
            [Fate::Allowed, Fate::Depends, Fate::Denied, Fate::Killed]
        );
        assert_eq!(found, [(vec!["rrun", "runc"], "AaeA"), (vec!["crun"], "Aakk")]);
    }
}
