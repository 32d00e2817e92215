//! What is kept of a run: the rows that are gated, one number each, and the emulated machine that they belong to.
//!
//! What a newcomer would get wrong: other people's runtimes are not gated; their packages change, and it is not our
//! fault. And of reach, only what rrun decides is: how many files /proc has, the host's kernel decides.

use crate::lane_i;
use crate::result::{Found, Isobench, Lane, Metric, Row, Unit};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// Who is not ours.
const STRANGERS: [&str; 3] = ["runc", "crun", "youki"];

/// Of lane R: what differs between two kernels of the host, or two of its distributions.
const THE_HOSTS: [&str; 2] = ["mounts", "proc files writable"];

/// One row's number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// The question.
    pub metric: Metric,
    /// I or R.
    pub lane: Lane,
    /// Which case of it.
    pub case: String,
    /// Who.
    pub subject: String,
    /// Of the value.
    pub unit: Unit,
    /// The median, or the count; of single system calls the least.
    pub value: f64,
}

impl Mark {
    /// Whether both are of the same row.
    #[must_use]
    pub fn is_of(&self, other: &Self) -> bool {
        let key = |mark: &Self| (mark.metric, mark.lane, mark.unit.symbol());
        key(self) == key(other) && self.case == other.case && self.subject == other.subject
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { metric, case, subject, value, .. } = self;
        write!(out, "{metric:?} {case}, {subject}: {value} {}", self.unit.symbol())
    }
}

/// The rows of a run that are gated.
#[must_use]
pub fn marks(results: &Isobench) -> Vec<Mark> {
    results.rows.iter().filter_map(mark).collect()
}

fn mark(row: &Row) -> Option<Mark> {
    let ours = !STRANGERS.iter().any(|name| row.subject.starts_with(name));
    let gated = match row.lane {
        Lane::I => matches!(row.unit, Unit::Instructions | Unit::Ratio),
        Lane::R => {
            let decided = row.subject.starts_with("rrun") && !THE_HOSTS.contains(&&*row.case);
            decided && matches!(row.found, Found::Exact(_))
        }
        Lane::W => false,
    };
    (ours && gated).then_some(())?;
    Some(Mark {
        metric: row.metric,
        lane: row.lane,
        case: row.case.clone(),
        subject: row.subject.clone(),
        unit: row.unit,
        value: value(row)?,
    })
}

/// The median; of single system calls the least. A boot lays addresses out in its own way, and where a page table begins
/// just there, each mapping of its boot makes one anew: that is more instructions, never fewer, and not ours.
fn value(row: &Row) -> Option<f64> {
    match &row.found {
        Found::Samples(samples) if row.metric == Metric::M7 => {
            samples.iter().copied().reduce(f64::min)
        }
        _ => row.value(),
    }
}

/// The emulated machine of lane I, as its row says: the name of the baseline.
#[must_use]
pub fn machine(results: &Isobench) -> Option<&str> {
    let row = results.row(Metric::M1i, lane_i::MACHINE, lane_i::MACHINE)?;
    match &row.found {
        Found::Text(text) => Some(text),
        _ => None,
    }
}

/// A run that the next ones are held against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// "7.2.22-6.1.0-56-cloud-amd64".
    pub machine: String,
    /// In the order in which they were measured.
    pub rows: Vec<Mark>,
}

impl Baseline {
    /// Where a machine's baseline is kept.
    #[must_use]
    pub fn file(directory: &Path, machine: &str) -> PathBuf {
        directory.join(format!("{machine}.json"))
    }

    /// Reads it.
    ///
    /// # Errors
    /// There is none, or it can't be understood; the sentence names the file.
    pub fn read(file: &Path) -> Result<Self, String> {
        let told = |why: &dyn fmt::Display| format!("{}: {why}", file.display());
        let text = std::fs::read(file).map_err(|why| told(&why))?;
        serde_json::from_slice(&text).map_err(|why| told(&why))
    }

    /// Writes it.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub fn write(&self, file: &Path) -> Result<(), String> {
        let told = |why: &dyn fmt::Display| format!("{}: {why}", file.display());
        if let Some(directory) = file.parent() {
            std::fs::create_dir_all(directory).map_err(|why| told(&why))?;
        }
        let text = serde_json::to_string_pretty(self).map_err(|why| told(&why))?;
        std::fs::write(file, text + "\n").map_err(|why| told(&why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn row(lane: Lane, subject: &str, unit: Unit) -> Row {
        Row::new(Metric::M1i, "run", subject, unit, "").lane(lane)
    }

    fn results(rows: Vec<Row>) -> Isobench {
        Isobench { schema: crate::result::SCHEMA, run: Value::Null, rows, problems: Vec::new() }
    }

    #[test]
    fn only_what_is_ours_and_steady_is_kept() {
        let instructions = Unit::Instructions;
        let kept = marks(&results(vec![
            row(Lane::I, "rrun", instructions).samples(vec![1.0, 2.0, 9.0]),
            Row {
                metric: Metric::M7,
                ..row(Lane::I, "rrun", instructions).samples(vec![5.0, 6.0, 7.0])
            },
            row(Lane::I, "runc, no seccomp", instructions).samples(vec![1.0]),
            row(Lane::I, "rrun", Unit::Count).samples(vec![7.0]),
            row(Lane::W, "rrun", Unit::Milliseconds).samples(vec![1.0]),
            row(Lane::R, "rrun", Unit::Count).exact(312.0),
            row(Lane::R, "rrun", Unit::Count).text("own kernel"),
            row(Lane::R, "bare", Unit::Count).exact(97.0),
            Row { case: "mounts".to_owned(), ..row(Lane::R, "rrun", Unit::Count).exact(16.0) },
        ]));
        let values: Vec<f64> = kept.iter().map(|mark| mark.value).collect();
        assert_eq!(values, [2.0, 5.0, 312.0]);
    }

    #[test]
    fn a_run_says_which_machine_it_was() {
        let row = Row::new(Metric::M1i, lane_i::MACHINE, lane_i::MACHINE, Unit::Count, "");
        let text = row.lane(Lane::I).text("7.2.22-6.1.0");
        assert_eq!(machine(&results(vec![text])), Some("7.2.22-6.1.0"));
        assert_eq!(machine(&results(Vec::new())), None);
    }
}
