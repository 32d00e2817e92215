//! The gate: what may not get worse unnoticed, held against a file that is kept with the sources.
//!
//! Gated is what a busy machine can't move: instructions of lane I, ± 2 % (system calls 5 %, ratios 0.1), and the counts of lane R, exactly.
//! It refuses to compare figures of different emulated machines: each version of QEMU and each kernel has a file of its
//! own. What a newcomer would get wrong: a row that is gone is worse than one that grew, and fails, too; a row that got
//! better passes, and asks for a new baseline.

mod marks;

pub use marks::{Baseline, Mark, machine, marks};

use crate::result::{Lane, Metric, Unit};

/// Of a row of lane I, in parts of the baseline.
const TOLERANCE: f64 = 0.02;

/// Of a system call.
const TOLERANCE_OF_CALLS: f64 = 0.05;

/// How a row stands to the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Within what is tolerated.
    Same,
    /// Less than that: passes.
    Better,
    /// More than that, or a count that changed: fails.
    Worse,
    /// Not in the results: fails.
    Missing,
    /// Not in the baseline: passes.
    New,
}

impl Verdict {
    /// Whether the gate stays shut.
    #[must_use]
    pub const fn fails(self) -> bool {
        matches!(self, Self::Worse | Self::Missing)
    }
}

/// One row's verdict and the sentence for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How it stands.
    pub verdict: Verdict,
    /// Which row, from what to what.
    pub text: String,
}

/// Holds `found` against `baseline`: the baseline's rows in order, then what is new.
#[must_use]
pub fn compare(baseline: &[Mark], found: &[Mark]) -> Vec<Line> {
    let old = baseline.iter().map(|mark| match found.iter().find(|other| other.is_of(mark)) {
        None => Line { verdict: Verdict::Missing, text: format!("{mark}: not measured") },
        Some(now) => {
            let change = 100.0 * (now.value - mark.value) / mark.value.abs();
            let change =
                if change.is_finite() { format!(" ({change:+.2} %)") } else { String::new() };
            let text = format!("{mark} → {}{change}", now.value);
            Line { verdict: judge(mark, now.value), text }
        }
    });
    let is_new = |mark: &&Mark| !baseline.iter().any(|other| other.is_of(mark));
    let new = found.iter().filter(is_new);
    old.chain(new.map(|mark| Line { verdict: Verdict::New, text: mark.to_string() })).collect()
}

fn judge(mark: &Mark, now: f64) -> Verdict {
    let (change, tolerated) = (now - mark.value, tolerated(mark));
    if mark.lane == Lane::R {
        return if change == 0.0 { Verdict::Same } else { Verdict::Worse };
    }
    if change > tolerated {
        Verdict::Worse
    } else if change < -tolerated {
        Verdict::Better
    } else {
        Verdict::Same
    }
}

/// What is small scatters more in parts of itself, so there is a floor.
fn tolerated(mark: &Mark) -> f64 {
    let floor = match (mark.metric, mark.unit) {
        (Metric::M1i, _) => 20_000.0,
        (_, Unit::Instructions) => 25.0,
        // Limits hold, or they don't: 1.1 or 2.
        (_, Unit::Ratio) => 0.1,
        _ => 0.0,
    };
    // Where a process is born in each turn, the kernel's own work in between moves the count by up to three hundredths.
    let part = if mark.metric == Metric::M7 { TOLERANCE_OF_CALLS } else { TOLERANCE };
    f64::max(mark.value.abs() * part, floor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(lane: Lane, case: &str, value: f64) -> Mark {
        let (metric, unit) = match lane {
            Lane::R => (Metric::M13, Unit::Count),
            _ => (Metric::M1i, Unit::Instructions),
        };
        Mark { metric, lane, case: case.to_owned(), subject: "rrun".to_owned(), unit, value }
    }

    fn verdicts(baseline: &[Mark], found: &[Mark]) -> Vec<Verdict> {
        compare(baseline, found).into_iter().map(|line| line.verdict).collect()
    }

    #[test]
    fn three_hundredths_more_fail_and_one_passes() {
        let of =
            |value| verdicts(&[mark(Lane::I, "run", 4_000_000.0)], &[mark(Lane::I, "run", value)]);
        assert_eq!(of(4_120_000.0), [Verdict::Worse]);
        assert_eq!(of(4_040_000.0), [Verdict::Same]);
        assert_eq!(of(3_880_000.0), [Verdict::Better]);
    }

    #[test]
    fn what_is_small_has_a_floor() {
        let before = mark(Lane::I, "run", 300_000.0);
        assert_eq!(judge(&before, 315_000.0), Verdict::Same);
        assert_eq!(judge(&before, 321_000.0), Verdict::Worse);
    }

    #[test]
    fn a_count_may_not_change_at_all() {
        let before = mark(Lane::R, "system calls", 312.0);
        assert_eq!(judge(&before, 312.0), Verdict::Same);
        assert_eq!(judge(&before, 311.0), Verdict::Worse);
        assert_eq!(judge(&before, 313.0), Verdict::Worse);
    }

    #[test]
    fn a_row_that_is_gone_fails_and_a_new_one_is_told() {
        let found = verdicts(&[mark(Lane::I, "run", 1.0)], &[mark(Lane::I, "exec", 1.0)]);
        assert_eq!(found, [Verdict::Missing, Verdict::New]);
        assert!(found[0].fails() && !found[1].fails());
    }
}
