//! Plots as inline SVG, drawn for a phone's width and scaled up for more.
//!
//! ```text
//! ecdf     starts: what share was done by then          lines   latency against parallelism
//! strips   raw samples with median and interval         bars    one quantity per subject
//! dots     slowdown against a base, with whiskers       heat    aggressor × configuration
//! grid     463 system calls
//! ```
//!
//! It refuses fixed colours: a mark has the class of its family (`rrun`, `vm` …) and the page's style says light and
//! dark. What a newcomer would get wrong: text in an SVG shrinks with it; at 400 units wide it stays readable at 390
//! pixels.

mod bars;
mod dots;
mod ecdf;
mod grid;
mod heat;
mod lines;
mod scale;
mod strips;

pub use bars::{Bar, Part, bars};
pub use dots::{Dot, dots};
pub use ecdf::{Curve, ecdf};
pub use grid::{Fate, grid};
pub use heat::{Cell, Tone, heat};
pub use lines::{Line, lines};
pub use scale::Scale;
pub use strips::{Strip, strips};

use super::facts::{family, is_variant};
use super::html::{Html, class, element, plain};

/// The width of every plot, in its own units.
pub const WIDTH: f64 = 400.0;

/// A plot with a name and a description for those who do not see it, and a caption for all.
#[must_use]
pub fn figure(title: &str, caption: &str, height: f64, marks: Html) -> Html {
    figure_with(title, caption, height, marks, Html::none())
}

/// A plot whose marks need a key.
#[must_use]
fn figure_with(title: &str, caption: &str, height: f64, marks: Html, key: Html) -> Html {
    let view = format!("0 0 {WIDTH} {}", height.ceil());
    let named = plain("title", title).then(plain("desc", caption)).then(marks);
    let svg = element("svg", &[("viewBox", &view), ("role", "img"), ("aria-label", title)], named);
    let words = class("strong", "figure-title", title).then(" ").then(caption);
    plain("figure", svg.then(key).then(plain("figcaption", words)))
}

/// The classes of a subject's marks.
#[must_use]
pub fn colour(subject: &str) -> String {
    format!("{}{}", family(subject), if is_variant(subject) { " variant" } else { "" })
}

/// One decimal is a tenth of a unit: nobody sees less.
fn at(value: f64) -> String {
    let value = if value.is_finite() { value } else { 0.0 };
    format!("{value:.1}")
}

fn line(kind: &str, from: (f64, f64), to: (f64, f64)) -> Html {
    let ends = [at(from.0), at(from.1), at(to.0), at(to.1)];
    let ends = [("x1", &*ends[0]), ("y1", &ends[1]), ("x2", &ends[2]), ("y2", &ends[3])];
    element("line", &[&[("class", kind)][..], &ends].concat(), "")
}

fn rect(kind: &str, corner: (f64, f64), size: (f64, f64), about: &str) -> Html {
    let [x, y, width, height] =
        [at(corner.0), at(corner.1), at(size.0.max(0.0)), at(size.1.max(0.0))];
    let place = [("x", &*x), ("y", &y), ("width", &width), ("height", &height)];
    let said = if about.is_empty() { Html::none() } else { plain("title", about) };
    element("rect", &[&[("class", kind)][..], &place].concat(), said)
}

fn circle(kind: &str, centre: (f64, f64), radius: f64, about: &str) -> Html {
    let [x, y, radius] = [at(centre.0), at(centre.1), at(radius)];
    let said = if about.is_empty() { Html::none() } else { plain("title", about) };
    element("circle", &[("class", kind), ("cx", &x), ("cy", &y), ("r", &radius)], said)
}

/// Where a text stands relative to its place: "start", "middle", "end".
fn label(kind: &str, place: (f64, f64), anchor: &str, words: &str) -> Html {
    let (x, y) = (at(place.0), at(place.1));
    element("text", &[("class", kind), ("x", &x), ("y", &y), ("text-anchor", anchor)], words)
}

fn path(kind: &str, points: &[(f64, f64)], about: &str) -> Html {
    let steps = points.iter().enumerate().map(|(number, (x, y))| {
        format!("{}{} {}", if number == 0 { 'M' } else { 'L' }, at(*x), at(*y))
    });
    let steps = steps.collect::<Vec<_>>().join(" ");
    element("path", &[("class", kind), ("d", &steps)], plain("title", about))
}

/// Swatches with names, under a plot whose marks can't carry labels; `kind` is "line" or "round".
#[must_use]
pub fn legend<'a>(kind: &str, subjects: impl IntoIterator<Item = &'a str>) -> Html {
    let one = |subject: &str| {
        let swatch = class("span", &format!("swatch {kind} {}", colour(subject)), "");
        plain("li", swatch.then(subject.to_owned()))
    };
    class("ul", "legend", subjects.into_iter().map(one).collect::<Html>())
}

/// The horizontal axis below `bottom`, with lines through the plot.
fn axis(scale: &Scale, top: f64, bottom: f64, unit: &str) -> Html {
    let ticks = scale.ticks().into_iter().map(|(value, words)| {
        let x = scale.place(value);
        line("gridline", (x, top), (x, bottom)).then(label(
            "tick",
            (x, bottom + 14.0),
            "middle",
            &words,
        ))
    });
    let name = label("axis", (WIDTH - 2.0, bottom + 29.0), "end", unit);
    ticks
        .collect::<Html>()
        .then(line("axisline", (scale.start(), bottom), (scale.end(), bottom)))
        .then(name)
}
