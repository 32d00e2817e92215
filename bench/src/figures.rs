//! What samples say: quantiles, ratios by round, a table for people and JSON for programs.
//!
//! It refuses means, which one disturbed sample can move anywhere. What a newcomer would get wrong: the ratio of two
//! medians is not the median of the ratios; the latter compares what ran within the same few milliseconds.

use crate::process::Took;
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::Duration;

/// The value below which a fraction `part` of `values` lies; 0 without values.
#[must_use]
pub fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let index = (part * last as f64).round() as usize;
    sorted.get(index).copied().unwrap_or(0.0)
}

/// One line of a table.
#[derive(Debug)]
pub struct Row {
    /// Who.
    pub label: String,
    /// Milliseconds to the payload's first instruction, round by round.
    pub start: Vec<f64>,
    /// Milliseconds by the clock until it was reaped.
    pub wall: Vec<f64>,
    /// Milliseconds of the processors.
    pub cpu: Vec<f64>,
}

impl Row {
    /// From what was measured.
    #[must_use]
    pub fn new(label: &str, samples: &[Took]) -> Self {
        let milliseconds = |of: fn(&Took) -> Duration| {
            samples.iter().map(|took| of(took).as_secs_f64() * 1e3).collect()
        };
        Self {
            label: label.to_owned(),
            start: milliseconds(|took| took.start),
            wall: milliseconds(|took| took.wall),
            cpu: milliseconds(|took| took.cpu),
        }
    }

    /// The median of the ratios to `other`, round by round.
    #[must_use]
    pub fn ratio(&self, other: &Self) -> f64 {
        let ratios: Vec<f64> = self.wall.iter().zip(&other.wall).map(|(a, b)| a / b).collect();
        quantile(&ratios, 0.5)
    }
}

/// The rows as text; each is divided by the one whose label `base` says.
#[must_use]
pub fn table(rows: &[Row], base: impl Fn(&Row) -> String) -> String {
    let mut text = format!(
        "{:<36}{:>8}{:>8}{:>8}{:>8}{:>9}{:>9}{:>9}\n",
        "milliseconds", "min", "p10", "p50", "p90", "ratio", "started", "cpu"
    );
    for row in rows {
        let [min, p10, p50, p90] = [0.0, 0.1, 0.5, 0.9].map(|part| quantile(&row.wall, part));
        let [start, cpu] = [&row.start, &row.cpu].map(|values| quantile(values, 0.5));
        let wanted = base(row);
        let base = rows.iter().find(|row| row.label == wanted);
        let ratio = base.map_or_else(String::new, |base| format!("{:.2}", row.ratio(base)));
        // Writing to a String does not fail.
        let _written = writeln!(
            text,
            "{:<36}{min:>8.2}{p10:>8.2}{p50:>8.2}{p90:>8.2}{ratio:>9}{start:>9.2}{cpu:>9.2}",
            row.label
        );
    }
    text
}

/// The base of a row "verb: runtime" is rrun's of the same verb.
#[must_use]
pub fn by_verb(row: &Row) -> String {
    row.label.split(": ").next().unwrap_or_default().to_owned() + ": rrun"
}

/// The rows with every sample, and the machine they are from.
#[must_use]
pub fn json(rows: &[Row], machine: &Value) -> Value {
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            let [min, p10, p50, p90] = [0.0, 0.1, 0.5, 0.9].map(|part| quantile(&row.wall, part));
            json!({
                "label": row.label, "unit": "ms", "min": min, "p10": p10, "p50": p50, "p90": p90,
                "start": row.start, "wall": row.wall, "cpu": row.cpu,
            })
        })
        .collect();
    json!({ "machine": machine, "rows": rows })
}

/// The machine, in one object.
#[must_use]
pub fn machine() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let model = read("/proc/cpuinfo");
    let model = model.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown").to_owned();
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    json!({
        "kernel": read("/proc/sys/kernel/osrelease"), "processor": model, "processors": processors,
        "load": read("/proc/loadavg"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(label: &str, wall: &[f64]) -> Row {
        Row { label: label.to_owned(), start: Vec::new(), wall: wall.to_vec(), cpu: Vec::new() }
    }

    #[test]
    fn quantiles_are_samples_and_not_between_them() {
        let values = [5.0, 1.0, 3.0, 2.0, 4.0];
        assert_eq!([0.0, 0.5, 0.9, 1.0].map(|part| quantile(&values, part)), [1.0, 3.0, 5.0, 5.0]);
    }

    #[test]
    fn ratios_compare_what_ran_in_the_same_round() {
        let (base, twice) = (row("base", &[1.0, 10.0, 2.0]), row("twice", &[2.0, 20.0, 4.0]));
        assert!((twice.ratio(&base) - 2.0).abs() < 1e-9);
        assert!(table(&[base, twice], |_| "base".to_owned()).contains("2.00"));
    }
}
