//! Every sample as a dot, subject under subject, with the median and its interval: nothing is hidden in a mean.

use super::{Scale, WIDTH, axis, circle, colour, figure, label, line};
use crate::report::html::Html;

/// One subject's row.
#[derive(Debug, Clone, PartialEq)]
pub struct Strip {
    /// Who.
    pub subject: String,
    /// Every sample.
    pub samples: Vec<f64>,
    /// The median, and the ends of its interval.
    pub median: (f64, f64, f64),
    /// "3.63 ms".
    pub words: String,
}

const PITCH: f64 = 36.0;

/// More dots than this in a row are only heavier.
const DOTS: usize = 200;

/// The plot, on a logarithmic axis.
#[must_use]
pub fn strips(title: &str, caption: &str, unit: &str, rows: &[Strip]) -> Html {
    let all = rows.iter().flat_map(|row| row.samples.iter().copied());
    let across = Scale::logarithmic(all, 8.0, WIDTH - 8.0);
    #[allow(clippy::cast_precision_loss, reason = "a few dozen rows")]
    let bottom = 4.0 + PITCH * rows.len() as f64;
    let mut marks = axis(&across, 4.0, bottom, unit);
    let mut top = 4.0;
    for row in rows {
        let kind = colour(&row.subject);
        let y = top + 22.0;
        marks = marks.then(label("name halo", (8.0, top + 13.0), "start", &row.subject));
        marks = marks.then(label("value halo", (WIDTH - 8.0, top + 13.0), "end", &row.words));
        let every = row.samples.len().div_ceil(DOTS).max(1);
        for (number, sample) in row.samples.iter().step_by(every).enumerate() {
            // A little off the line, always by the same: dots that lie on each other look like one.
            let off = [0.0, 2.5, -2.5, 1.2, -1.2][number % 5];
            let dot = format!("sample {kind}");
            marks = marks.then(circle(&dot, (across.place(*sample), y + off), 1.7, ""));
        }
        let (median, low, high) = row.median;
        let whisker = format!("whisker {kind}");
        marks = marks.then(line(&whisker, (across.place(low), y), (across.place(high), y)));
        let x = across.place(median);
        marks = marks.then(line(&format!("median {kind}"), (x, y - 6.0), (x, y + 6.0)));
        top += PITCH;
    }
    figure(title, caption, bottom + 34.0, marks)
}
