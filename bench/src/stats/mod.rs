//! What samples say, and how surely: quantiles, intervals, ratios.
//!
//! It refuses means, which one disturbed sample can move anywhere, and quantiles that the samples can't carry: a p95 of
//! thirty samples is a rumour. What a newcomer would get wrong: the ratio of two medians is not the median of the
//! rounds' ratios; the latter compares what ran within the same few milliseconds.

mod bootstrap;
mod slope;

pub use bootstrap::Estimate;
pub use slope::{slopes, theil_sen};

use serde::{Deserialize, Serialize};

/// Samples that a 95th percentile needs.
pub const ENOUGH_FOR_P95: usize = 100;

/// Samples that a 99th percentile needs.
pub const ENOUGH_FOR_P99: usize = 500;

/// `value` with the five digits that no clock here is better than: a file of samples is a third as long.
#[must_use]
pub fn rounded(value: f64) -> f64 {
    // Decimal digits, because they are written as such. What has none, an infinity, stays as it is.
    format!("{value:.4e}").parse().unwrap_or(value)
}

/// The value below which a fraction `part` of `values` lies; a sample, never between two.
#[must_use]
pub fn quantile(values: &[f64], part: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted_quantile(&sorted, part)
}

/// [`quantile`] of what is sorted already.
#[must_use]
pub fn sorted_quantile(sorted: &[f64], part: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let index = (part.clamp(0.0, 1.0) * last as f64).round() as usize;
    sorted.get(index).copied()
}

/// The middle of `values`: of an even number, half way between the two.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted_median(&sorted)
}

fn sorted_median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    sorted.get(middle - 1).map(|lower| f64::midpoint(*lower, upper))
}

/// What one row's samples say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How many.
    pub n: usize,
    /// The least: the least disturbed, and labelled as what it is.
    pub min: f64,
    /// The median.
    pub p50: f64,
    /// The lower end of the median's 95 % interval.
    pub low: f64,
    /// The upper end of the median's 95 % interval.
    pub high: f64,
    /// The first and third quartile, the spread that is shown.
    pub quartiles: [f64; 2],
    /// The 95th percentile of at least [`ENOUGH_FOR_P95`] samples.
    pub p95: Option<f64>,
    /// The 99th percentile of at least [`ENOUGH_FOR_P99`] samples.
    pub p99: Option<f64>,
    /// The most.
    pub max: f64,
}

impl Summary {
    /// Of at least one sample, all of them finite.
    #[must_use]
    pub fn of(samples: &[f64]) -> Option<Self> {
        if samples.iter().any(|sample| !sample.is_finite()) {
            return None;
        }
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |part| sorted_quantile(&sorted, part);
        let median = Estimate::of_median(samples)?;
        Some(Self {
            n: sorted.len(),
            min: at(0.0)?,
            p50: median.value,
            low: median.low,
            high: median.high,
            quartiles: [at(0.25)?, at(0.75)?],
            p95: at(0.95).filter(|_| sorted.len() >= ENOUGH_FOR_P95),
            p99: at(0.99).filter(|_| sorted.len() >= ENOUGH_FOR_P99),
            max: at(1.0)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_samples_and_not_between_them() {
        let values = [5.0, 1.0, 3.0, 2.0, 4.0];
        let found = [0.0, 0.5, 0.9, 1.0].map(|part| quantile(&values, part));
        assert_eq!(found, [Some(1.0), Some(3.0), Some(5.0), Some(5.0)]);
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn five_digits_are_kept_of_whatever_size() {
        let found = [1_234_567.0, 0.001_234_567, -2.0, 0.0].map(rounded);
        assert_eq!(found, [1_234_600.0, 0.001_234_6, -2.0, 0.0]);
        assert!(rounded(f64::NAN).is_nan());
    }

    #[test]
    fn a_percentile_that_the_samples_cannot_carry_is_not_given() {
        let few: Vec<f64> = (0..99).map(f64::from).collect();
        let many: Vec<f64> = (0..500).map(f64::from).collect();
        let (few, many) = (Summary::of(&few), Summary::of(&many));
        assert_eq!(few.and_then(|few| few.p95), None);
        assert_eq!(many.as_ref().and_then(|many| many.p95), Some(474.0));
        assert_eq!(many.and_then(|many| many.p99), Some(494.0));
    }

    #[test]
    fn samples_that_are_no_numbers_have_no_summary() {
        assert_eq!(Summary::of(&[1.0, f64::NAN]), None);
        assert_eq!(Summary::of(&[]), None);
    }
}
