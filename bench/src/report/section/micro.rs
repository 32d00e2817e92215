//! What running inside costs: computation, system calls, communication, files, memory, network.

use super::{Section, by_subject, plots};
use crate::report::facts::{Facts, order};
use crate::report::html::{Html, plain};
use crate::report::svg::{Dot, dots};
use crate::result::{Lane, Metric, Unit};
use crate::stats::Estimate;

const METRICS: [Metric; 6] =
    [Metric::M6, Metric::M7, Metric::M8, Metric::M9, Metric::M10, Metric::M11];

/// Slowdown plots and tables, metric by metric.
pub fn section(facts: &Facts) -> Section {
    let lanes = [(Lane::W, "wall clock"), (Lane::I, "instructions")];
    let of = |metric: Metric| {
        let parts = lanes.map(|(lane, words)| {
            let cases = facts.cases(metric, lane);
            let table = by_subject(facts, metric, lane, &cases);
            if table.is_none() {
                return Html::none();
            }
            let title = format!("{}, {words}", metric.title());
            plain("h3", title).then(plots([plot(facts, metric, lane, words)])).then(table)
        });
        parts.into_iter().collect::<Html>()
    };
    Section {
        id: "inside",
        title: "What running inside costs",
        lead: "The same static program does the same operations as a bare process, in containers, and as the first \
            process of a virtual machine. 1 is the bare process; rates are turned over, so right of 1 is always slower.",
        body: METRICS.into_iter().map(of).collect(),
    }
}

fn plot(facts: &Facts, metric: Metric, lane: Lane, words: &str) -> Html {
    let rows: Vec<Dot> = facts
        .cases(metric, lane)
        .into_iter()
        .map(|case| Dot { case: case.to_owned(), ratios: slowdowns(facts, metric, lane, case) })
        .filter(|row| !row.ratios.is_empty())
        .collect();
    if rows.is_empty() {
        return Html::none();
    }
    let title = format!("{}.", metric.title());
    let caption = format!("Times the bare process ({words}), with 95 % intervals.");
    dots(&title, &caption, &rows)
}

/// How many times slower than the bare process each subject is.
fn slowdowns(facts: &Facts, metric: Metric, lane: Lane, case: &str) -> Vec<(String, Estimate)> {
    let Some(bare) = facts.row(metric, case, "bare").filter(|row| row.lane == lane) else {
        return Vec::new();
    };
    // The accuracy of a limit has no slower and faster.
    if matches!(bare.unit, Unit::Percent | Unit::Count | Unit::Ratio) {
        return Vec::new();
    }
    let others = facts.of(metric, lane).filter(|row| row.case == case && row.subject != "bare");
    let ratio = |row: &crate::result::Row| {
        let ratio = facts.ratio(row, bare)?;
        let turned =
            Estimate { value: 1.0 / ratio.value, low: 1.0 / ratio.high, high: 1.0 / ratio.low };
        let slower = if row.unit.more_is_better() { turned } else { ratio };
        slower.value.is_finite().then(|| (row.subject.clone(), slower))
    };
    let mut all: Vec<_> = others.filter_map(ratio).collect();
    all.sort_by_key(|(subject, _)| order(subject));
    all
}
