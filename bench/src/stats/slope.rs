//! A line through points of which some are wild: the median of the slopes of all pairs (Theil 1950, Sen 1968).
//!
//! It refuses least squares, which one neighbour that frees a gigabyte turns around. What a newcomer would get wrong: the
//! pairs' slopes are not independent, so their own bootstrap would be far too sure; the interval is Sen's, from Kendall's
//! rank statistic.

use super::{Estimate, sorted_median};

/// 1.96 standard deviations hold 95 % of a normal distribution.
const TWO_SIDED_95: f64 = 1.959_964;

/// The slopes of all pairs of points with different x, ascending.
#[must_use]
pub fn slopes(points: &[(f64, f64)]) -> Vec<f64> {
    let mut slopes = Vec::new();
    for (index, (x, y)) in points.iter().enumerate() {
        for (later_x, later_y) in &points[index + 1..] {
            let slope = (later_y - y) / (later_x - x);
            if slope.is_finite() {
                slopes.push(slope);
            }
        }
    }
    slopes.sort_by(f64::total_cmp);
    slopes
}

/// The median slope and Sen's 95 % interval; with few points that is from the least slope to the most.
#[must_use]
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub fn theil_sen(points: &[(f64, f64)]) -> Option<Estimate> {
    let slopes = slopes(points);
    let value = sorted_median(&slopes)?;
    let n = points.len() as f64;
    let spread = TWO_SIDED_95 * (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
    let below = ((slopes.len() as f64 - spread) / 2.0).floor().max(0.0) as usize;
    let low = *slopes.get(below)?;
    let high = *slopes.get(slopes.len() - 1 - below)?;
    Some(Estimate { value, low, high })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(slope: f64, count: u32) -> Vec<(f64, f64)> {
        (0..count).map(f64::from).map(|x| (x, 7.0 + slope * x)).collect()
    }

    #[test]
    fn a_line_has_its_slope_and_no_doubt() {
        assert_eq!(theil_sen(&line(3.0, 10)), Some(Estimate::exactly(3.0)));
    }

    #[test]
    fn a_quarter_of_wild_points_does_not_turn_the_line() {
        let mut points = line(-172.0, 20);
        for index in [1, 6, 11, 18, 19] {
            points[index].1 += 1e6;
        }
        let found = theil_sen(&points).expect("a slope");
        assert!((found.value + 172.0).abs() < 1e-6, "{found:?}");
        assert!(found.low <= -172.0 && found.high >= -172.0, "{found:?}");
        let (left, right) = (points.first().expect("one"), points.last().expect("one"));
        assert!((right.1 - left.1) / (right.0 - left.0) > 0.0, "the points are not wild");
    }

    #[test]
    fn four_points_are_as_unsure_as_their_slopes() {
        let points = [(0.0, 0.0), (10.0, 5.0), (20.0, 30.0), (30.0, 33.0)];
        let found = theil_sen(&points).expect("a slope");
        let all = slopes(&points);
        assert_eq!((Some(&found.low), Some(&found.high)), (all.first(), all.last()));
        assert!(found.low < found.value && found.value < found.high, "{found:?}");
    }

    #[test]
    fn points_above_each_other_have_no_slope() {
        assert_eq!(theil_sen(&[(1.0, 1.0), (1.0, 2.0)]), None);
        assert_eq!(theil_sen(&[]), None);
    }
}
