//! From values to places, and which values get a tick.

use crate::report::number::digits;

/// A linear or logarithmic scale between two places.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    logarithmic: bool,
}

impl Scale {
    /// From zero to a little above the most of `values`.
    #[must_use]
    pub fn from_zero(values: impl IntoIterator<Item = f64>, from: f64, to: f64) -> Self {
        let most = finite(values).fold(0.0, f64::max);
        let high = if most > 0.0 { most * 1.02 } else { 1.0 };
        Self { low: 0.0, high, from, to, logarithmic: false }
    }

    /// From a little below the least to a little above the most of `values`, by their logarithms. What is not above
    /// zero has no logarithm and stands at the left end.
    #[must_use]
    pub fn logarithmic(values: impl IntoIterator<Item = f64>, from: f64, to: f64) -> Self {
        let (least, most) = finite(values)
            .filter(|value| *value > 0.0)
            .fold((f64::INFINITY, 0.0_f64), |(least, most), value| {
                (least.min(value), most.max(value))
            });
        let (low, high) = if most > 0.0 { (least / 1.15, most * 1.15) } else { (1.0, 10.0) };
        Self { low, high, from, to, logarithmic: true }
    }

    /// The left or upper end.
    #[must_use]
    pub const fn start(&self) -> f64 {
        self.from
    }

    /// The right or lower end.
    #[must_use]
    pub const fn end(&self) -> f64 {
        self.to
    }

    /// Where a value is; never outside the ends.
    #[must_use]
    pub fn place(&self, value: f64) -> f64 {
        let part = if self.logarithmic {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        let part = if part.is_finite() { part.clamp(0.0, 1.0) } else { 0.0 };
        self.from + (self.to - self.from) * part
    }

    /// Values and their words: 1, 2, 5, 10, …, as many as have room.
    #[must_use]
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let steps: &[f64] = if self.logarithmic {
            match (self.high / self.low).log10() {
                decades if decades < 0.6 => &[1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 7.0, 8.0, 9.0],
                decades if decades < 1.2 => &[1.0, 2.0, 3.0, 5.0],
                decades if decades < 3.0 => &[1.0, 3.0],
                _ => &[1.0],
            }
        } else {
            return self.linear_ticks();
        };
        let mut ticks = Vec::new();
        let mut decade = 10_f64.powf(self.low.log10().floor());
        while decade <= self.high {
            ticks.extend(steps.iter().map(|step| step * decade));
            decade *= 10.0;
        }
        let inside = |value: &f64| (self.low..=self.high).contains(value);
        ticks.into_iter().filter(inside).map(|value| (value, short(value))).collect()
    }

    fn linear_ticks(&self) -> Vec<(f64, String)> {
        let rough = (self.high - self.low) / 5.0;
        let decade = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|step| step * decade);
        let step = step.into_iter().find(|step| *step >= rough).unwrap_or(rough);
        let mut ticks = Vec::new();
        let mut value = (self.low / step).ceil() * step;
        while value <= self.high && ticks.len() < 12 {
            ticks.push((value, short(value)));
            value += step;
        }
        ticks
    }
}

fn finite(values: impl IntoIterator<Item = f64>) -> impl Iterator<Item = f64> {
    values.into_iter().filter(|value| value.is_finite())
}

/// A tick has no zeros after the point.
fn short(value: f64) -> String {
    match value {
        _ if value >= 1e6 => format!("{}M", trimmed(value / 1e6)),
        _ if value >= 1e4 => format!("{}k", trimmed(value / 1e3)),
        _ => trimmed(value),
    }
}

fn trimmed(value: f64) -> String {
    let text = digits(value);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_stay_between_the_ends() {
        let scale = Scale::logarithmic([1.0, 100.0], 10.0, 210.0);
        assert!((scale.place(10.0) - 110.0).abs() < 1e-6, "{}", scale.place(10.0));
        assert_eq!([0.0, -5.0, f64::NAN].map(|value| scale.place(value)), [10.0; 3]);
        assert!((scale.place(1e9) - 210.0).abs() < 1e-9);
    }

    #[test]
    fn nothing_measured_still_has_an_axis() {
        for scale in [Scale::logarithmic([], 0.0, 1.0), Scale::from_zero([f64::NAN], 0.0, 1.0)] {
            assert!(!scale.ticks().is_empty());
            assert!(scale.ticks().len() < 20);
        }
    }

    #[test]
    fn ticks_are_round() {
        let words =
            |scale: Scale| scale.ticks().into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(words(Scale::from_zero([9.0], 0.0, 1.0)), ["0", "2", "4", "6", "8"]);
        assert_eq!(words(Scale::logarithmic([0.9, 1.1], 0.0, 1.0)), ["0.8", "0.9", "1", "1.2"]);
        assert_eq!(words(Scale::logarithmic([1.0, 2000.0], 0.0, 1.0)), ["1", "10", "100", "1000"]);
        assert_eq!(
            words(Scale::logarithmic([3e6, 4e8], 0.0, 1.0)),
            ["3M", "10M", "30M", "100M", "300M"]
        );
    }
}
