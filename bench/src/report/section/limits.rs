//! What this report does not show, from this run's own facts.

use super::Section;
use crate::report::facts::{Facts, Virtualization, is_vm};
use crate::report::html::{Html, plain};
use crate::result::{Found, Lane, Metric, Row};
use crate::stats::ENOUGH_FOR_P95;

/// The list.
pub fn section(facts: &Facts) -> Section {
    let items = limits(facts).into_iter().map(|sentence| plain("li", sentence));
    Section {
        id: "limits",
        title: "What this does not show",
        lead: "From the facts of this run.",
        body: plain("ul", items.collect::<Html>()),
    }
}

/// Sentences for a reader.
#[must_use]
pub fn limits(facts: &Facts) -> Vec<String> {
    let mut all = Vec::new();
    match facts.virtualization() {
        Virtualization::Hardware => {}
        Virtualization::Emulated => all.push(
            "What hardware virtualization costs in time: QEMU emulated its guests here. Rows of virtual machines on the \
             wall clock are an emulator's."
                .to_owned(),
        ),
        Virtualization::None => all.push("Anything about virtual machines: none was measured.".to_owned()),
    }
    if let Some(how) = facts.fact("virtualized").filter(|how| !how.starts_with("no")) {
        let how = if how == "yes" { String::new() } else { format!(" ({how})") };
        all.push(format!(
            "A machine of its own: the host itself is virtualized{how}, so its neighbours' load and its hypervisor's \
             exits are in every time."
        ));
    }
    if let Some(layout) = facts.fact("cgroup").filter(|layout| !layout.starts_with("v2")) {
        all.push(format!(
            "Every limit through cgroup v2: the host's layout is {layout}; there limits went through what it has."
        ));
    }
    if facts.fact("pace").as_deref() == Some("quick") {
        all.push("Steady figures: this was a quick run, with few rounds and few cases.".to_owned());
    }
    all.extend(disturbed(facts));
    all.extend(too_few(facts));
    all.extend(missing(facts));
    all.push(
        "Firecracker, Cloud Hypervisor, gVisor or unikernels: QEMU is the only virtual machine monitor that was run."
            .to_owned(),
    );
    all.push(
        "Security as such: reach says what a process could touch, not what it could do with it. A container's walls are \
         the host's kernel; a flaw in a call that its filter allows is a way out. A virtual machine's are the hypervisor."
            .to_owned(),
    );
    if facts.results.of(Metric::M1i).next().is_some() {
        all.push(
            "Time, in lane I: instructions have no caches, no TLB and no branch prediction, and one processor runs them."
                .to_owned(),
        );
    }
    all
}

fn disturbed(facts: &Facts) -> Option<String> {
    let row = facts.row(Metric::M1, Lane::W, "run", "rrun")?;
    let marks = row.beside.get("disturbed")?;
    let count = marks.iter().filter(|mark| **mark > 0.0).count();
    (count > 0).then(|| {
        format!(
            "An undisturbed machine: in {count} of {} rounds of starts the control took more than twice its median, or \
             the hypervisor took time away. Those rounds are in the figures.",
            marks.len()
        )
    })
}

fn too_few(facts: &Facts) -> Option<String> {
    let few = |row: &&Row| row.summary.as_ref().is_some_and(|summary| summary.n < ENOUGH_FOR_P95);
    let starts: Vec<&Row> = facts
        .of(Metric::M1, Lane::W)
        .filter(|row| !is_vm(&row.subject) && row.case == "run" && row.summary.is_some())
        .collect();
    let short: Vec<&str> =
        starts.iter().copied().filter(few).map(|row| row.subject.as_str()).collect();
    let who = if short.len() == starts.len() { "everyone".to_owned() } else { short.join("; ") };
    (!short.is_empty())
        .then(|| format!("Tails of cold starts: fewer than {ENOUGH_FOR_P95} samples of {who}."))
}

/// A reason, and by metric whom it is one for.
type Reason<'a> = (&'a str, Vec<(Metric, Vec<&'a str>)>);

/// What this machine lacks, each reason once.
fn missing(facts: &Facts) -> Vec<String> {
    let mut reasons: Vec<Reason> = Vec::new();
    for row in &facts.results.rows {
        let Found::Missing(why) = &row.found else { continue };
        let at = reasons.iter().position(|(reason, _)| reason == why).unwrap_or_else(|| {
            reasons.push((why, Vec::new()));
            reasons.len() - 1
        });
        let metrics = &mut reasons[at].1;
        match metrics.iter_mut().find(|(metric, _)| *metric == row.metric) {
            Some((_, subjects)) if subjects.contains(&row.subject.as_str()) => {}
            Some((_, subjects)) => subjects.push(&row.subject),
            None => metrics.push((row.metric, vec![&row.subject])),
        }
    }
    let names = |metrics: Vec<(Metric, Vec<&str>)>| {
        let one = |(metric, subjects): (Metric, Vec<&str>)| {
            format!("{} ({})", metric.title(), subjects.join("; "))
        };
        metrics.into_iter().map(one).collect::<Vec<_>>().join(", ")
    };
    reasons.into_iter().map(|(why, metrics)| format!("{}: {why}.", names(metrics))).collect()
}
