//! What a neighbour can do, and what limits do about it.

use super::{Section, by_subject};
use crate::report::facts::Facts;
use crate::report::html::{Html, class, plain};
use crate::report::number;
use crate::report::svg::{Cell, Tone, heat};
use crate::result::{Found, Lane, Metric, Row, Unit};

/// A heat map for each victim, subject and lane; containment below.
pub fn section(facts: &Facts) -> Section {
    let mut body = Html::none();
    for (lane, words) in [(Lane::W, "wall clock"), (Lane::I, "instructions, one processor")] {
        for (subject, victim) in maps(facts, lane) {
            let title = match victim {
                "" => format!("{subject}: {words}"),
                victim => format!("{subject}, victim: {victim}; {words}"),
            };
            body = body.then(plain("h3", title)).then(map(facts, lane, subject, victim));
        }
    }
    let others: Vec<&str> = [Lane::W, Lane::I, Lane::R]
        .into_iter()
        .flat_map(|lane| facts.of(Metric::M12, lane))
        .filter(|row| slowdown(row).is_none())
        .map(|row| row.case.as_str())
        .collect();
    let mut cases: Vec<&str> = Vec::new();
    for case in others {
        if !cases.contains(&case) {
            cases.push(case);
        }
    }
    for lane in [Lane::W, Lane::I, Lane::R] {
        let table = by_subject(facts, Metric::M12, lane, &cases);
        if !table.is_none() {
            body = body.then(plain("h3", format!("Containment, lane {lane:?}"))).then(table);
        }
    }
    Section {
        id: "noisy",
        title: "Noisy neighbours",
        lead: "How many times longer a victim takes while an aggressor runs, by how both are confined. A cgroup for each \
            container already shares the processors by container instead of by task; limits give the bound.",
        body,
    }
}

/// Aggressor, configuration and victim of a slowdown's case: "cpu hog | limits | cpu".
fn slowdown(row: &Row) -> Option<[&str; 3]> {
    let number =
        matches!(row.found, Found::Samples(_) | Found::Exact(_)) && row.unit == Unit::Ratio;
    let none = matches!(row.found, Found::DidNotFinish(_) | Found::Missing(_));
    let mut words = row.case.split(" | ");
    let words = [words.next()?, words.next()?, words.next().unwrap_or_default()];
    (number || none).then_some(words)
}

fn maps<'a>(facts: &Facts<'a>, lane: Lane) -> Vec<(&'a str, &'a str)> {
    let mut maps = Vec::new();
    for row in facts.of(Metric::M12, lane) {
        let Some([_, _, victim]) = slowdown(row) else { continue };
        if !maps.contains(&(row.subject.as_str(), victim)) {
            maps.push((row.subject.as_str(), victim));
        }
    }
    maps
}

fn map(facts: &Facts, lane: Lane, subject: &str, victim: &str) -> Html {
    let rows: Vec<(&Row, [&str; 3])> = facts
        .of(Metric::M12, lane)
        .filter_map(|row| Some((row, slowdown(row)?)))
        .filter(|(row, words)| row.subject == subject && words[2] == victim)
        .collect();
    let (mut aggressors, mut configurations) = (Vec::new(), Vec::new());
    for (_, [aggressor, configuration, _]) in &rows {
        if !aggressors.contains(aggressor) {
            aggressors.push(*aggressor);
        }
        if !configurations.contains(configuration) {
            configurations.push(*configuration);
        }
    }
    let cell = |aggressor: &str, configuration: &str| {
        let found =
            rows.iter().find(|(_, words)| words[0] == aggressor && words[1] == configuration);
        found.map_or_else(
            || Cell { tone: Tone::Unknown, words: "–".to_owned(), about: String::new() },
            |(row, _)| shown(row),
        )
    };
    let line = |aggressor: &str| {
        let cells =
            configurations.iter().map(|configuration| cell(aggressor, configuration)).collect();
        (aggressor.to_owned(), cells)
    };
    let lines = aggressors.iter().map(|aggressor| line(aggressor)).collect();
    let key = "Times as long as alone. Black: it did not finish within ten times as long.";
    heat("", &configurations, lines).then(class("p", "soft", key))
}

fn shown(row: &Row) -> Cell {
    let about = [number::of_row(row)].into_iter().chain(row.notes.iter().cloned());
    let about = about.collect::<Vec<_>>().join(". ");
    match &row.found {
        Found::DidNotFinish(_) => Cell { tone: Tone::Dead, words: "DNF".to_owned(), about },
        Found::Missing(_) | Found::Text(_) => {
            Cell { tone: Tone::Unknown, words: "?".to_owned(), about }
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

    #[test]
    fn a_case_without_a_configuration_is_no_slowdown() {
        let row =
            |case| Row::new(Metric::M12, case, "rrun", Unit::Ratio, "with / alone").exact(2.0);
        assert_eq!(slowdown(&row("hog | limits | cpu")), Some(["hog", "limits", "cpu"]));
        assert_eq!(slowdown(&row("hog | limits")), Some(["hog", "limits", ""]));
        assert_eq!(slowdown(&row("host can still fork")), None);
    }
}
