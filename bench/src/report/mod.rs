//! The report: one page, one Markdown file, one block for the README, all from `isobench.json` and nothing else.
//!
//! | module | what it writes |
//! | --- | --- |
//! | [`facts`] | what may be divided by what; who is who |
//! | [`claims`] | the article's claims, each with a verdict computed from rows |
//! | [`section`] | the page's parts |
//! | [`svg`] | plots |
//! | [`markdown`] | the same for a CI job's summary and the README |
//! | [`html`], [`number`] | escaping; digits and units |
//!
//! It refuses to decide what was not measured, and any verdict that is not computed. What a newcomer would get wrong:
//! the page is read by people who have never heard of a lane; the first screen has to make sense to them.

pub mod claims;
pub mod facts;
mod html;
mod markdown;
mod number;
mod section;
mod svg;

pub use markdown::{markdown, readme_block, with_block};
pub use number::{digits, of_row, ratio as ratio_words};

use crate::result::Isobench;
use facts::Facts;
use html::{Html, class, document, element, plain};

/// The page: no script, nothing fetched from anywhere.
#[must_use]
pub fn html(results: &Isobench) -> String {
    let facts = Facts::new(results);
    let sections = section::all(&facts);
    let link = |section: &section::Section| {
        let href = format!("#{}", section.id);
        plain("li", element("a", &[("href", &href)], section.title))
    };
    let contents: Html = sections.iter().map(link).collect();
    let contents = element("nav", &[("aria-label", "contents")], plain("ol", contents));
    let body: Html = sections
        .into_iter()
        .map(|section| {
            let head = plain("h2", section.title).then(class("p", "lead", section.lead));
            element("section", &[("id", section.id)], head.then(section.body))
        })
        .collect();
    let main = plain("main", section::header(&facts).then(contents).then(body));
    document("rrun: what isolation costs and gives", include_str!("style.css"), main)
}

#[cfg(test)]
mod tests;
