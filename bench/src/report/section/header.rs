//! The first screen: what this is, what it was run on, and the few figures that a reader came for.

use crate::report::facts::{Facts, Virtualization};
use crate::report::html::{Html, class, element, plain, text};
use crate::report::number;
use crate::result::{Metric, Row, Unit};

/// A figure, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headline {
    /// "3.63 ms".
    pub figure: String,
    /// What it is, with its interval.
    pub about: String,
}

/// The first screen.
#[must_use]
pub fn header(facts: &Facts) -> Html {
    let title =
        plain("h1", "What process isolation costs and gives, beside hardware virtualization");
    let about = "rrun starts the same program as a bare process, as a container under several runtimes, and as the \
        first process of a virtual machine, and measures what each costs and what each keeps apart.";
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
             instructions (lane I) compare both inside one emulated machine instead.",
        ),
        Virtualization::None => (
            "banner bad",
            "No virtual machine was measured",
            "Every row that needs one says why it is missing.",
        ),
    };
    let body = plain("strong", head).then(words);
    let body =
        if because.is_empty() { body } else { body.then(plain("div", plain("small", because))) };
    class("div", kind, body)
}

/// The few figures that a reader came for; those that were not measured are left out here, and are rows below.
#[must_use]
pub fn headlines(facts: &Facts) -> Vec<Headline> {
    let mut all = Vec::new();
    let median = |row: &Row| number::quantity(row.value().unwrap_or(f64::NAN), row.unit);
    if let Some(start) = facts.row(Metric::M1, "run", "rrun").filter(|row| row.value().is_some()) {
        all.push(Headline {
            figure: median(start),
            about: format!(
                "from rrun's birth to the container's first instruction, with Docker's filter: {}",
                number::of_row(start)
            ),
        });
        for (subject, about) in [
            ("floor", "the least that the kernel can be asked for a container"),
            ("runc", "runc's start"),
            ("crun", "crun's start"),
            ("crun without a cgroup", "crun's start, which makes no cgroup here"),
            ("vm microvm", "a cold, tuned virtual machine's start"),
            ("vm restored", "a restored virtual machine's start"),
        ] {
            // Of the floor one wants to know how far above it we are, of the others how far below.
            let other = facts.row(Metric::M1, "run", subject);
            let (upper, lower) =
                if subject == "floor" { (Some(start), other) } else { (other, Some(start)) };
            let ratio = upper.zip(lower).and_then(|(upper, lower)| facts.ratio(upper, lower));
            if let Some(ratio) = ratio {
                let figure = number::quantity(ratio.value, Unit::Ratio);
                let of =
                    if subject == "floor" { "is rrun's start of " } else { "rrun's start is " };
                all.push(Headline {
                    figure,
                    about: format!("{of}{about}: {}", number::ratio(&ratio)),
                });
            }
        }
    }
    let ours = facts.row(Metric::M1i, "run", "rrun");
    let machine = facts.row(Metric::M1i, "run", "vm microvm");
    if let Some(ratio) = ours.zip(machine).and_then(|(ours, machine)| facts.ratio(machine, ours)) {
        all.push(Headline {
            figure: number::quantity(ratio.value, Unit::Ratio),
            about:
                "the instructions of rrun's start are executed by a tuned virtual machine's boot"
                    .to_owned(),
        });
    }
    if let Some(row) = facts.row(Metric::M4, "charge", "rrun").filter(|row| row.value().is_some()) {
        let about = format!("of memory are charged to an idle container: {}", number::of_row(row));
        all.push(Headline { figure: median(row), about });
    }
    all
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
