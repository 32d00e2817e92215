//! What is printed by the demonstration: headings and two columns.
//!
//! Knows widths; refuses colours, which a log cannot show. A newcomer would count bytes; columns count characters.

const WIDTH: usize = 52;

/// A heading.
pub(crate) fn heading(text: &str) {
    println!("\n── {text} {}", "─".repeat(100_usize.saturating_sub(text.chars().count() + 4)));
}

/// Two lists of lines side by side.
pub(crate) fn columns(left: (&str, &[String]), right: (&str, &[String])) {
    println!("  {:WIDTH$}  {}", left.0, right.0);
    println!("  {:WIDTH$}  {}", "-".repeat(left.0.len()), "-".repeat(right.0.len()));
    for n in 0..left.1.len().max(right.1.len()) {
        let cell = |lines: &[String]| lines.get(n).map_or(String::new(), |line| shorten(line));
        println!("  {:WIDTH$}  {}", cell(left.1), cell(right.1));
    }
}

fn shorten(line: &str) -> String {
    if line.chars().count() <= WIDTH {
        return line.to_owned();
    }
    let kept: String = line.chars().take(WIDTH - 1).collect();
    kept + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_by_characters() {
        assert_eq!(shorten(&"é".repeat(60)).chars().count(), WIDTH);
        assert_eq!(shorten("short"), "short");
    }
}
