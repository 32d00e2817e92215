//! Intervals by the bootstrap: the samples are drawn anew, with replacement, many times, and the middle 95 % of what
//! the draws say is the interval (Efron's percentile method).
//!
//! It refuses an interval of fewer than three samples: there it gives the least and the most. What a newcomer would get
//! wrong: the seed is fixed, so that the same samples have the same interval in every report; and of many samples
//! nothing need be drawn, because which of them is the median of a draw follows a binomial distribution.

use super::{sorted_median, sorted_quantile};
use serde::{Deserialize, Serialize};

/// How often the samples are drawn anew.
const DRAWS: usize = 10_000;

/// From how many samples on the rank of a draw's median is drawn, instead of all its samples: there the binomial
/// distribution of that rank is a normal one, and thousands of latencies times thousands of draws would take minutes.
const MANY: usize = 200;

/// Any odd number would do.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// A value and its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Of the samples as they are.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Estimate {
    /// A count: no interval.
    #[must_use]
    pub const fn exactly(value: f64) -> Self {
        Self { value, low: value, high: value }
    }

    /// The median; of fewer than three samples, from the least to the most.
    #[must_use]
    pub fn of_median(samples: &[f64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let value = sorted_median(&sorted)?;
        if sorted.len() < 3 {
            return Some(Self {
                value,
                low: sorted_quantile(&sorted, 0.0)?,
                high: sorted_quantile(&sorted, 1.0)?,
            });
        }
        let mut draw = Draw::new();
        let medians = (0..DRAWS).filter_map(|_| draw.median(&sorted)).collect();
        Self::middle(value, medians)
    }

    /// The median of the rounds' ratios.
    #[must_use]
    pub fn of_paired_ratio(ours: &[f64], theirs: &[f64]) -> Option<Self> {
        let ratios: Vec<f64> =
            ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
        ratios.iter().all(|ratio| ratio.is_finite()).then(|| Self::of_median(&ratios)).flatten()
    }

    /// The ratio of two medians of samples that were not taken together.
    #[must_use]
    pub fn of_ratio(ours: &[f64], theirs: &[f64]) -> Option<Self> {
        let value = super::median(ours)? / super::median(theirs)?;
        let sorted = |samples: &[f64]| {
            let mut sorted = samples.to_vec();
            sorted.sort_by(f64::total_cmp);
            sorted
        };
        let (ours, theirs) = (sorted(ours), sorted(theirs));
        let mut draw = Draw::new();
        let ratios = (0..DRAWS)
            .filter_map(|_| Some(draw.median(&ours)? / draw.median(&theirs)?))
            .filter(|ratio| ratio.is_finite())
            .collect();
        value.is_finite().then(|| Self::middle(value, ratios)).flatten()
    }

    /// The half width in parts of the value: 0.05 is ± 5 %.
    #[must_use]
    pub fn half_width(&self) -> f64 {
        (self.high - self.low) / 2.0 / self.value.abs()
    }

    fn middle(value: f64, mut drawn: Vec<f64>) -> Option<Self> {
        drawn.sort_by(f64::total_cmp);
        let low = sorted_quantile(&drawn, 0.025)?;
        Some(Self { value, low, high: sorted_quantile(&drawn, 0.975)? })
    }
}

/// Draws with replacement (xorshift64*, Vigna 2016).
struct Draw {
    state: u64,
    drawn: Vec<f64>,
}

impl Draw {
    fn new() -> Self {
        Self { state: SEED, drawn: Vec::new() }
    }

    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// The median of as many draws from `samples`, which are sorted.
    fn median(&mut self, samples: &[f64]) -> Option<f64> {
        if samples.len() >= MANY {
            return self.median_of_many(samples);
        }
        self.drawn.clear();
        for _ in 0..samples.len() {
            // The upper half of the product of a 64-bit fraction and the length: an index below the length.
            let index = (u128::from(self.next()) * samples.len() as u128) >> 64;
            self.drawn.push(*samples.get(usize::try_from(index).ok()?)?);
        }
        let middle = self.drawn.len() / 2;
        let even = self.drawn.len().is_multiple_of(2);
        let (below, upper, _) = self.drawn.select_nth_unstable_by(middle, f64::total_cmp);
        if !even {
            return Some(*upper);
        }
        let lower = below.iter().copied().max_by(f64::total_cmp)?;
        Some(f64::midpoint(lower, *upper))
    }

    /// Its rank is binomial with a mean of n/2 and a deviation of √n/2.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn median_of_many(&mut self, sorted: &[f64]) -> Option<f64> {
        let count = sorted.len() as f64;
        // The sum of twelve uniform numbers less six is normal enough (Irwin and Hall), with a deviation of one.
        let normal =
            (0..12).map(|_| (self.next() >> 11) as f64 / (1_u64 << 53) as f64).sum::<f64>() - 6.0;
        let rank = (count / 2.0 + normal * count.sqrt() / 2.0).clamp(0.0, count - 1.0);
        sorted.get(rank as usize).copied()
    }
}

#[cfg(test)]
#[allow(clippy::cast_precision_loss, reason = "small numbers of a test")]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_constant_is_the_constant() {
        assert_eq!(Estimate::of_median(&[4.0; 20]), Some(Estimate::exactly(4.0)));
    }

    #[test]
    fn rounds_that_scale_together_have_an_exact_ratio() {
        let theirs: Vec<f64> = (1..40).map(|n| f64::from(n * n % 17 + 1)).collect();
        let ours: Vec<f64> = theirs.iter().map(|sample| sample * 3.0).collect();
        let ratio = Estimate::of_paired_ratio(&ours, &theirs);
        assert!(ratio.is_some_and(|ratio| (ratio.high - 3.0).abs() < 1e-12 && ratio.low > 2.999));
    }

    /// Uniform numbers of a generator of our own: their median is 0.5.
    fn uniform(count: usize, seed: u64) -> Vec<f64> {
        let mut draw = Draw { state: seed | 1, drawn: Vec::new() };
        draw.next();
        (0..count).map(|_| (draw.next() >> 11) as f64 / (1_u64 << 53) as f64).collect()
    }

    #[test]
    fn the_interval_of_a_median_is_as_wide_as_order_statistics_say() {
        // Of n uniform samples the median's deviation is 1 / (2 √n): 95 % lie within 1.96 times that.
        for count in [50, 199, 200, 1000] {
            let found = Estimate::of_median(&uniform(count, 7)).map(|found| found.high - found.low);
            let expected = 2.0 * 1.96 / (2.0 * (count as f64).sqrt());
            let ratio = found.unwrap_or_default() / expected;
            assert!((0.6..1.6).contains(&ratio), "{count}: {found:?}, expected {expected}");
        }
    }

    #[test]
    fn nineteen_of_twenty_intervals_hold_the_truth() {
        let trials = 200_u64;
        let holds = |seed| {
            let samples = uniform(40, seed * 7919 + 3);
            Estimate::of_median(&samples).is_some_and(|found| found.low <= 0.5 && 0.5 <= found.high)
        };
        let held = (0..trials).filter(|seed| holds(*seed)).count();
        assert!((180..=199).contains(&held), "{held} of {trials}");
    }

    #[test]
    fn drawing_ranks_and_drawing_samples_agree() {
        let samples = uniform(199, 11);
        let more: Vec<f64> = samples.iter().copied().chain([0.5]).collect();
        let (few, many) = (Estimate::of_median(&samples), Estimate::of_median(&more));
        let (few, many) =
            (few.map_or(0.0, |e| e.high - e.low), many.map_or(0.0, |e| e.high - e.low));
        assert!((few / many - 1.0).abs() < 0.15, "{few} and {many}");
    }

    #[test]
    fn a_ratio_of_known_medians_is_found() {
        let ours: Vec<f64> = uniform(400, 3).into_iter().map(|sample| 2.0 + sample).collect();
        let theirs: Vec<f64> =
            uniform(90, 5).into_iter().map(|sample| 1.0 + sample / 10.0).collect();
        let ratio = Estimate::of_ratio(&ours, &theirs);
        // 2.5 / 1.05
        assert!(ratio.is_some_and(|ratio| ratio.low < 2.381 && 2.381 < ratio.high), "{ratio:?}");
        assert!(ratio.is_some_and(|ratio| ratio.half_width() < 0.05), "{ratio:?}");
    }

    #[test]
    fn no_ratio_is_made_of_a_zero() {
        assert_eq!(Estimate::of_paired_ratio(&[1.0], &[0.0]), None);
    }
}
