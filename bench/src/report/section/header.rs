//! The first screen: what this is, what it was run on, and the few figures that a reader came for.

use crate::report::facts::{Facts, Virtualization};
use crate::report::html::{Html, class, element, folded, plain, text};
use crate::report::number;
use crate::result::{Lane, Metric, Row, Unit};
use crate::stats::Estimate;

/// A figure, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headline {
    /// "3.63 ms".
    pub figure: String,
    /// What it is, with its interval.
    pub about: String,
}

/// How the numbers of the page are to be read.
const READING: &str = "Figures are medians, [in brackets] their 95 % intervals; ≈ marks an interval wider than ± 5 %, and a \
    ratio that may be either side of 1 is called inconclusive. × is how many times.";

/// The first screen.
#[must_use]
pub fn header(facts: &Facts) -> Html {
    let title =
        plain("h1", "What process isolation costs and gives, beside hardware virtualization");
    let about = "rrun is a container runtime: it starts a program so that it sees only its own files, processes and \
        network, on the kernel of the host. Here the same program is started as a bare process, as a container under \
        several runtimes, and as the first process of a virtual machine, which brings a kernel of its own; and what \
        each way costs, and what it keeps apart, is measured.";
    let problems = &facts.results.problems;
    let broken = |problem: &crate::result::Problem| {
        plain("li", plain("code", problem.part.clone()).then(format!(": {}", problem.what)))
    };
    let broken: Html = problems.iter().map(broken).collect();
    let alarm = if problems.is_empty() {
        Html::none()
    } else {
        let what = format!("{} measurements went wrong; this run has failed", problems.len());
        class("div", "banner bad", plain("strong", what).then(plain("ul", broken)))
    };
    let figures = headlines(facts).into_iter().map(|headline| {
        plain("li", plain("b", headline.figure).then(plain("small", headline.about)))
    });
    title
        .then(class("p", "lead", about))
        .then(alarm)
        .then(accelerator(facts))
        .then(class("ul", "headlines", figures.collect::<Html>()))
        .then(class("p", "soft", READING))
        .then(run(facts))
}

fn accelerator(facts: &Facts) -> Html {
    let because = facts.fact("because").unwrap_or_default();
    let (kind, head, words) = match facts.virtualization() {
        Virtualization::Hardware => (
            "banner good",
            "KVM: hardware virtualization, proven by a guest that answered",
            "Wall-clock times of containers and virtual machines are compared directly.",
        ),
        Virtualization::Emulated => (
            "banner bad",
            "SOFTWARE EMULATION (TCG): not hardware virtualization",
            "Times of virtual machines are those of an emulator: they are shown, and no ratio is made of them. Counted \
             instructions compare both instead.",
        ),
        Virtualization::None => (
            "banner bad",
            "No virtual machine was measured",
            "Every row that needs one says why it is missing.",
        ),
    };
    let why = if because.is_empty() { Html::none() } else { plain("small", because) };
    class("div", kind, plain("strong", head).then(words).then(folded("How this was found", why)))
}

/// The few figures that a reader came for; those that were not measured are left out here, and are rows below.
#[must_use]
pub fn headlines(facts: &Facts) -> Vec<Headline> {
    let mut all = Vec::new();
    let start = |subject: &str| facts.number(Metric::M1, Lane::W, "run", subject);
    if let Some(ours) = start("rrun") {
        let interval = interval(ours).map_or_else(String::new, |interval| format!(" {interval}"));
        let about =
            format!("to a container's first instruction, with a system-call filter{interval}");
        all.push(Headline { figure: rough(ours), about });
        for (subject, about) in [
            ("runc", "as long for the same start with runc"),
            ("crun", "as long for the same start with crun"),
            ("crun without a cgroup", "as long for it with crun, which makes no cgroup here"),
            ("vm microvm", "as long for a cold, tuned virtual machine"),
            ("vm restored", "as long for a virtual machine restored from memory"),
        ] {
            let ratio = start(subject).and_then(|other| facts.ratio(other, ours));
            all.extend(ratio.map(|ratio| times(&ratio, about)));
        }
        // Of the floor one wants to know how far above it we are, of the others how far below.
        let floor = start("floor").and_then(|floor| facts.ratio(ours, floor));
        let about = "as long as the floor, the least that the kernel can be asked for a container";
        all.extend(floor.map(|ratio| times(&ratio, about)));
    }
    let counted = |subject: &str| facts.number(Metric::M1i, Lane::I, "run", subject);
    let pair = counted("vm microvm").zip(counted("rrun"));
    if let Some(ratio) = pair.and_then(|(machine, ours)| facts.ratio(machine, ours)) {
        all.push(times(&ratio, "as many instructions for the boot of a tuned virtual machine"));
    }
    if let Some(row) = facts.memory("rrun") {
        let machine = facts.memory("vm").map_or_else(String::new, |machine| {
            let value = machine.value().unwrap_or(f64::NAN);
            format!("; to an idle virtual machine {}", number::quantity(value, machine.unit))
        });
        let about = format!("of memory charged to an idle container{machine}");
        all.push(Headline { figure: rough(row), about });
    }
    all
}

/// The median, and whether it is only about that.
fn rough(row: &Row) -> String {
    let wide = row.summary.as_ref().is_some_and(|summary| {
        number::is_wide(&Estimate { value: summary.p50, low: summary.low, high: summary.high })
    });
    let value = number::quantity(row.value().unwrap_or(f64::NAN), row.unit);
    if wide { format!("≈\u{202f}{value}") } else { value }
}

/// "[3.46, 9.90]".
fn interval(row: &Row) -> Option<String> {
    let summary = row.summary.as_ref().filter(|summary| summary.low < summary.high)?;
    let (low, high) = (number::digits(summary.low), number::digits(summary.high));
    Some(format!("[{low}, {high}]"))
}

/// A ratio large, its interval small.
fn times(ratio: &Estimate, about: &str) -> Headline {
    if number::is_inconclusive(ratio) {
        return Headline {
            figure: "inconclusive".to_owned(),
            about: format!("{}: {about}", number::ratio(ratio)),
        };
    }
    let about = if ratio.low < ratio.high {
        format!("{about} [{}, {}]", number::digits(ratio.low), number::digits(ratio.high))
    } else {
        about.to_owned()
    };
    let wide = if number::is_wide(ratio) { "≈\u{202f}" } else { "" };
    Headline { figure: format!("{wide}{}", number::quantity(ratio.value, Unit::Ratio)), about }
}

/// Everything that was said about the run, in the order of the file.
fn run(facts: &Facts) -> Html {
    let Some(run) = facts.results.run.as_object() else { return Html::none() };
    let mut entries = Vec::new();
    for (key, value) in run {
        match value.as_object() {
            Some(inner) => entries
                .extend(inner.iter().map(|(name, value)| (format!("{key}: {name}"), said(value)))),
            None => entries.push((key.clone(), said(value))),
        }
    }
    let entry = |(name, value): (String, String)| plain("dt", name).then(plain("dd", text(&value)));
    let list = plain("dl", entries.into_iter().map(entry).collect::<Html>());
    let summary = format!("This run: {}", brief(facts));
    element("details", &[], plain("summary", summary).then(list))
}

/// One line: the machine, the kernel, when.
fn brief(facts: &Facts) -> String {
    let pick = |path: &str, after: &str| facts.fact(path).map(|fact| format!("{fact}{after}"));
    let parts = [
        pick("processor", ""),
        pick("processors", " processors"),
        pick("kernel", "").map(|kernel| format!("Linux {kernel}")),
        pick("date", ""),
        pick("commit", "")
            .map(|commit| format!("commit {}", commit.chars().take(12).collect::<String>())),
        pick("pace", " pace"),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn said(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
