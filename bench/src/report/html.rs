//! HTML and SVG as values that can't be malformed: text is escaped when it becomes [`Html`], and an element closes
//! what it opens.
//!
//! It refuses raw strings: the only ways in are [`text`] and [`element`], and the page's own style sheet. What a newcomer
//! would get wrong: a subject's name comes from a results file that anybody may have written.

use std::fmt::Write;

/// A fragment that is well-formed by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Html(String);

impl Html {
    /// Nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self(String::new())
    }

    /// This, and then `next`.
    #[must_use]
    pub fn then(mut self, next: impl Into<Self>) -> Self {
        self.0.push_str(&next.into().0);
        self
    }

    /// Whether there is nothing to show.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Html {
    fn from(plain: &str) -> Self {
        text(plain)
    }
}

impl From<String> for Html {
    fn from(plain: String) -> Self {
        text(&plain)
    }
}

impl FromIterator<Html> for Html {
    fn from_iter<I: IntoIterator<Item = Html>>(parts: I) -> Self {
        Self(parts.into_iter().map(|part| part.0).collect())
    }
}

/// Plain text.
#[must_use]
pub fn text(plain: &str) -> Html {
    let mut safe = String::with_capacity(plain.len());
    for character in plain.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // No control characters: XML has no way to say most of them.
            other if other.is_control() && other != '\n' => safe.push(' '),
            other => safe.push(other),
        }
    }
    Html(safe)
}

/// Elements that have no content and no end tag.
const VOID: [&str; 4] = ["meta", "br", "hr", "wbr"];

/// An element of our own vocabulary: `name` and the attributes' names are ours, the values anybody's.
#[must_use]
pub fn element(
    name: &'static str,
    attributes: &[(&'static str, &str)],
    content: impl Into<Html>,
) -> Html {
    let mut all = format!("<{name}");
    for (key, value) in attributes {
        // Writing to a String does not fail.
        let _written = write!(all, " {key}=\"{}\"", text(value).0);
    }
    all.push('>');
    if !VOID.contains(&name) {
        all.push_str(&content.into().0);
        let _written = write!(all, "</{name}>");
    }
    Html(all)
}

/// An element without attributes.
#[must_use]
pub fn plain(name: &'static str, content: impl Into<Html>) -> Html {
    element(name, &[], content)
}

/// An element of a class.
#[must_use]
pub fn class(name: &'static str, class: &str, content: impl Into<Html>) -> Html {
    element(name, &[("class", class)], content)
}

/// A table in a box that scrolls by itself: a page that scrolls sideways can't be read on a phone.
#[must_use]
pub fn table(heads: &[&str], rows: Vec<Vec<Html>>) -> Html {
    let head: Html = heads.iter().map(|head| element("th", &[("scope", "col")], *head)).collect();
    let line = |cells: Vec<Html>| {
        let mut cells = cells.into_iter();
        let first = cells.next().map(|cell| element("th", &[("scope", "row")], cell));
        plain("tr", first.into_iter().chain(cells.map(|cell| plain("td", cell))).collect::<Html>())
    };
    let body: Html = rows.into_iter().map(line).collect();
    let table = plain("thead", plain("tr", head)).then(plain("tbody", body));
    // Focusable, so that a keyboard can scroll it.
    element("div", &[("class", "scroll"), ("tabindex", "0")], plain("table", table))
}

/// What only some want to see, behind a line that says what it is.
#[must_use]
pub fn folded(summary: &str, content: impl Into<Html>) -> Html {
    let content = content.into();
    if content.is_none() {
        content
    } else {
        plain("details", plain("summary", summary).then(content))
    }
}

/// The whole document. The style sheet is ours and has no `<`.
#[must_use]
pub fn document(title: &str, style: &'static str, body: Html) -> String {
    let viewport = [("name", "viewport"), ("content", "width=device-width, initial-scale=1")];
    let head = element("meta", &[("charset", "utf-8")], "")
        .then(element("meta", &viewport, ""))
        .then(element("meta", &[("name", "color-scheme"), ("content", "light dark")], ""))
        .then(plain("title", title))
        .then(Html(format!("<style>\n{style}</style>")));
    let html = element("html", &[("lang", "en")], plain("head", head).then(plain("body", body)));
    format!("<!doctype html>\n{}\n", html.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_writes_markup_into_the_page() {
        let hostile = "</td><script>alert('x')</script>\u{0}&";
        let cell = element("td", &[("title", hostile)], hostile);
        assert!(!cell.0.contains("<script"), "{}", cell.0);
        assert!(!cell.0.contains('\u{0}'));
        assert_eq!(cell.0.matches("</td>").count(), 1);
    }

    #[test]
    fn the_first_cell_of_a_line_heads_it() {
        let table = table(&["a", "b"], vec![vec!["1".into(), "2".into()]]);
        assert!(table.0.contains("<th scope=\"row\">1</th><td>2</td>"));
    }
}
