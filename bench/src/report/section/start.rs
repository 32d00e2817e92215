//! Cold starts.

use super::{Section, by_subject, measured, plots};
use crate::report::facts::Facts;
use crate::report::html::{Html, class, folded, plain, table};
use crate::report::number;
use crate::report::svg::{Curve, Strip, ecdf, strips};
use crate::result::{Found, Lane, Metric, Row};
use crate::stats::{ENOUGH_FOR_P95, Summary};

/// How much later a byte is seen than it was written.
const PIPE: &str = "t2-t1";

/// Everyone's start, as curves, as samples, as a table; then the other ways to start, and what is beside a start.
pub fn section(facts: &Facts) -> Section {
    let mut body = case(facts, "run");
    for other in facts.cases(Metric::M1, Lane::W) {
        if !["run", PIPE].contains(&other) {
            body = body.then(case(facts, other));
        }
    }
    let life = facts.cases(Metric::M1c, Lane::W);
    let life = by_subject(facts, Metric::M1c, Lane::W, &life);
    if !life.is_none() {
        let words =
            "To the end of everything that was started, deletion included; and the steps of it.";
        let head = plain("h3", "Whole life").then(class("p", "soft", words));
        body = body.then(head).then(folded("Whole life, by subject", life));
    }
    let provisioning: Vec<Vec<Html>> = facts.of(Metric::M1p, Lane::W).map(provision).collect();
    if !provisioning.is_empty() {
        let words = "Before the first start: from an image to a root file system, or from a distribution's kernel to \
            what QEMU boots.";
        let head = plain("h3", "Provisioning").then(class("p", "soft", words));
        body = body.then(head).then(table(&["what", "for", "median [95 %]"], provisioning));
    }
    Section {
        id: "start",
        title: "Cold start",
        lead: "From before the birth of the runtime's (or QEMU's) process to the first instruction of the same static \
            program. Everyone has one turn per round, in shuffled order.",
        body: body.then(pipe(facts)),
    }
}

fn provision(row: &Row) -> Vec<Html> {
    [row.case.clone(), row.subject.clone(), number::of_row(row)].map(Html::from).into()
}

/// A guest's end mark is later than its first instruction by a pipe; of a container both are known.
fn pipe(facts: &Facts) -> Html {
    let rows = measured(facts, Metric::M1, Lane::W, PIPE);
    let row = |subject: &str| rows.iter().find(|row| row.subject == subject);
    row("rrun").map_or_else(Html::none, |row| {
        let words = format!(
            "A virtual machine's start ends when its first byte arrives, a container's at its first instruction. What \
             lies between the two for rrun: {}.",
            number::of_row(row)
        );
        class("p", "soft", words)
    })
}

/// What a case is, for who does not know the commands.
fn words(case: &str) -> (&str, &str) {
    match case {
        "run" => ("One command: run", "What a user waits for most often."),
        "create+start" => (
            "Two commands: create, then start",
            "As container engines do it: the sum of both commands.",
        ),
        "exec" => ("A second process: exec", "Into a container that runs already."),
        "run beside cold machines" => (
            "Run, in the rounds of the cold machines",
            "Cold machines have fewer rounds than everyone else; these are the starts that shared theirs.",
        ),
        other => (other, ""),
    }
}

fn case(facts: &Facts, case: &str) -> Html {
    let rows = measured(facts, Metric::M1, Lane::W, case);
    if rows.is_empty() {
        return Html::none();
    }
    let (title, about) = words(case);
    let head = plain("h3", title).then(class("p", "soft", about));
    let table = lines(facts, case, &rows);
    // The case that everyone asks for is open; of the others the plot says enough.
    match case {
        "run" => head.then(drawn(&rows)).then(table),
        "run beside cold machines" => {
            head.then(folded("These rounds, by subject", drawn(&rows).then(table)))
        }
        _ => head.then(drawn(&rows)).then(folded("Figures", table)),
    }
}

fn drawn(rows: &[&Row]) -> Html {
    let all = || rows.iter().filter_map(|row| Some((*row, samples(row)?, row.summary.as_ref()?)));
    let strip = |(row, samples, summary): (&Row, &[f64], &Summary)| Strip {
        subject: row.subject.clone(),
        samples: samples.to_vec(),
        median: (summary.p50, summary.low, summary.high),
        words: number::quantity(summary.p50, row.unit),
    };
    let strips = strips(
        "Every start.",
        "Dots are samples; the upright line is the median, the line through it its 95 % interval.",
        "milliseconds, logarithmic",
        &all().map(strip).collect::<Vec<_>>(),
    );
    // A curve of five samples is a staircase of an accident.
    let enough = all().filter(|(_, samples, _)| samples.len() >= 10);
    let curves = enough
        .map(|(row, samples, _)| Curve { subject: row.subject.clone(), samples: samples.to_vec() });
    let curves: Vec<Curve> = curves.collect();
    let ecdf = if curves.is_empty() {
        Html::none()
    } else {
        ecdf(
            "How many had started by then.",
            "Further left is faster; steeper is steadier. Subjects with fewer than ten samples are left out.",
            "milliseconds, logarithmic",
            &curves,
        )
    };
    plots([strips, ecdf])
}

fn samples(row: &Row) -> Option<&[f64]> {
    match &row.found {
        Found::Samples(samples) => Some(samples),
        Found::Exact(_) | Found::Text(_) | Found::DidNotFinish(_) | Found::Missing(_) => None,
    }
}

fn lines(facts: &Facts, case: &str, rows: &[&Row]) -> Html {
    let base = |subject: &str| facts.number(Metric::M1, Lane::W, case, subject);
    let (floor, rrun, machine) = (base("floor"), base("rrun"), base("vm microvm"));
    let withheld =
        machine.zip(rrun).is_some_and(|(machine, ours)| !facts.may_divide(ours, machine));
    let divided = machine.filter(|_| !withheld);
    let tails = rows.iter().any(|row| row.summary.as_ref().is_some_and(|one| one.p95.is_some()));
    let line = |row: &&Row| -> Vec<Html> {
        let Some(summary) = &row.summary else { return vec![row.subject.clone().into()] };
        let shown = |value: f64| number::quantity(value, row.unit);
        let mut cells = vec![
            row.subject.clone(),
            summary.n.to_string(),
            shown(summary.min),
            number::of_summary(summary, row.unit),
            number::range(summary.quartiles, row.unit),
        ];
        if tails {
            cells.push(summary.p95.map_or_else(|| too_small(summary.n), shown));
        }
        // A column that says the same of everyone is no column.
        let bases = [floor, rrun, divided].into_iter().flatten();
        cells.extend(bases.map(|base| ratio(facts, row, base)));
        cells.into_iter().map(Html::from).collect()
    };
    let mut heads = vec!["", "n", "min", "median [95 %]", "quartiles"];
    heads.extend(tails.then_some("p95"));
    let bases = [(floor, "÷ floor"), (rrun, "÷ rrun"), (divided, "÷ vm microvm")];
    heads.extend(bases.into_iter().filter_map(|(base, head)| base.map(|_| head)));
    let table = table(&heads, rows.iter().map(line).collect());
    let most = rows.iter().filter_map(|row| Some(row.summary.as_ref()?.n)).max().unwrap_or(0);
    let tails = (!tails).then(|| format!("No 95th percentile: {}.", too_small(most)));
    let why = "Division by a virtual machine's time is withheld: it is an emulator's.".to_owned();
    let notes = tails.into_iter().chain(withheld.then_some(why));
    table.then(notes.map(|note| class("p", "soft", note)).collect::<Html>())
}

fn ratio(facts: &Facts, row: &Row, base: &Row) -> String {
    match facts.ratio(row, base) {
        _ if base.subject == row.subject => "–".to_owned(),
        _ if !facts.may_divide(row, base) => "withheld: emulated".to_owned(),
        Some(ratio) => number::ratio(&ratio),
        None => "–".to_owned(),
    }
}

fn too_small(n: usize) -> String {
    format!("n too small ({n} of {ENOUGH_FOR_P95})")
}
