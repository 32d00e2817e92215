//! Numbers as people read them: three digits that mean something, a unit, and how sure they are.
//!
//! What a newcomer would get wrong: more digits than the interval has are a claim that nobody measured.

use crate::result::{Found, Row, Unit};
use crate::stats::{Estimate, Summary};

/// The number with three significant digits, and thin spaces between thousands.
#[must_use]
pub fn digits(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let size = value.abs();
    let places = match size {
        _ if size >= 99.95 => 0,
        _ if size >= 9.995 => 1,
        _ if size >= 0.9995 => 2,
        _ if size == 0.0 => 0,
        _ if size >= 0.1 => 3,
        _ => 4,
    };
    let plain = format!("{value:.places$}");
    if size < 10_000.0 { plain.replace('-', "−") } else { grouped(&plain) }
}

fn grouped(plain: &str) -> String {
    let (sign, number) = plain.strip_prefix('-').map_or(("", plain), |number| ("−", number));
    let first = number.len() % 3;
    let mut parts: Vec<&str> = Vec::new();
    if first > 0 {
        parts.push(&number[..first]);
    }
    parts.extend((first..number.len()).step_by(3).map(|at| &number[at..at + 3]));
    format!("{sign}{}", parts.join("\u{202f}"))
}

/// What a value is divided by before it is shown, and the unit then.
fn scale(size: f64, unit: Unit) -> (f64, &'static str) {
    match unit {
        Unit::Milliseconds if size >= 1000.0 => (1000.0, "s"),
        Unit::Microseconds if size >= 1_000_000.0 => (1_000_000.0, "s"),
        Unit::Microseconds if size >= 1000.0 => (1000.0, "ms"),
        Unit::Nanoseconds if size >= 1_000_000.0 => (1_000_000.0, "ms"),
        Unit::Nanoseconds if size >= 1000.0 => (1000.0, "µs"),
        Unit::Instructions if size >= 1_000_000.0 => (1_000_000.0, "Minstr"),
        Unit::Kibibytes if size >= 10_240.0 => (1024.0, "MiB"),
        Unit::Milliseconds
        | Unit::Microseconds
        | Unit::Nanoseconds
        | Unit::Instructions
        | Unit::PerSecond
        | Unit::Kibibytes
        | Unit::MebibytesPerSecond
        | Unit::Count
        | Unit::Ratio
        | Unit::Percent => (1.0, unit.symbol()),
    }
}

/// "3.63 ms".
#[must_use]
pub fn quantity(value: f64, unit: Unit) -> String {
    let (by, symbol) = scale(value.abs(), unit);
    let whole = unit == Unit::Count && value.fract() == 0.0 && value.abs() < 1e15;
    let number = if whole { grouped(&format!("{value:.0}")) } else { digits(value / by) };
    match symbol {
        "" => number,
        "×" | "%" => format!("{number}\u{202f}{symbol}"),
        symbol => format!("{number} {symbol}"),
    }
}

/// Half of an interval may be this part of its value: beyond, the number is a size, not a measure.
pub const STEADY: f64 = 0.05;

/// Whether the interval is wider than that.
#[must_use]
pub fn is_wide(estimate: &Estimate) -> bool {
    estimate.high - estimate.low > 2.0 * STEADY * estimate.value.abs()
}

/// Whether an interval is too wide to say on which side of 1 a ratio is.
#[must_use]
pub fn is_inconclusive(ratio: &Estimate) -> bool {
    is_wide(ratio) && (ratio.low..=ratio.high).contains(&1.0)
}

/// "3.63 ms [3.60, 3.71]", everything in the unit of the value; "≈" before one whose interval is wide.
#[must_use]
pub fn with_interval(estimate: &Estimate, unit: Unit) -> String {
    let (by, _) = scale(estimate.value.abs(), unit);
    let (low, high) = (digits(estimate.low / by), digits(estimate.high / by));
    let value = quantity(estimate.value, unit);
    let about = if is_wide(estimate) { "≈\u{202f}" } else { "" };
    if estimate.low == estimate.high { value } else { format!("{about}{value} [{low}, {high}]") }
}

/// "1.58 – 4.67 ms": both ends in the unit of the upper.
#[must_use]
pub fn range(ends: [f64; 2], unit: Unit) -> String {
    let (by, _) = scale(ends[1].abs(), unit);
    format!("{} – {}", digits(ends[0] / by), quantity(ends[1], unit))
}

/// A ratio with its interval, "1.96 × [1.92, 2.01]", or that it says nothing.
#[must_use]
pub fn ratio(estimate: &Estimate) -> String {
    if is_inconclusive(estimate) {
        let (low, high) = (digits(estimate.low), digits(estimate.high));
        return format!("inconclusive [{low}, {high}]");
    }
    with_interval(estimate, Unit::Ratio)
}

/// The median with its interval.
#[must_use]
pub fn of_summary(summary: &Summary, unit: Unit) -> String {
    let estimate = Estimate { value: summary.p50, low: summary.low, high: summary.high };
    with_interval(&estimate, unit)
}

/// What a row found, in a cell.
#[must_use]
pub fn of_row(row: &Row) -> String {
    match (&row.found, &row.summary) {
        (Found::Samples(_), Some(summary)) => of_summary(summary, row.unit),
        (Found::Samples(_), None) => "no samples".to_owned(),
        (Found::Exact(value), _) => quantity(*value, row.unit),
        (Found::Text(text), _) => text.clone(),
        (Found::DidNotFinish(why), _) => format!("did not finish: {why}"),
        (Found::Missing(why), _) => format!("not measured: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Metric;

    #[test]
    fn three_digits_and_a_unit() {
        let shown = [
            quantity(3.6349, Unit::Milliseconds),
            quantity(1274.9, Unit::Milliseconds),
            quantity(398_100_000.0, Unit::Instructions),
            quantity(131_072.0, Unit::Kibibytes),
            quantity(0.0, Unit::Milliseconds),
            quantity(312.0, Unit::Count),
        ];
        assert_eq!(shown, ["3.63 ms", "1.27 s", "398 Minstr", "128 MiB", "0 ms", "312"]);
        assert_eq!(digits(-0.586), "−0.586");
        assert_eq!(digits(969_482.0), "969\u{202f}482");
        assert_eq!(digits(f64::NAN), "–");
    }

    #[test]
    fn an_interval_has_the_unit_of_its_value() {
        let estimate = Estimate { value: 1500.0, low: 900.0, high: 2000.0 };
        let shown = with_interval(&estimate, Unit::Milliseconds);
        assert_eq!(shown, "≈\u{202f}1.50 s [0.900, 2.00]");
        assert_eq!(range([900.0, 1500.0], Unit::Milliseconds), "0.900 – 1.50 s");
        assert_eq!(ratio(&Estimate::exactly(2.0)), "2.00\u{202f}×");
    }

    #[test]
    fn a_ratio_that_says_nothing_says_so() {
        let ratio = |value, low, high| ratio(&Estimate { value, low, high });
        assert_eq!(ratio(1.1, 0.8, 1.4), "inconclusive [0.800, 1.40]");
        assert_eq!(ratio(1.01, 0.99, 1.02), "1.01\u{202f}× [0.990, 1.02]");
        assert_eq!(ratio(2.0, 1.5, 3.0), "≈\u{202f}2.00\u{202f}× [1.50, 3.00]");
    }

    #[test]
    fn what_is_missing_says_why() {
        let row = Row::new(Metric::M1, "run", "youki", Unit::Milliseconds, "t0→t1");
        assert_eq!(of_row(&row.missing("not on PATH")), "not measured: not on PATH");
    }
}
