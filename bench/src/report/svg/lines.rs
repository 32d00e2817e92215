//! A quantity against another, one line per subject: latency against how many start at once.

use super::{Scale, WIDTH, axis, circle, colour, figure_with, label, legend, line, path};
use crate::report::html::Html;

/// One subject's points.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Who.
    pub subject: String,
    /// Further words for its class: "dashed" is a higher quantile.
    pub kind: &'static str,
    /// By x.
    pub points: Vec<(f64, f64)>,
}

const TOP: f64 = 8.0;
const BOTTOM: f64 = 230.0;

/// The plot, with both axes logarithmic.
#[must_use]
pub fn lines(title: &str, caption: &str, units: (&str, &str), all: &[Line]) -> Html {
    let points = || all.iter().flat_map(|line| line.points.iter());
    let across = Scale::logarithmic(points().map(|point| point.0), 44.0, WIDTH - 8.0);
    let down = Scale::logarithmic(points().map(|point| point.1), BOTTOM, TOP + 12.0);
    let mut marks = axis(&across, TOP + 12.0, BOTTOM, units.0);
    marks = marks.then(label("axis", (2.0, TOP + 4.0), "start", units.1));
    for (value, words) in down.ticks() {
        let y = down.place(value);
        marks = marks.then(line("gridline", (44.0, y), (WIDTH - 8.0, y)));
        marks = marks.then(label("tick", (40.0, y + 4.0), "end", &words));
    }
    for one in all {
        let kind = colour(&one.subject);
        let places: Vec<_> =
            one.points.iter().map(|(x, y)| (across.place(*x), down.place(*y))).collect();
        marks = marks.then(path(&format!("curve {} {kind}", one.kind), &places, &one.subject));
        let dot = |place: &(f64, f64)| circle(&format!("point {kind}"), *place, 2.6, &one.subject);
        marks = marks.then(places.iter().map(dot).collect::<Html>());
    }
    let mut named: Vec<&str> = Vec::new();
    for one in all {
        if !named.contains(&one.subject.as_str()) {
            named.push(&one.subject);
        }
    }
    figure_with(title, caption, BOTTOM + 34.0, marks, legend("line", named))
}
