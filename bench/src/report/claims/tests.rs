//! Verdicts on results that were made up: each both ways.

use super::*;
use crate::result::{Isobench, SCHEMA, Unit};
use serde_json::json;

fn judged(accelerator: &str, rows: Vec<Row>, number: usize) -> Verdict {
    let run = json!({ "accelerator": accelerator });
    let results = Isobench { schema: SCHEMA, run, rows, problems: Vec::new() };
    claims(&Facts::new(&results)).swap_remove(number).verdict
}

fn samples(metric: Metric, case: &str, subject: &str, unit: Unit, middle: f64) -> Row {
    let samples = (0..20).map(|n| middle * (1.0 + f64::from(n % 5) / 1000.0)).collect();
    Row::new(metric, case, subject, unit, "of a test").samples(samples)
}

fn start(subject: &str, middle: f64) -> Row {
    samples(Metric::M1, "run", subject, Unit::Milliseconds, middle)
}

const FAST: usize = 1;
const LIGHT: usize = 2;
const IO: usize = 3;
const REACH: usize = 4;
const MANAGED: usize = 5;

#[test]
fn a_start_is_fast_when_it_beats_a_cold_and_a_restored_machine() {
    let rows = |cold, restored| {
        vec![start("rrun", 4.0), start("vm microvm", cold), start("vm restored", restored)]
    };
    assert!(matches!(judged("kvm", rows(150.0, 40.0), FAST), Verdict::Holds(_)));
    assert!(matches!(judged("kvm", rows(150.0, 3.0), FAST), Verdict::Partly(_)));
    assert!(matches!(judged("kvm", rows(3.0, 3.0), FAST), Verdict::Fails(_)));
}

#[test]
fn no_verdict_rests_on_an_emulated_machines_time() {
    let rows = vec![start("rrun", 4.0), start("vm microvm", 1500.0), start("vm restored", 48.0)];
    assert!(matches!(judged("tcg", rows.clone(), FAST), Verdict::Open(_)));
    let counted = |subject, value| {
        Row::new(Metric::M1i, "run", subject, Unit::Instructions, "i").lane(Lane::I).exact(value)
    };
    let rows = [rows, vec![counted("rrun", 4.2e6), counted("vm microvm", 398e6)]].concat();
    assert!(matches!(judged("tcg", rows, FAST), Verdict::Partly(_)));
}

#[test]
fn memory_decides_what_is_light() {
    let rows = |ours| {
        let row = |subject, value| samples(Metric::M4, "charge", subject, Unit::Kibibytes, value);
        vec![row("rrun", ours), row("vm", 131_072.0)]
    };
    assert!(matches!(judged("tcg", rows(150.0), LIGHT), Verdict::Holds(_)));
    assert!(matches!(judged("tcg", rows(200_000.0), LIGHT), Verdict::Fails(_)));
    assert!(matches!(judged("tcg", Vec::new(), LIGHT), Verdict::Open(_)));
}

#[test]
fn a_container_whose_files_are_slower_translates_something() {
    let file = |subject, middle| samples(Metric::M9, "pread", subject, Unit::Microseconds, middle);
    let rows = |ours| vec![file("bare", 1.0), file("rrun", ours), file("vm", 3.0)];
    assert_eq!(judged("kvm", rows(1.01), IO), Verdict::Holds(String::new()));
    assert!(matches!(judged("tcg", rows(1.01), IO), Verdict::Partly(_)));
    assert!(matches!(judged("kvm", rows(2.0), IO), Verdict::Fails(_)));
    // A machine that is no slower translates nothing that anyone would feel.
    let level = vec![file("bare", 1.0), file("rrun", 1.0), file("vm", 1.0)];
    assert!(matches!(judged("kvm", level, IO), Verdict::Partly(_)));
}

#[test]
fn what_scatters_is_no_proof_of_being_the_same() {
    let file = |subject, samples: [f64; 6]| {
        let row = Row::new(Metric::M9, "pread", subject, Unit::Microseconds, "of a test");
        row.samples(samples.into())
    };
    let wild = [0.5, 0.7, 1.0, 1.4, 2.0, 2.2];
    let mut rows = vec![file("bare", [1.0; 6]), file("rrun", wild), file("vm", [3.0; 6])];
    assert!(matches!(judged("kvm", rows.clone(), IO), Verdict::Open(_)));
    rows.extend([start_of(Metric::M9, "bare"), start_of(Metric::M9, "rrun")]);
    assert!(matches!(judged("kvm", rows, IO), Verdict::Partly(_)));
}

fn start_of(metric: Metric, subject: &str) -> Row {
    samples(metric, "fsync", subject, Unit::Microseconds, 1.0)
}

#[test]
fn a_file_of_the_host_that_is_reached_is_no_isolation() {
    let row = |case, subject, count| {
        Row::new(Metric::M13, case, subject, Unit::Count, "c").lane(Lane::R).exact(count)
    };
    let rows = |out| {
        let calls = |subject, count| row("system calls allowed", subject, count);
        vec![calls("bare", 463.0), calls("rrun", 312.0), row("host files reached", "rrun", out)]
    };
    assert!(matches!(judged("tcg", rows(0.0), REACH), Verdict::Holds(_)));
    assert!(matches!(judged("tcg", rows(1.0), REACH), Verdict::Fails(_)));
}

#[test]
fn a_rate_that_is_lower_is_slower() {
    let stream =
        |subject, middle| samples(Metric::M11, "stream", subject, Unit::MebibytesPerSecond, middle);
    let rows = vec![stream("bare", 1000.0), stream("rrun", 500.0)];
    assert!(matches!(judged("tcg", rows, IO), Verdict::Fails(_)));
}

#[test]
fn isolation_is_what_is_out_of_reach() {
    let calls = |subject, count| {
        Row::new(Metric::M13, "system calls allowed", subject, Unit::Count, "of 463")
            .lane(Lane::R)
            .exact(count)
    };
    let rows = |ours| vec![calls("bare", 463.0), calls("rrun", ours)];
    assert!(matches!(judged("tcg", rows(312.0), REACH), Verdict::Holds(_)));
    assert!(matches!(judged("tcg", rows(463.0), REACH), Verdict::Fails(_)));
}

#[test]
fn limits_must_be_exact_and_spare_the_neighbour() {
    let rows = |off, limited| {
        let noisy =
            |case, value| Row::new(Metric::M12, case, "rrun", Unit::Ratio, "r").exact(value);
        vec![
            Row::new(Metric::M6, "cpu.max 10 %", "rrun", Unit::Percent, "error").exact(off),
            noisy("cpu hog | container, no limits | cpu", 2.0),
            noisy("cpu hog | limits | cpu", limited),
            samples(Metric::M14, "replicas 8", "rrun", Unit::Milliseconds, 900.0),
        ]
    };
    assert!(matches!(judged("tcg", rows(0.2, 1.1), MANAGED), Verdict::Holds(_)));
    assert!(matches!(judged("tcg", rows(9.0, 1.1), MANAGED), Verdict::Fails(_)));
    // A busy host gives less than a limit allows; that is not the limit's.
    assert!(matches!(judged("tcg", rows(-9.0, 1.1), MANAGED), Verdict::Holds(_)));
    assert!(matches!(judged("tcg", rows(0.2, 3.0), MANAGED), Verdict::Partly(_)));
}

#[test]
fn nothing_measured_is_open_and_never_a_verdict() {
    for accelerator in ["kvm", "tcg", "none"] {
        for number in 0..6 {
            let verdict = judged(accelerator, Vec::new(), number);
            assert!(matches!(verdict, Verdict::Open(_)), "{number}: {verdict}");
        }
    }
}
