//! A table whose cells are coloured by how bad they are; the number is in the cell, because a colour is no number.

use crate::report::html::{Html, class, element, plain};

/// How bad a cell is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Below 1.1 times.
    Calm,
    /// Below 1.5 times.
    Mild,
    /// Below 3 times.
    Strong,
    /// More.
    Severe,
    /// It did not finish.
    Dead,
    /// It was not measured.
    Unknown,
}

impl Tone {
    /// Of a slowdown.
    #[must_use]
    pub fn of(slowdown: f64) -> Self {
        match slowdown {
            _ if !slowdown.is_finite() => Self::Unknown,
            _ if slowdown < 1.1 => Self::Calm,
            _ if slowdown < 1.5 => Self::Mild,
            _ if slowdown < 3.0 => Self::Strong,
            _ => Self::Severe,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Mild => "mild",
            Self::Strong => "strong",
            Self::Severe => "severe",
            Self::Dead => "dead",
            Self::Unknown => "unknown",
        }
    }
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// How bad.
    pub tone: Tone,
    /// The number, or "DNF".
    pub words: String,
    /// Everything, for who asks.
    pub about: String,
}

/// The map: rows are aggressors, columns configurations.
#[must_use]
pub fn heat(corner: &str, columns: &[&str], rows: Vec<(String, Vec<Cell>)>) -> Html {
    let head = [corner].into_iter().chain(columns.iter().copied());
    let head: Html = head.map(|name| element("th", &[("scope", "col")], name)).collect();
    let cell = |cell: Cell| {
        element("td", &[("class", cell.tone.word()), ("title", &cell.about)], cell.words)
    };
    let body = rows.into_iter().map(|(name, cells)| {
        let name = element("th", &[("scope", "row")], name);
        plain("tr", name.then(cells.into_iter().map(cell).collect::<Html>()))
    });
    let body: Html = body.collect();
    let table = plain("thead", plain("tr", head)).then(plain("tbody", body));
    element("div", &[("class", "scroll"), ("tabindex", "0")], class("table", "heat", table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worse_is_darker_and_no_number_is_neither() {
        let tones = [1.0, 1.2, 2.0, 4.98, f64::NAN].map(Tone::of);
        let expected = [Tone::Calm, Tone::Mild, Tone::Strong, Tone::Severe, Tone::Unknown];
        assert_eq!(tones, expected);
    }
}
