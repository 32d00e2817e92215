//! No translation of I/O, isolation of processes, limits and replicas.

use super::{Claim, Verdict, compared, no_machine, of_subject};
use crate::report::facts::{Facts, Virtualization, is_vm};
use crate::report::number;
use crate::result::{Found, Lane, Metric, Row, Unit};
use crate::stats::Estimate;

/// What a container may cost before "nothing" is the wrong word: the noise that a run is allowed to have.
const NOTHING: f64 = 1.05;

/// Exact to within this many hundredths.
const EXACT: f64 = 5.0;

/// What became of the cases of files and network.
#[derive(Default)]
struct Cases {
    same: usize,
    unclear: Vec<String>,
    slower: Vec<String>,
}

impl Cases {
    fn of(facts: &Facts) -> Self {
        let mut cases = Self::default();
        for metric in [Metric::M9, Metric::M11] {
            for row in of_subject(facts, metric, Lane::W, "rrun") {
                let bare = facts.row(metric, Lane::W, &row.case, "bare");
                let Some(ratio) = bare.and_then(|bare| facts.slowdown(row, bare)) else { continue };
                let (low, high) = (number::digits(ratio.low), number::digits(ratio.high));
                if ratio.low > NOTHING {
                    cases.slower.push(format!("{}, {}", row.case, number::ratio(&ratio)));
                } else if number::is_wide(&ratio) && ratio.high > NOTHING {
                    cases.unclear.push(format!("{} [{low}, {high}]", row.case));
                } else {
                    cases.same += 1;
                }
            }
        }
        cases
    }

    fn all(&self) -> usize {
        self.same + self.unclear.len() + self.slower.len()
    }

    fn evidence(&self) -> Vec<String> {
        let same = format!(
            "In {} of {} file and network cases a container took no longer than a bare process, or at most {NOTHING} \
             times as long.",
            self.same,
            self.all()
        );
        let lists = [("Slower than that", &self.slower), ("Too scattered to say", &self.unclear)];
        let lists = lists.into_iter().filter(|(_, cases)| !cases.is_empty());
        let lists = lists.map(|(words, cases)| format!("{words}: {}.", cases.join("; ")));
        (self.all() > 0).then_some(same).into_iter().chain(lists).collect()
    }
}

/// The container uses the host's kernel; no driver boundary.
pub fn no_translation(facts: &Facts) -> Claim {
    let cases = Cases::of(facts);
    let mut evidence = cases.evidence();
    let machine = machines(facts, &mut evidence);
    let toll = facts.row(Metric::M7, Lane::W, "getppid", "rrun");
    let bare = facts.row(Metric::M7, Lane::W, "getppid", "bare");
    evidence.extend(compared(facts, toll, bare).map(|(_, sentence)| {
        format!("A system-call filter is a toll of its own, on every call. {sentence}.")
    }));
    let all = cases.all();
    let verdict = match (cases.same, cases.unclear.len(), cases.slower.len(), machine) {
        (0, 0, 0, _) => Verdict::Open("neither files nor network were measured".to_owned()),
        (0, _, 0, _) => Verdict::Open("every case was too scattered".to_owned()),
        (_, 0, 0, Some(true)) => Verdict::Holds(String::new()),
        (_, 0, 0, Some(false)) => Verdict::Partly(
            "the container adds nothing that was measured, and no more does the virtual machine"
                .to_owned(),
        ),
        (_, 0, 0, None) => Verdict::Partly(format!(
            "the container adds nothing that was measured; what a virtual machine adds is open: {}",
            no_machine(facts)
        )),
        (_, unclear, 0, _) => Verdict::Partly(format!(
            "slower in the container: none of {all} cases, but {unclear} were too scattered to say"
        )),
        (0, 0, ..) => Verdict::Fails("every case was slower in the container".to_owned()),
        (_, 0, slower, _) => {
            Verdict::Partly(format!("slower in the container: {slower} of {all} cases"))
        }
        (_, unclear, slower, _) => Verdict::Partly(format!(
            "slower in the container: {slower} of {all} cases; too scattered to say: {unclear}"
        )),
    };
    Claim {
        claim: "No translation of I/O between guest and host",
        measured: "The same operations on the same files and sockets as a bare process, in a container, and in a virtual \
            machine through its drivers.",
        verdict,
        evidence,
    }
}

/// Whether a virtual machine is slower at the same operations, where its time may be divided: with the host's cache, which
/// makes a guest's disk memory, as well as without.
fn machines(facts: &Facts, evidence: &mut Vec<String>) -> Option<bool> {
    if facts.virtualization() != Virtualization::Hardware {
        return None;
    }
    let mut found: Vec<(&str, Vec<Estimate>)> = Vec::new();
    for metric in [Metric::M9, Metric::M11] {
        for row in facts.of(metric, Lane::W).filter(|row| is_vm(&row.subject)) {
            let bare = facts.row(metric, Lane::W, &row.case, "bare");
            let Some(ratio) = bare.and_then(|bare| facts.slowdown(row, bare)) else { continue };
            match found.iter_mut().find(|(subject, _)| *subject == row.subject) {
                Some((_, ratios)) => ratios.push(ratio),
                None => found.push((&row.subject, vec![ratio])),
            }
        }
    }
    let mut any = false;
    for (subject, ratios) in &found {
        let values = ratios.iter().map(|ratio| ratio.value);
        let (least, most) = (values.clone().fold(f64::MAX, f64::min), values.fold(0.0, f64::max));
        let slower = ratios.iter().filter(|ratio| ratio.low > NOTHING).count();
        let faster = ratios.iter().filter(|ratio| ratio.high < 1.0).count();
        any |= slower > 0;
        evidence.push(format!(
            "{subject}: slower than the bare process in {slower} of {} cases, faster in {faster}; from {} to {}.",
            ratios.len(),
            number::quantity(least, Unit::Ratio),
            number::quantity(most, Unit::Ratio)
        ));
    }
    (!found.is_empty()).then_some(any)
}

/// Where less is a narrower reach: not a filter's length, nor how many calls it refuses.
const REACHED: [&str; 10] = [
    "system calls allowed",
    "capabilities, effective",
    "capabilities, bounding",
    "processes visible",
    "mounts, writable",
    "proc files writable",
    "sys files writable",
    "devices openable",
    "kernel log",
    "host sockets reached",
];

/// A way out that was found is none that a filter makes good for.
const OUT: &str = "host files reached";

/// Process isolation and hardware virtualization keep different things apart.
pub fn isolation(facts: &Facts) -> Claim {
    let mut evidence = Vec::new();
    let (mut narrower, mut measured) = (0, 0);
    for case in REACHED {
        let of = |subject| facts.number(Metric::M13, Lane::R, case, subject);
        let Some((ours, bare)) = of("rrun").zip(of("bare")) else { continue };
        measured += 1;
        narrower += usize::from(ours.value() < bare.value());
        let shown = |row: &Row| number::quantity(row.value().unwrap_or(f64::NAN), row.unit);
        evidence.push(format!("{case}: {}; bare {}.", shown(ours), shown(bare)));
    }
    let out = facts.number(Metric::M13, Lane::R, OUT, "rrun").and_then(Row::value);
    if let Some(out) = out {
        evidence.push(format!("{OUT} from inside: {}.", number::digits(out)));
    }
    evidence.push(
        "The container's calls enter the host's kernel; a virtual machine's enter its own."
            .to_owned(),
    );
    let verdict = match (measured, narrower, out) {
        (_, _, Some(out)) if out > 0.0 => {
            Verdict::Fails("files of the host were reached from inside".to_owned())
        }
        (0, ..) => Verdict::Open("reach was not measured".to_owned()),
        (_, 0, _) => Verdict::Fails("a container reaches all that a bare process does".to_owned()),
        _ => Verdict::Holds("for packaging; it is not the wall that a hypervisor is".to_owned()),
    };
    Claim {
        claim: "Process isolation for packaging, hardware virtualization for infrastructure",
        measured: "What a process inside could touch: system calls, capabilities, files, devices, other processes.",
        verdict,
        evidence,
    }
}

/// Limits on processor and memory hold; replicas work.
pub fn managed(facts: &Facts) -> Claim {
    let mut evidence = Vec::new();
    let accuracy: Vec<(&Row, f64)> = of_subject(facts, Metric::M6, Lane::W, "rrun")
        .into_iter()
        .filter(|row| row.unit == Unit::Percent)
        .filter_map(|row| Some((row, row.value()?)))
        .collect();
    for (row, value) in &accuracy {
        let side = if *value > 0.0 { "above" } else { "below" };
        let off = number::quantity(value.abs(), Unit::Percent);
        evidence.push(format!("{}: {off} {side} the limit.", row.case));
    }
    // Less is what a busy host gives, too, and what the kernel keeps for a process; more is the limit's own fault.
    let exact = accuracy.iter().all(|(_, value)| *value <= EXACT);
    let unlimited = worst(facts, "no limits", &mut evidence);
    let limited = worst(facts, "limits", &mut evidence);
    let replicas: Vec<&Row> = of_subject(facts, Metric::M14, Lane::W, "rrun")
        .into_iter()
        .filter(|row| row.case.contains("replica") && row.unit == Unit::Milliseconds)
        .collect();
    for row in &replicas {
        evidence.push(format!("{}: {}.", row.case, number::of_row(row)));
    }
    let tamed =
        matches!((limited, unlimited), (Some(limited), Some(unlimited)) if limited < unlimited);
    let verdict = match (accuracy.is_empty(), exact, tamed, replicas.is_empty()) {
        (true, _, false, true) => {
            Verdict::Open("neither limits nor replicas were measured".to_owned())
        }
        (false, true, true, false) => Verdict::Holds("on one host".to_owned()),
        (false, false, ..) => {
            Verdict::Fails(format!("more than {EXACT} % above a limit was let through"))
        }
        (_, _, false, _) => {
            Verdict::Partly("that limits protect a neighbour was not shown".to_owned())
        }
        (_, _, true, _) => {
            Verdict::Partly("limits protect a neighbour; the rest was not measured".to_owned())
        }
    };
    Claim {
        claim: "Processor and memory are managed; replicas scale",
        measured: "How exact limits are, what they spare a neighbour, and how fast replicas come up. One host: nothing \
            here is about several.",
        verdict,
        evidence,
    }
}

/// The worst slowdown of a victim under a configuration: "container, no limits", "limits".
fn worst(facts: &Facts, configuration: &str, evidence: &mut Vec<String>) -> Option<f64> {
    let of = |row: &&Row| {
        let mut words = row.case.split(" | ").skip(1);
        let name = words.next().unwrap_or_default();
        name == configuration || name.ends_with(&format!(", {configuration}"))
    };
    let rows = facts.of(Metric::M12, Lane::W).filter(of).filter(|row| row.unit == Unit::Ratio);
    let numbers = rows.filter_map(|row| match &row.found {
        Found::DidNotFinish(_) => Some((row, f64::INFINITY)),
        Found::Samples(_) | Found::Exact(_) | Found::Text(_) | Found::Missing(_) => {
            row.value().map(|value| (row, value))
        }
    });
    let (row, value) = numbers.max_by(|a, b| a.1.total_cmp(&b.1))?;
    evidence.push(format!(
        "The worst neighbour with {configuration}: {}: {}.",
        row.case.replace(" | ", ", "),
        number::of_row(row)
    ));
    Some(value)
}
