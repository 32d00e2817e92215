//! The same report as Markdown, for a CI job's summary, and the block of the README.

use super::claims::claims;
use super::facts::{Facts, Virtualization, order};
use super::number;
use super::section::{headlines, limits};
use crate::result::{Isobench, Lane, Metric, Row};
use std::fmt::Write;

/// `report.md`.
#[must_use]
pub fn markdown(results: &Isobench) -> String {
    let facts = Facts::new(results);
    let mut text = String::from("# What process isolation costs and gives\n\n");
    text += &warning(&facts);
    if !results.problems.is_empty() {
        text += "**Measurements went wrong; this run has failed:**\n\n";
        for problem in &results.problems {
            line(&mut text, &format!("* `{}`: {}", problem.part, cell(&problem.what)));
        }
        text.push('\n');
    }
    for headline in headlines(&facts) {
        line(&mut text, &format!("* **{}** {}", headline.figure, cell(&headline.about)));
    }
    text += "\n## The article's claims\n\n| claim | verdict | evidence |\n|---|---|---|\n";
    for claim in claims(&facts) {
        let evidence =
            claim.evidence.iter().map(|line| cell(line)).collect::<Vec<_>>().join("<br>");
        let verdict = cell(&claim.verdict.to_string());
        line(&mut text, &format!("| {} | {verdict} | {evidence} |", claim.claim));
    }
    text += "\n## Cold start\n\n";
    text += &starts(&facts);
    text += "\n## What this does not show\n\n";
    for sentence in limits(&facts) {
        line(&mut text, &format!("* {}", cell(&sentence)));
    }
    text += "\n## Every row\n\n[In brackets] 95 % intervals of the median; ≈ marks those wider than ± 5 %. Definitions and \
        plots are in report.html, samples in isobench.json.\n";
    for metric in Metric::ALL {
        text += &metric_table(results, metric);
    }
    text.push('\n');
    text += &source(&facts);
    text
}

fn metric_table(results: &Isobench, metric: Metric) -> String {
    let mut rows: Vec<&Row> = results.of(metric).filter(|row| row.case != "grid").collect();
    if rows.is_empty() {
        return String::new();
    }
    // Case by case in the order of measurement; within one, in the report's order.
    let mut cases: Vec<(&str, Lane)> = Vec::new();
    for row in &rows {
        if !cases.contains(&(&row.case, row.lane)) {
            cases.push((&row.case, row.lane));
        }
    }
    let place = |row: &Row| cases.iter().position(|case| *case == (row.case.as_str(), row.lane));
    rows.sort_by_key(|row| (place(row), order(&row.subject)));
    // Folded: a job's summary is read on a phone, too. GitHub wants the empty lines.
    let (name, count) = (metric.title(), rows.len());
    let mut text = format!("\n<details><summary>{metric:?}: {name} ({count} rows)</summary>\n\n");
    text += "| case | subject | lane | found | n |\n|---|---|---|---|---|\n";
    for row in rows {
        let n = row.summary.as_ref().map_or_else(String::new, |summary| summary.n.to_string());
        let found = cell(&number::of_row(row));
        let (case, subject) = (cell(&row.case), cell(&row.subject));
        line(&mut text, &format!("| {case} | {subject} | {:?} | {found} | {n} |", row.lane));
    }
    text += "\n</details>\n";
    text
}

fn warning(facts: &Facts) -> String {
    let because = facts.fact("because");
    let because =
        because.map(|why| format!(" {}.", cell(why.trim_end_matches('.')))).unwrap_or_default();
    match facts.virtualization() {
        Virtualization::Hardware => format!("Virtual machines ran under KVM.{because}\n\n"),
        Virtualization::Emulated => format!(
            "> **SOFTWARE EMULATION (TCG), not hardware virtualization:** times of virtual machines are an emulator's, \
             and no ratio is made of them.{because}\n\n"
        ),
        Virtualization::None => format!("> **No virtual machine was measured.**{because}\n\n"),
    }
}

/// Everyone's start as a table.
fn starts(facts: &Facts) -> String {
    let mut text = String::from("| start | median [95 %] | beside rrun |\n|---|---|---|\n");
    let ours = facts.row(Metric::M1, Lane::W, "run", "rrun");
    let mut rows: Vec<&Row> = facts
        .of(Metric::M1, Lane::W)
        .filter(|row| {
            row.case == "run" && row.value().is_some() && !row.subject.contains(", no seccomp")
        })
        .collect();
    rows.sort_by_key(|row| order(&row.subject));
    for row in rows {
        let ratio = match ours {
            Some(ours) if ours.subject == row.subject => "1".to_owned(),
            Some(ours) if !facts.may_divide(row, ours) => "withheld: emulated".to_owned(),
            Some(ours) => {
                facts.ratio(row, ours).map_or_else(|| "–".to_owned(), |ratio| number::ratio(&ratio))
            }
            None => "–".to_owned(),
        };
        line(&mut text, &format!("| {} | {} | {ratio} |", cell(&row.subject), number::of_row(row)));
    }
    text
}

/// Between the README's markers.
#[must_use]
pub fn readme_block(results: &Isobench) -> String {
    let facts = Facts::new(results);
    let mut text = starts(&facts);
    text += "\n| | rrun | crun | runc | virtual machine |\n|---|---|---|---|---|\n";
    let counted = |subject: &str| facts.number(Metric::M1i, Lane::I, "run", subject);
    let calls = |subject: &str| facts.number(Metric::M13, Lane::R, "system calls allowed", subject);
    let memory = |subject: &str| facts.memory(subject);
    for (name, rows) in [
        ("instructions of a start", ["rrun", "crun", "runc", "vm microvm"].map(counted)),
        ("memory of an idle instance", ["rrun", "crun", "runc", "vm"].map(memory)),
        ("system calls allowed", ["rrun", "crun", "runc", "vm"].map(calls)),
    ] {
        let shown = |row: &Row| Some(number::quantity(row.value()?, row.unit));
        let found =
            rows.map(|row| row.and_then(shown).unwrap_or_else(|| "–".to_owned())).join(" | ");
        line(&mut text, &format!("| {name} | {found} |"));
    }
    text.push('\n');
    text += &source(&facts);
    text
}

/// What surrounds the figures in the README.
const MARKS: [&str; 2] = ["<!-- isobench:begin -->\n", "<!-- isobench:end -->"];

/// `readme` with `block` between its marks, if it has them.
#[must_use]
pub fn with_block(readme: &str, block: &str) -> Option<String> {
    let (before, rest) = readme.split_once(MARKS[0])?;
    let (_, after) = rest.split_once(MARKS[1])?;
    Some([before, MARKS[0], block, MARKS[1], after].concat())
}

/// Where the figures are from, in one sentence.
fn source(facts: &Facts) -> String {
    let fact = |path: &str| facts.fact(path).unwrap_or_else(|| "unknown".to_owned());
    let commit: String = fact("commit").chars().take(12).collect();
    let machines = match facts.virtualization() {
        Virtualization::Hardware => "virtual machines under KVM",
        Virtualization::Emulated => {
            "virtual machines emulated, so their times are compared with nothing"
        }
        Virtualization::None => "no virtual machines",
    };
    format!(
        "{}, {} processors, Linux {}; commit {commit}, {}; {machines}.\n",
        fact("processor"),
        fact("processors"),
        fact("kernel"),
        fact("date"),
    )
}

fn line(text: &mut String, words: &str) {
    // Writing to a String does not fail.
    let _written = writeln!(text, "{words}");
}

/// Text that stays in its cell.
fn cell(plain: &str) -> String {
    plain.replace('|', "\\|").replace('<', "&lt;").replace(['\n', '\r'], " ")
}
