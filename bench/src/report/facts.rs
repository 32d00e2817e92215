//! What the report knows beside its rows: where it was run, who is who, and which numbers may be divided.
//!
//! What a newcomer would get wrong: without hardware virtualization a virtual machine's *time* is that of an emulator.
//! It is shown, and nothing is ever divided by it; instructions and counts are the same under both.

use crate::result::{Isobench, Lane, Metric, Row};
use crate::stats::Estimate;
use serde_json::Value;

/// A results file, read for a report.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The file.
    pub results: &'a Isobench,
}

/// What ran the virtual machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Virtualization {
    /// A guest answered under KVM.
    Hardware,
    /// QEMU emulated them.
    Emulated,
    /// There were none.
    None,
}

impl<'a> Facts<'a> {
    /// Of a file.
    #[must_use]
    pub const fn new(results: &'a Isobench) -> Self {
        Self { results }
    }

    /// A text of the run's facts: "versions/runc".
    #[must_use]
    pub fn fact(&self, path: &str) -> Option<String> {
        match self.results.run.pointer(&format!("/{path}"))? {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        }
    }

    /// What ran the virtual machines.
    #[must_use]
    pub fn virtualization(&self) -> Virtualization {
        match self.results.run["accelerator"].as_str() {
            Some("kvm") => Virtualization::Hardware,
            Some("tcg") => Virtualization::Emulated,
            _ => Virtualization::None,
        }
    }

    /// Whether a row may be divided by another: nothing in the lane of the wall clock by an emulated machine, nor it by
    /// anything but itself.
    #[must_use]
    pub fn may_divide(&self, row: &Row, base: &Row) -> bool {
        let emulated = |row: &Row| {
            is_vm(&row.subject)
                && row.lane == Lane::W
                && is_time(row)
                && self.virtualization() != Virtualization::Hardware
        };
        emulated(row) == emulated(base)
    }

    /// `row` / `base` where that is allowed.
    #[must_use]
    pub fn ratio(&self, row: &Row, base: &Row) -> Option<Estimate> {
        if self.may_divide(row, base) { row.ratio(base) } else { None }
    }

    /// How many times longer `row` takes than `base`, where that may be said; of a rate, how many times less it is.
    #[must_use]
    pub fn slowdown(&self, row: &Row, base: &Row) -> Option<Estimate> {
        let ratio = self.ratio(row, base)?;
        let turned =
            Estimate { value: 1.0 / ratio.value, low: 1.0 / ratio.high, high: 1.0 / ratio.low };
        Some(if row.unit.more_is_better() { turned } else { ratio })
    }

    /// The row of a metric, a lane, a case and a subject: the same case may have been measured in two lanes.
    #[must_use]
    pub fn row(&self, metric: Metric, lane: Lane, case: &str, subject: &str) -> Option<&'a Row> {
        self.of(metric, lane).find(|row| row.case == case && row.subject == subject)
    }

    /// The same, if it has a number.
    #[must_use]
    pub fn number(&self, metric: Metric, lane: Lane, case: &str, subject: &str) -> Option<&'a Row> {
        self.row(metric, lane, case, subject).filter(|row| row.value().is_some())
    }

    /// A number of an idle instance's whole memory: what its own cgroup is charged, and what its start left charged to
    /// its caller, for who clones from there looks small otherwise.
    #[must_use]
    pub fn memory(&self, subject: &str) -> Option<&'a Row> {
        ["charge, total", "charge"]
            .into_iter()
            .find_map(|case| self.number(Metric::M4, Lane::W, case, subject))
    }

    /// The rows of a metric in a lane.
    pub fn of(&self, metric: Metric, lane: Lane) -> impl Iterator<Item = &'a Row> + use<'a> {
        self.results.of(metric).filter(move |row| row.lane == lane)
    }

    /// The cases of a metric in a lane, in the order in which they were measured.
    #[must_use]
    pub fn cases(&self, metric: Metric, lane: Lane) -> Vec<&'a str> {
        let mut cases: Vec<&str> = Vec::new();
        for row in self.of(metric, lane) {
            if !cases.contains(&row.case.as_str()) {
                cases.push(&row.case);
            }
        }
        cases
    }
}

/// Memory and counts are what they are under an emulator, too.
fn is_time(row: &Row) -> bool {
    use crate::result::Unit;
    match row.unit {
        Unit::Milliseconds
        | Unit::Microseconds
        | Unit::Nanoseconds
        | Unit::PerSecond
        | Unit::MebibytesPerSecond => true,
        Unit::Instructions | Unit::Kibibytes | Unit::Count | Unit::Ratio | Unit::Percent => false,
    }
}

/// Whether a subject is a virtual machine.
#[must_use]
pub fn is_vm(subject: &str) -> bool {
    family(subject) == "vm"
}

/// Which colour a subject has: its first word, if that is one that we know.
#[must_use]
pub fn family(subject: &str) -> &'static str {
    let first = match subject.split([' ', ',']).next().unwrap_or_default() {
        // Of engines: our shim, and containerd's.
        "shim" => "rrun",
        "runc's" => "runc",
        first => first,
    };
    let known = ["rrun", "runc", "crun", "youki", "vm", "floor"];
    known.into_iter().find(|known| *known == first).unwrap_or("bare")
}

/// Whether it is the lighter shade of its family: a variant, not the subject as everyone runs it.
#[must_use]
pub fn is_variant(subject: &str) -> bool {
    subject.contains(',') || matches!(subject, "spawn" | "vm stock" | "vm q35")
}

/// The order in plots and tables: what bounds from below, ours, the references, machines.
#[must_use]
pub fn order(subject: &str) -> (usize, bool, String) {
    let families = ["bare", "floor", "rrun", "crun", "runc", "youki", "vm"];
    let family = family(subject);
    let place = families.iter().position(|known| *known == family).unwrap_or(families.len());
    (place, is_variant(subject), subject.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::{SCHEMA, Unit};
    use serde_json::json;

    fn results(accelerator: &str) -> Isobench {
        let row = |subject: &str, unit| {
            Row::new(Metric::M1, "run", subject, unit, "t0→t1").samples(vec![1.0, 2.0, 3.0])
        };
        let rows = vec![row("rrun", Unit::Milliseconds), row("vm microvm", Unit::Milliseconds)];
        let run = json!({ "accelerator": accelerator });
        Isobench { schema: SCHEMA, run, rows, problems: Vec::new() }
    }

    #[test]
    fn nothing_is_divided_by_an_emulated_machines_time() {
        for (accelerator, allowed) in [("kvm", true), ("tcg", false), ("none", false)] {
            let results = results(accelerator);
            let facts = Facts::new(&results);
            let ratio = facts.ratio(&results.rows[1], &results.rows[0]);
            assert_eq!(ratio.is_some(), allowed, "{accelerator}");
        }
    }

    #[test]
    fn memory_is_compared_under_emulation_too() {
        let mut results = results("tcg");
        results.rows.iter_mut().for_each(|row| row.unit = Unit::Kibibytes);
        let facts = Facts::new(&results);
        assert!(facts.ratio(&results.rows[1], &results.rows[0]).is_some());
    }

    #[test]
    fn the_same_case_in_two_lanes_is_two_rows() {
        let row = |lane, value| {
            Row::new(Metric::M7, "getppid", "rrun", Unit::Nanoseconds, "").lane(lane).exact(value)
        };
        let rows = vec![row(Lane::I, 477.0), row(Lane::W, 160.0)];
        let results = Isobench { schema: SCHEMA, run: json!({}), rows, problems: Vec::new() };
        let facts = Facts::new(&results);
        let found = |lane| facts.row(Metric::M7, lane, "getppid", "rrun").and_then(Row::value);
        assert_eq!([found(Lane::I), found(Lane::W)], [Some(477.0), Some(160.0)]);
        assert_eq!(found(Lane::R), None);
    }

    #[test]
    fn unknown_subjects_have_a_colour_and_a_place() {
        assert_eq!(family("bare, one cgroup"), "bare");
        assert_eq!(family("rrun, no seccomp"), "rrun");
        assert_eq!(family("<script>"), "bare");
        assert!(order("rrun") < order("rrun, no seccomp"));
        assert!(order("spawn") < order("vm microvm"));
    }
}
