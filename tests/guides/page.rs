//! A guide as its source stands: fenced blocks, and what is said right before each.
//!
//! Knows which blocks are executed, written or compared. Refuses marks that a reader would see: a block's language and
//! the sentence before it must do. What a newcomer would get wrong: a sentence that names one version of an engine means
//! that the block is for that version alone.

use std::fs;
use std::path::PathBuf;

use rrun_harness::{Must, workspace};

/// A fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The line of its fence, from one.
    pub line: usize,
    pub language: String,
    /// The paragraph before it.
    pub before: String,
    pub text: String,
}

/// What is to be done with a block.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// Lines of shell, in the order of the page.
    Executed,
    /// Lines that the blocks before it printed; `…` is anything.
    Printed,
    /// What needs more than an engine: a registry, a cluster. Read, and not executed.
    Shown,
    /// A file of this path.
    File(&'a str),
}

impl Block {
    /// What its language and the sentence before it say.
    #[track_caller]
    pub fn kind(&self) -> Kind<'_> {
        match self.language.as_str() {
            "sh" => Kind::Executed,
            "text" => Kind::Printed,
            "console" => Kind::Shown,
            _ => Kind::File(self.path().must(&format!(
                "line {}: find \"`PATH`:\" at the end of {:?}",
                self.line, self.before
            ))),
        }
    }

    fn path(&self) -> Option<&str> {
        let quoted = self.before.strip_suffix("`:")?;
        let (_, path) = quoted.rsplit_once('`')?;
        path.contains('.').then_some(path)
    }

    /// Whether the sentence before it names one of these versions of an engine.
    pub fn names(&self, versions: &[&str]) -> bool {
        versions.iter().any(|version| self.before.contains(version))
    }
}

/// The page of that name in `docs`.
#[track_caller]
pub fn read(name: &str) -> Vec<Block> {
    let path = at(name);
    blocks(&fs::read_to_string(&path).must(&format!("read {}", path.display())))
}

pub fn at(name: &str) -> PathBuf {
    workspace().join("docs").join(format!("{name}.md"))
}

/// The fenced blocks of a page.
#[track_caller]
pub fn blocks(page: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let (mut paragraph, mut ended, mut inside) = (String::new(), false, false);
    for (number, line) in page.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(language) if !inside => {
                let (before, language) = (std::mem::take(&mut paragraph), language.to_owned());
                found.push(Block { line: number + 1, language, before, text: String::new() });
                inside = true;
            }
            Some(rest) => {
                assert_eq!(rest, "", "line {}: a fence within a block", number + 1);
                inside = false;
            }
            None if inside => {
                let text = &mut found.last_mut().must("the block").text;
                text.push_str(line);
                text.push('\n');
            }
            None if line.is_empty() => ended = true,
            None => {
                if ended {
                    paragraph.clear();
                } else if !paragraph.is_empty() {
                    paragraph.push(' ');
                }
                paragraph.push_str(line);
                ended = false;
            }
        }
    }
    assert!(!inside, "a block has no end");
    found
}

/// Whether one of the lines of `printed` is this one; runs of spaces are one, and `…` is anything.
pub fn has_line(printed: &str, line: &str) -> bool {
    let wanted = single_spaced(line);
    printed.lines().any(|given| fits(&single_spaced(given), &wanted))
}

fn single_spaced(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn fits(given: &str, wanted: &str) -> bool {
    let mut parts = wanted.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = given.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

/// The images that a block asks a registry for: `ENGINE … pull NAME`.
pub fn pulled(block: &Block) -> Vec<(&str, &str)> {
    let lines = block.text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let pulls = lines.filter_map(|words| match words[..] {
        [engine, .., "pull", name] => Some((engine, name)),
        _ => None,
    });
    pulls.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# A page\n\nSay it.\n\n```sh\necho it\n```\n\nIt prints\n```text\nit …\n```\n\n\
        two lines, `no`, and\nDocker 28, `/etc/a.toml`:\n\n```toml\na = 1\n\nb = 2\n```\n";

    #[test]
    fn blocks_have_their_language_their_text_and_the_paragraph_before() {
        let found = blocks(PAGE);
        let languages: Vec<_> = found.iter().map(|block| &*block.language).collect();
        assert_eq!(languages, ["sh", "text", "toml"]);
        assert_eq!(found[0].text, "echo it\n");
        assert_eq!((found[0].line, &*found[0].before), (5, "Say it."));
        assert_eq!(found[1].before, "It prints");
        assert_eq!(found[2].before, "two lines, `no`, and Docker 28, `/etc/a.toml`:");
        assert_eq!(found[2].text, "a = 1\n\nb = 2\n");
    }

    #[test]
    fn a_language_and_a_sentence_say_what_is_done() {
        let found = blocks(PAGE);
        assert_eq!(found[0].kind(), Kind::Executed);
        assert_eq!(found[1].kind(), Kind::Printed);
        assert_eq!(found[2].kind(), Kind::File("/etc/a.toml"));
        assert!(found[2].names(&["Docker 20", "Docker 28"]));
        assert!(!found[0].names(&["Docker 28"]));
    }

    #[test]
    fn a_file_without_a_name_is_refused() {
        let found = blocks("A file:\n\n```toml\n```\n");
        assert_eq!(found[0].path(), None);
    }

    #[test]
    fn a_line_fits_whatever_its_spaces_and_what_is_left_out() {
        assert!(has_line("TASK  PID\nhello    4711    RUNNING\n", "hello … RUNNING"));
        assert!(has_line("a b\n", "a b"));
        assert!(!has_line("a b c\n", "a b"));
        assert!(!has_line("hello 1 STOPPED\n", "hello … RUNNING"));
        assert!(!has_line("say hello 1 RUNNING\n", "hello … RUNNING"));
        assert!(has_line("one two three four\n", "one … three …"));
    }

    #[test]
    fn pulls_are_seen() {
        let found = blocks("```console\nctr images pull a/b:1\ndocker pull c\ndocker run c\n```\n");
        assert_eq!(pulled(&found[0]), [("ctr", "a/b:1"), ("docker", "c")]);
    }
}
