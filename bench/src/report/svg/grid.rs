//! Every system call as a square: what a filter lets through.

use super::{WIDTH, figure, rect};
use crate::report::html::Html;

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is performed.
    Allowed,
    /// With some arguments only.
    Depends,
    /// It fails with an error.
    Denied,
    /// It ends the process.
    Killed,
}

impl Fate {
    const fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Depends => "depends",
            Self::Denied => "denied",
            Self::Killed => "killed",
        }
    }
}

const COLUMNS: usize = 32;

/// The plot: `calls` by number, with names where they have one.
#[must_use]
pub fn grid(title: &str, caption: &str, calls: &[(Fate, String)]) -> Html {
    #[allow(clippy::cast_precision_loss, reason = "32")]
    let pitch = WIDTH / COLUMNS as f64;
    let square = |(number, (fate, name)): (usize, &(Fate, String))| {
        #[allow(clippy::cast_precision_loss, reason = "a few hundred")]
        let (column, row) = ((number % COLUMNS) as f64, (number / COLUMNS) as f64);
        let about = format!("{number} {name}: {}", fate.word());
        rect(fate.word(), (column * pitch, row * pitch), (pitch - 1.5, pitch - 1.5), &about)
    };
    #[allow(clippy::cast_precision_loss, reason = "a few dozen")]
    let height = calls.len().div_ceil(COLUMNS) as f64 * pitch;
    figure(title, caption, height, calls.iter().enumerate().map(square).collect())
}
