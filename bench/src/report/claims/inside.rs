//! No translation of I/O, isolation of processes, limits and replicas.

use super::{Claim, Verdict, compared, no_machine, of_subject};
use crate::report::facts::{Facts, Virtualization};
use crate::report::number;
use crate::result::{Found, Lane, Metric, Row, Unit};
use crate::stats::Estimate;

/// What a container may cost before "nothing" is the wrong word: the noise that a run is allowed to have.
const NOTHING: f64 = 1.05;

/// Exact to within this many hundredths.
const EXACT: f64 = 5.0;

/// The container uses the host's kernel; no driver boundary.
pub fn no_translation(facts: &Facts) -> Claim {
    let mut evidence = Vec::new();
    let (mut same, mut slower) = (0, Vec::new());
    for metric in [Metric::M9, Metric::M11] {
        for row in of_subject(facts, metric, "rrun").into_iter().filter(|row| row.lane == Lane::W) {
            let bare = facts.row(metric, &row.case, "bare");
            let Some(ratio) = bare.and_then(|bare| slowdown(facts, row, bare)) else { continue };
            if ratio.low <= NOTHING {
                same += 1;
            } else {
                slower.push(format!("{}: {} the bare process", row.case, number::ratio(&ratio)));
            }
        }
    }
    if same > 0 {
        let all = same + slower.len();
        evidence.push(format!(
            "In {same} of {all} file and network cases a container's interval reaches down to {NOTHING} times a bare process."
        ));
    }
    evidence.extend(slower.iter().map(|sentence| format!("Slower: {sentence}.")));
    let machine = machines(facts, &mut evidence);
    let toll = facts.row(Metric::M7, "getppid", "rrun");
    let bare = facts.row(Metric::M7, "getppid", "bare");
    evidence.extend(compared(facts, toll, bare).map(|(_, sentence)| {
        format!("A system-call filter is a toll of its own, on every call: {sentence}.")
    }));
    let verdict = match (same, slower.len(), machine) {
        (0, 0, _) => Verdict::Open("neither files nor network were measured".to_owned()),
        (_, 0, Some(())) => Verdict::Holds(String::new()),
        (_, 0, None) => Verdict::Partly(format!(
            "the container adds nothing that was measured; what a virtual machine adds is open: {}",
            no_machine(facts)
        )),
        (0, ..) => Verdict::Fails("every case was slower in the container".to_owned()),
        (_, some, _) => Verdict::Partly(format!("{some} cases were slower in the container")),
    };
    Claim {
        claim: "No translation of I/O between guest and host",
        measured: "The same operations on the same files and sockets as a bare process, in a container, and in a virtual \
            machine through its drivers.",
        verdict,
        evidence,
    }
}

/// What a virtual machine adds to the same operations, where its time may be divided.
fn machines(facts: &Facts, evidence: &mut Vec<String>) -> Option<()> {
    if facts.virtualization() != Virtualization::Hardware {
        return None;
    }
    let mut any = None;
    for metric in [Metric::M9, Metric::M11] {
        for row in of_subject(facts, metric, "vm") {
            let bare = facts.row(metric, &row.case, "bare");
            if let Some(ratio) = bare.and_then(|bare| slowdown(facts, row, bare)) {
                evidence.push(format!("Virtual machine, {}: {}.", row.case, number::ratio(&ratio)));
                any = Some(());
            }
        }
    }
    any
}

/// How many times longer; of a rate, how many times less.
fn slowdown(facts: &Facts, row: &Row, bare: &Row) -> Option<Estimate> {
    let ratio = facts.ratio(row, bare)?;
    let turned =
        Estimate { value: 1.0 / ratio.value, low: 1.0 / ratio.high, high: 1.0 / ratio.low };
    Some(if row.unit.more_is_better() { turned } else { ratio })
}

/// Process isolation and hardware virtualization keep different things apart.
pub fn isolation(facts: &Facts) -> Claim {
    let rows = of_subject(facts, Metric::M13, "rrun");
    let mut evidence = Vec::new();
    let mut narrower = 0;
    for row in &rows {
        let Some(bare) = facts.row(Metric::M13, &row.case, "bare") else { continue };
        let (Some(ours), Some(theirs)) = (row.value(), bare.value()) else { continue };
        if ours < theirs {
            narrower += 1;
            evidence.push(format!(
                "{}: {} of the bare process's {}.",
                row.case,
                number::quantity(ours, row.unit),
                number::quantity(theirs, bare.unit)
            ));
        }
    }
    evidence.push(
        "The container's calls enter the host's kernel; a virtual machine's enter its own."
            .to_owned(),
    );
    let verdict = match (rows.is_empty(), narrower) {
        (true, _) => Verdict::Open("reach was not measured".to_owned()),
        (false, 0) => Verdict::Fails("a container reaches all that a bare process does".to_owned()),
        (false, _) => {
            Verdict::Holds("for packaging; it is not the wall that a hypervisor is".to_owned())
        }
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
    let accuracy: Vec<(&Row, f64)> = of_subject(facts, Metric::M6, "rrun")
        .into_iter()
        .filter(|row| row.unit == Unit::Percent)
        .filter_map(|row| Some((row, row.value()?)))
        .collect();
    for (row, value) in &accuracy {
        evidence.push(format!("{}: off by {}.", row.case, number::quantity(*value, Unit::Percent)));
    }
    let exact = accuracy.iter().all(|(_, value)| value.abs() <= EXACT);
    let unlimited = worst(facts, "no limits", &mut evidence);
    let limited = worst(facts, "limits", &mut evidence);
    let replicas: Vec<&Row> = of_subject(facts, Metric::M14, "rrun")
        .into_iter()
        .filter(|row| row.case.contains("replica"))
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
        (false, false, ..) => Verdict::Fails(format!("a limit was off by more than {EXACT} %")),
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
        row.case,
        number::of_row(row)
    ));
    Some(value)
}
