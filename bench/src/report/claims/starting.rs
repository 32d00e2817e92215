//! Portable, fast to provision and start, lightweight.

use super::{Claim, Side, Verdict, compared, no_machine, side};
use crate::report::facts::{Facts, is_vm};
use crate::report::number;
use crate::result::{Lane, Metric};

/// One image, the same everywhere.
pub fn portable(facts: &Facts) -> Claim {
    let ran: Vec<&str> = facts
        .of(Metric::M1, Lane::W)
        .filter(|row| row.case == "run" && row.value().is_some() && !is_vm(&row.subject))
        .map(|row| row.subject.as_str())
        .filter(|subject| !["spawn", "floor"].contains(subject) && !subject.contains(','))
        .collect();
    let mut evidence = Vec::new();
    if !ran.is_empty() {
        evidence.push(format!(
            "The same bundle and configuration ran unchanged under {}.",
            ran.join(", ")
        ));
    }
    if let Some(kernel) = facts.fact("kernel") {
        evidence.push(format!("All of them on one kernel, Linux {kernel}, and one architecture: what an image needs of both was not varied."));
    }
    for row in facts.results.of(Metric::M1p).filter(|row| row.value().is_some()) {
        evidence.push(format!(
            "Provisioning, {} ({}): {}.",
            row.case,
            row.subject,
            number::of_row(row)
        ));
    }
    let verdict = if ran.len() >= 2 {
        Verdict::Partly("across runtimes, on one kernel".to_owned())
    } else {
        Verdict::Open("fewer than two runtimes were measured".to_owned())
    };
    Claim {
        claim: "One image, the same environment everywhere",
        measured: "One configuration, with no change for anyone, under every runtime of this machine; and what it takes \
            to make an image startable.",
        verdict,
        evidence,
    }
}

/// Faster than a virtual machine.
pub fn fast(facts: &Facts) -> Claim {
    let start = |subject| facts.row(Metric::M1, Lane::W, "run", subject);
    let counted = |subject| facts.row(Metric::M1i, Lane::I, "run", subject);
    let cold = compared(facts, start("vm microvm"), start("rrun"));
    let restored = compared(facts, start("vm restored"), start("rrun"));
    let instructions = compared(facts, counted("vm microvm"), counted("rrun"));
    let sides =
        [&cold, &restored, &instructions].map(|found| found.as_ref().map(|(ratio, _)| side(ratio)));
    let verdict = match sides {
        [Some(Side::Above), Some(Side::Above), _] => {
            Verdict::Holds("against a cold and a restored virtual machine".to_owned())
        }
        [Some(Side::Above), Some(_), _] => {
            Verdict::Partly("against a cold virtual machine, not against a restored one".to_owned())
        }
        [Some(Side::Above), None, _] => {
            Verdict::Partly("against a cold virtual machine".to_owned())
        }
        [Some(Side::Below), ..] => {
            Verdict::Fails("a cold virtual machine started faster".to_owned())
        }
        [Some(Side::Unclear), ..] => Verdict::Open("the interval has both sides in it".to_owned()),
        [None, _, Some(Side::Above)] => Verdict::Partly(format!(
            "counted in instructions, against a cold virtual machine; in time it is open: {}",
            no_machine(facts)
        )),
        [None, _, Some(Side::Below)] => Verdict::Fails("counted in instructions".to_owned()),
        [None, ..] => Verdict::Open(no_machine(facts).to_owned()),
    };
    let mut evidence: Vec<String> = [cold, restored, instructions]
        .into_iter()
        .flatten()
        .map(|(_, sentence)| sentence + ".")
        .collect();
    for subject in ["vm microvm", "vm restored"] {
        let shown = start(subject).filter(|row| row.value().is_some());
        if let Some(row) =
            shown.filter(|row| start("rrun").is_some_and(|ours| !facts.may_divide(row, ours)))
        {
            evidence.push(format!(
                "{subject}, emulated, for orientation only: {}.",
                number::of_row(row)
            ));
        }
    }
    Claim {
        claim: "Fast to provision and to start, against a virtual machine",
        measured: "From the birth of the runtime's, or QEMU's, process to the same program's first instruction.",
        verdict,
        evidence,
    }
}

/// Only the program's own files and memory.
pub fn light(facts: &Facts) -> Claim {
    let against = compared(facts, facts.memory("vm"), facts.memory("rrun"));
    let verdict = match against.as_ref().map(|(ratio, _)| side(ratio)) {
        Some(Side::Above) => Verdict::Holds("in memory of an idle instance".to_owned()),
        Some(Side::Below) => Verdict::Fails("an idle virtual machine took less memory".to_owned()),
        Some(Side::Unclear) => Verdict::Open("the interval has both sides in it".to_owned()),
        None => Verdict::Open("the memory of both was not measured".to_owned()),
    };
    let mut evidence: Vec<String> =
        against.into_iter().map(|(_, sentence)| sentence + ".").collect();
    for row in ["bare", "runc", "crun"].into_iter().filter_map(|subject| facts.memory(subject)) {
        evidence.push(format!("For comparison, {}: {}.", row.subject, number::of_row(row)));
    }
    Claim {
        claim: "Lightweight: the program's own files instead of a guest system",
        measured: "What the kernel charges to an idle instance, its kernel memory and what its start left included.",
        verdict,
        evidence,
    }
}
