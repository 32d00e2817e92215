//! One quantity per subject as a bar, its name and number above it, where a phone has room for both.

use super::{Scale, WIDTH, axis, colour, figure, label, rect};
use crate::report::html::Html;

/// A stretch of a bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What it is: "kernel".
    pub name: String,
    /// How long.
    pub value: f64,
}

/// One bar: of one part, or of several that add up.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// Who.
    pub subject: String,
    /// From the left.
    pub parts: Vec<Part>,
    /// "3.63 ms [3.60, 3.71]".
    pub words: String,
}

const PITCH: f64 = 31.0;

/// The plot; a logarithmic axis when the largest is more than thirty times the smallest, because small bars would vanish.
#[must_use]
pub fn bars(title: &str, caption: &str, unit: &str, rows: &[Bar]) -> Html {
    let total = |bar: &Bar| bar.parts.iter().map(|part| part.value).sum::<f64>();
    let totals: Vec<f64> = rows.iter().map(total).collect();
    let (least, most) = totals
        .iter()
        .filter(|total| **total > 0.0)
        .fold((f64::INFINITY, 0.0_f64), |(least, most), total| {
            (least.min(*total), most.max(*total))
        });
    let across = if most / least > 30.0 {
        Scale::logarithmic([least / 2.0, most], 8.0, WIDTH - 8.0)
    } else {
        Scale::from_zero([most], 8.0, WIDTH - 8.0)
    };
    #[allow(clippy::cast_precision_loss, reason = "a few dozen rows")]
    let bottom = 4.0 + PITCH * rows.len() as f64;
    let mut marks = axis(&across, 4.0, bottom, unit);
    let mut top = 4.0;
    for bar in rows {
        marks = marks.then(label("name halo", (8.0, top + 12.0), "start", &bar.subject));
        marks = marks.then(label("value halo", (WIDTH - 8.0, top + 12.0), "end", &bar.words));
        let mut sum = 0.0;
        for (number, part) in bar.parts.iter().enumerate() {
            let from = if number == 0 { across.start() } else { across.place(sum) };
            sum += part.value;
            let kind = format!("bar part{} {}", number.min(2), colour(&bar.subject));
            let size = (across.place(sum) - from, 11.0);
            marks = marks.then(rect(&kind, (from, top + 16.0), size, &part.name));
        }
        top += PITCH;
    }
    figure(title, caption, bottom + 34.0, marks)
}
