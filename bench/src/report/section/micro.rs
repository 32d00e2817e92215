//! What running inside costs: computation, system calls, communication, files, memory, network.

use super::{Section, by_subject};
use crate::report::facts::{Facts, order};
use crate::report::html::{Html, class, folded, plain};
use crate::report::number::{self, STEADY};
use crate::report::svg::{Dot, dots};
use crate::result::{Lane, Metric, Row, Unit};
use crate::stats::Estimate;

const METRICS: [Metric; 6] =
    [Metric::M6, Metric::M7, Metric::M8, Metric::M9, Metric::M10, Metric::M11];

/// Samples below which a median is a rough one.
const FEW: usize = 30;

/// Slowdown plots and tables, metric by metric.
pub fn section(facts: &Facts) -> Section {
    let lanes = [(Lane::W, "wall clock"), (Lane::I, "instructions")];
    let of = |metric: Metric| {
        let parts = lanes.map(|(lane, words)| {
            let cases = cases(facts, metric, lane);
            let table = by_subject(facts, metric, lane, &cases);
            if table.is_none() {
                return Html::none();
            }
            let dots = ratios(facts, metric, lane, &cases);
            let title = format!("{}, {words}", title(metric));
            let about = sure(facts, metric, lane, &dots).unwrap_or_default();
            let head = plain("h3", title).then(class("p", "soft", about));
            let body = head.then(plot(metric, words, &dots));
            class("div", "block", body.then(folded("Figures", table)))
        });
        parts.into_iter().collect::<Html>()
    };
    let body: Html = METRICS.into_iter().map(of).collect();
    Section {
        id: "inside",
        title: "What running inside costs",
        lead: "The same static program does the same operations as a bare process, in containers, and as the first \
            process of a virtual machine. 1 is the bare process; rates are turned over, so right of 1 is always slower.",
        body: if body.is_none() { body } else { class("div", "blocks", body) },
    }
}

const fn title(metric: Metric) -> &'static str {
    // How exact limits are stands with the neighbours that they are for.
    if matches!(metric, Metric::M6) { "Computation" } else { metric.title() }
}

/// The cases of which the bare process has a share: a limit has no slower and faster.
fn cases<'a>(facts: &Facts<'a>, metric: Metric, lane: Lane) -> Vec<&'a str> {
    let mut cases = facts.cases(metric, lane);
    if metric == Metric::M6 {
        cases.retain(|case| facts.row(metric, lane, case, "bare").is_some());
    }
    cases
}

/// Everyone's slowdowns, case by case; drawing them anew is dear, so it is done once.
fn ratios(facts: &Facts, metric: Metric, lane: Lane, cases: &[&str]) -> Vec<Dot> {
    let dot = |case: &&str| Dot {
        case: (*case).to_owned(),
        ratios: slowdowns(facts, metric, lane, case),
    };
    cases.iter().map(dot).filter(|dot| !dot.ratios.is_empty()).collect()
}

/// How far the figures can be trusted, in a sentence.
fn sure(facts: &Facts, metric: Metric, lane: Lane, dots: &[Dot]) -> Option<String> {
    let is_case = |row: &&Row| dots.iter().any(|dot| dot.case == row.case);
    let counts = || {
        let rows = facts.of(metric, lane).filter(is_case);
        rows.filter_map(|row| row.summary.as_ref()).map(|summary| summary.n)
    };
    let (least, most) = (counts().min()?, counts().max()?);
    let all = dots.iter().map(|dot| dot.ratios.len()).sum::<usize>();
    let unclear = dots.iter().flat_map(|dot| &dot.ratios);
    let unclear = unclear.filter(|(_, ratio)| number::is_inconclusive(ratio)).count();
    let n = if least == most { format!("{least}") } else { format!("{least} to {most}") };
    let few = if least < FEW { ", which is few" } else { "" };
    let unclear = match unclear {
        0 => String::new(),
        _ => format!(
            " {unclear} of {all} ratios are inconclusive: their interval has 1 in it and is wider than ± {:.0} %.",
            STEADY * 100.0
        ),
    };
    Some(format!("Medians of {n} samples{few}.{unclear}"))
}

fn plot(metric: Metric, words: &str, rows: &[Dot]) -> Html {
    if rows.is_empty() {
        return Html::none();
    }
    let title = format!("{}.", title(metric));
    let caption = format!("Times the bare process ({words}), with 95 % intervals.");
    dots(&title, &caption, rows)
}

/// How many times slower than the bare process each subject is.
fn slowdowns(facts: &Facts, metric: Metric, lane: Lane, case: &str) -> Vec<(String, Estimate)> {
    let Some(bare) = facts.row(metric, lane, case, "bare") else { return Vec::new() };
    if matches!(bare.unit, Unit::Percent | Unit::Count | Unit::Ratio) {
        return Vec::new();
    }
    let others = facts.of(metric, lane).filter(|row| row.case == case && row.subject != "bare");
    let ratio = |row: &Row| {
        let slower = facts.slowdown(row, bare)?;
        slower.value.is_finite().then(|| (row.subject.clone(), slower))
    };
    let mut all: Vec<_> = others.filter_map(ratio).collect();
    all.sort_by_key(|(subject, _)| order(subject));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::{Isobench, SCHEMA};

    fn said(samples: &[f64]) -> Option<String> {
        let row = |subject, samples: &[f64]| {
            Row::new(Metric::M6, "integer", subject, Unit::Nanoseconds, "")
                .samples(samples.to_vec())
        };
        let limit = Row::new(Metric::M6, "cpu.max 10 %", "rrun", Unit::Percent, "").exact(1.0);
        let rows = vec![row("bare", &[10.0; 5]), row("rrun", samples), limit];
        let run = serde_json::json!({});
        let results = Isobench { schema: SCHEMA, run, rows, problems: Vec::new() };
        let facts = Facts::new(&results);
        let cases = cases(&facts, Metric::M6, Lane::W);
        assert_eq!(cases, ["integer"]);
        let dots = ratios(&facts, Metric::M6, Lane::W, &cases);
        sure(&facts, Metric::M6, Lane::W, &dots)
    }

    #[test]
    fn ratios_that_say_nothing_are_counted() {
        let wide = said(&[5.0, 8.0, 10.0, 15.0, 20.0]).unwrap_or_default();
        assert!(wide.contains("Medians of 5 samples, which is few. 1 of 1 ratios"), "{wide}");
        assert_eq!(said(&[10.1; 5]).as_deref(), Some("Medians of 5 samples, which is few."));
    }
}
