//! How many times the base, case under case: a dot for each subject with its interval, and a line at 1.

use super::{Scale, WIDTH, axis, circle, colour, figure_with, label, legend, line};
use crate::report::html::Html;
use crate::stats::Estimate;

/// One case: who, and how many times the base.
#[derive(Debug, Clone, PartialEq)]
pub struct Dot {
    /// "getppid".
    pub case: String,
    /// By subject.
    pub ratios: Vec<(String, Estimate)>,
}

/// The plot, on a logarithmic axis; it always has the 1. Values decide how far it goes: one interval of an accident would
/// otherwise press everything else into a line. An interval that goes on beyond the edge ends there.
#[must_use]
pub fn dots(title: &str, caption: &str, rows: &[Dot]) -> Html {
    let all = rows.iter().flat_map(|row| row.ratios.iter());
    let values = all.map(|(_, ratio)| ratio.value);
    let across = Scale::logarithmic(values.chain([0.8, 1.25]), 8.0, WIDTH - 8.0);
    let pitch = |row: &Dot| {
        #[allow(clippy::cast_precision_loss, reason = "a handful of subjects")]
        let subjects = row.ratios.len() as f64;
        20.0 + 8.0 * subjects
    };
    let bottom = 4.0 + rows.iter().map(pitch).sum::<f64>();
    let one = across.place(1.0);
    let mut marks = axis(&across, 4.0, bottom, "times the bare process");
    marks = marks.then(line("one", (one, 4.0), (one, bottom)));
    let mut top = 4.0;
    for row in rows {
        marks = marks.then(label("name halo", (8.0, top + 13.0), "start", &row.case));
        let mut y = top + 20.0;
        for (subject, ratio) in &row.ratios {
            let kind = colour(subject);
            let ends = (across.place(ratio.low), across.place(ratio.high));
            marks = marks.then(line(&format!("whisker {kind}"), (ends.0, y), (ends.1, y)));
            let about = format!("{subject}: {}", crate::report::number::ratio(ratio));
            let place = (across.place(ratio.value), y);
            marks = marks.then(circle(&format!("point {kind}"), place, 3.2, &about));
            y += 8.0;
        }
        top += pitch(row);
    }
    let mut subjects: Vec<&str> = Vec::new();
    for (subject, _) in rows.iter().flat_map(|row| &row.ratios) {
        if !subjects.contains(&subject.as_str()) {
            subjects.push(subject);
        }
    }
    figure_with(title, caption, bottom + 34.0, marks, legend("round", subjects))
}
