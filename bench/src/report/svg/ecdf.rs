//! The share of the samples that were done by then: steeper is steadier, further left is faster.

use super::{Scale, WIDTH, axis, colour, figure_with, label, legend, line, path};
use crate::report::html::Html;

/// One subject's samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Who.
    pub subject: String,
    /// In any order.
    pub samples: Vec<f64>,
}

const TOP: f64 = 8.0;
const BOTTOM: f64 = 210.0;

/// The plot, on a logarithmic axis.
#[must_use]
pub fn ecdf(title: &str, caption: &str, unit: &str, curves: &[Curve]) -> Html {
    let all = curves.iter().flat_map(|curve| curve.samples.iter().copied());
    let across = Scale::logarithmic(all, 34.0, WIDTH - 8.0);
    let mut marks = axis(&across, TOP, BOTTOM, unit);
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let y = height(share);
        marks = marks.then(line("gridline", (34.0, y), (WIDTH - 8.0, y)));
        let words = format!("{:.0} %", share * 100.0);
        marks = marks.then(label("tick", (30.0, y + 4.0), "end", &words));
    }
    for curve in curves {
        let kind = format!("curve {}", colour(&curve.subject));
        marks = marks.then(path(&kind, &steps(&across, &curve.samples), &curve.subject));
    }
    let key = legend("line", curves.iter().map(|curve| curve.subject.as_str()));
    figure_with(title, caption, BOTTOM + 34.0, marks, key)
}

fn height(share: f64) -> f64 {
    BOTTOM - (BOTTOM - TOP) * share
}

/// A staircase: it rises at each sample.
fn steps(across: &Scale, samples: &[f64]) -> Vec<(f64, f64)> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut points = Vec::new();
    let mut share = 0.0;
    for (index, sample) in sorted.iter().enumerate() {
        let x = across.place(*sample);
        points.push((x, height(share)));
        #[allow(clippy::cast_precision_loss, reason = "no series has 2^52 samples")]
        {
            share = (index + 1) as f64 / sorted.len() as f64;
        }
        points.push((x, height(share)));
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_rises_from_nothing_to_all() {
        let steps = steps(&Scale::logarithmic([1.0, 10.0], 0.0, 100.0), &[10.0, 1.0]);
        assert_eq!(steps.len(), 4);
        assert_eq!((steps[0].1, steps[3].1), (height(0.0), height(1.0)));
        assert!(steps.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    }
}
