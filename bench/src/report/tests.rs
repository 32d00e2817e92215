//! The whole report on results that were made up: everything that a file may say, and what nobody should.

use super::*;
use crate::result::{Lane, Metric, Problem, Row, SCHEMA, Unit};
use serde_json::json;

const HOSTILE: &str = "</table><script>alert(1)</script>&'\"|";

/// Made once: thousands of draws for each row.
fn everything(accelerator: &str) -> Isobench {
    static MADE: std::sync::OnceLock<Isobench> = std::sync::OnceLock::new();
    let mut results = MADE.get_or_init(make).clone();
    results.run["accelerator"] = accelerator.into();
    results
}

/// The page of these: rendering draws, too.
fn page(accelerator: &str) -> &'static str {
    static KVM: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    static TCG: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let made = if accelerator == "kvm" { &KVM } else { &TCG };
    made.get_or_init(|| html(&everything(accelerator)))
}

/// Every metric, with every kind of finding, for every subject.
fn make() -> Isobench {
    let subjects =
        ["bare", "floor", "rrun", "rrun, no seccomp", "runc", "vm", "vm microvm", HOSTILE];
    let mut rows = Vec::new();
    for metric in Metric::ALL {
        for (number, subject) in subjects.into_iter().enumerate() {
            let lane = match metric {
                Metric::M1i => Lane::I,
                Metric::M13 => Lane::R,
                _ => Lane::W,
            };
            let row = |case: &str| {
                Row::new(metric, case, subject, Unit::Milliseconds, HOSTILE).lane(lane)
            };
            let samples =
                |count: usize| (1..=count).map(|n| 0.5 + (n * (number + 1)) as f64).collect();
            rows.push(
                row("run")
                    .group("g")
                    .samples(samples(if metric == Metric::M3 { 500 } else { 5 }))
                    .note(HOSTILE),
            );
            rows.push(row("k=4").samples(samples(2)));
            rows.push(row("k=8").samples(samples(3)));
            rows.push(row("k=16").samples(samples(1)));
            rows.push(row("charge").exact(0.0));
            rows.push(row(HOSTILE).did_not_finish("gave up after 10 s"));
            rows.push(row("hog | limits | cpu").missing(HOSTILE));
            rows.push(row("grid").text("adek-"));
            rows.push(row("none").samples(vec![f64::NAN]));
            rows.push(row("endless").exact(f64::INFINITY));
        }
    }
    let run = json!({ "because": HOSTILE, "versions": { "runc": HOSTILE } });
    Isobench { schema: SCHEMA, run, rows, problems: Vec::new() }
}

/// Opening and closing tags, matched.
fn well_formed(page: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let page = page.strip_prefix("<!doctype html>").ok_or("no doctype")?;
    let mut rest = page;
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, after) = after.split_once('>').ok_or("a tag without an end")?;
        rest = after;
        let name = tag.split_whitespace().next().unwrap_or_default();
        if let Some(name) = name.strip_prefix('/') {
            let last = open.pop();
            if last != Some(name) {
                return Err(format!("</{name}> closes {last:?}"));
            }
        } else if !["meta", "br", "hr", "wbr"].contains(&name) {
            open.push(name);
        }
    }
    if open.is_empty() { Ok(()) } else { Err(format!("{open:?} are not closed")) }
}

#[test]
fn the_page_is_well_formed_whatever_the_file_says() {
    for accelerator in ["kvm", "tcg"] {
        let page = page(accelerator);
        assert_eq!(well_formed(page), Ok(()), "{accelerator}");
        assert!(!page.contains("<script"));
        assert!(!page.contains("NaN") && !page.contains(">inf"));
        assert!(!page.contains("http://") && !page.contains("https://"), "something is fetched");
    }
}

#[test]
fn an_empty_file_is_a_page_too() {
    let results =
        Isobench { schema: SCHEMA, run: json!({}), rows: Vec::new(), problems: Vec::new() };
    let page = html(&results);
    assert_eq!(well_formed(&page), Ok(()));
    assert!(page.contains("No virtual machine was measured"));
    assert!(markdown(&results).contains("No virtual machine was measured"));
    assert!(readme_block(&results).contains("no virtual machines"));
}

#[test]
fn every_row_is_in_the_page_with_its_definition() {
    // Few are enough: every one goes the same way.
    let mut results = everything("tcg");
    results.rows.retain(|row| matches!(row.metric, Metric::M1p | Metric::M5 | Metric::M13));
    for (number, row) in results.rows.iter_mut().enumerate() {
        row.interval = format!("definition-{number}-");
    }
    let page = html(&results);
    for row in &results.rows {
        assert!(page.contains(&row.interval), "{row:?}");
    }
}

#[test]
fn an_emulator_is_named_in_red_and_its_times_are_divided_by_nothing() {
    let page = page("tcg");
    assert!(page.contains("banner bad") && page.contains("SOFTWARE EMULATION"));
    assert!(page.contains("withheld: emulated"));
    let empty = Isobench {
        schema: SCHEMA,
        run: json!({ "accelerator": "tcg" }),
        rows: Vec::new(),
        problems: Vec::new(),
    };
    assert!(markdown(&empty).contains("SOFTWARE EMULATION"));
    let page = self::page("kvm");
    assert!(page.contains("banner good") && !page.contains("withheld: emulated"));
}

#[test]
fn what_went_wrong_comes_first() {
    let mut results = everything("none");
    results.rows.retain(|row| row.metric == Metric::M13);
    let problem = Problem { part: "start".to_owned(), what: "the payload lied".to_owned() };
    results.problems.push(problem);
    let (page, text) = (html(&results), markdown(&results));
    assert!(page.find("the payload lied") < page.find("<section"));
    assert!(text.contains("`start`: the payload lied"));
}

#[test]
fn percentiles_that_the_samples_cannot_carry_are_not_shown() {
    let mut results = everything("kvm");
    results.rows.retain(|row| row.metric == Metric::M1 && row.case == "k=4");
    assert!(html(&results).contains("n too small (2 of 100)"));
}

#[test]
fn markdown_cells_stay_cells() {
    let mut results = everything("tcg");
    results.rows.retain(|row| row.metric == Metric::M14);
    let text = markdown(&results);
    assert!(!text.contains("<script"));
    let table = text.lines().filter(|line| line.starts_with("| hog"));
    for line in table {
        // "hog | limits | cpu" is one cell: of five columns there are six bars that are not escaped.
        assert_eq!(line.replace("\\|", "").matches('|').count(), 6, "{line}");
    }
}
