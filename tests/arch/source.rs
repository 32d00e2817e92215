//! Rust sources as the rules want to see them: without comments and strings, without tests, as the paths they name.
//!
//! What a newcomer would get wrong: this is no parser. It knows as much of Rust's lexical structure as it takes not to be
//! fooled by a comment, a string or a character, and nothing more.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A file.
pub struct Source {
    /// From the workspace's root: `src/plan/mod.rs`.
    pub path: String,
    /// As it stands.
    pub text: String,
    /// Only compiled for tests, because its parent says so.
    tests_only: bool,
}

/// Where the repository is.
pub fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file of the repository.
pub fn all() -> impl Iterator<Item = Source> {
    let mut paths = Vec::new();
    for directory in ["src", "tests", "bench", "rootfs-fixtures"] {
        walk(&workspace().join(directory), &mut paths);
    }
    paths.sort();
    let mut sources: Vec<Source> = paths.into_iter().map(|path| read(&path)).collect();
    let tests: BTreeSet<String> = sources.iter().flat_map(Source::declared_for_tests).collect();
    for source in &mut sources {
        // A module of a module that is only compiled for tests, too.
        source.tests_only = tests.iter().any(|path| {
            source.path == *path
                || path.strip_suffix("mod.rs").is_some_and(|dir| source.path.starts_with(dir))
        });
    }
    assert!(sources.len() > 150, "the sources were not found");
    sources.into_iter()
}

/// The files of the crate `rrun`.
pub fn ours() -> impl Iterator<Item = Source> {
    all().filter(|source| source.path.starts_with("src/") && !source.path.starts_with("src/sys/"))
}

/// `tests/*.rs`.
pub fn tests_of_the_harness_and_the_product() -> impl Iterator<Item = String> {
    all()
        .map(|source| source.path)
        .filter(|path| path.starts_with("tests/") && path.matches('/').count() == 1)
}

fn walk(directory: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("target") {
            walk(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

fn read(path: &Path) -> Source {
    let text = fs::read_to_string(path).expect("a source");
    let path = path.strip_prefix(workspace()).expect("below the root").to_string_lossy();
    Source { path: path.into_owned(), text, tests_only: false }
}

impl Source {
    /// The top-level module it belongs to: `plan`, or `main` for main.rs.
    pub fn module(&self) -> &str {
        let below = self.path.strip_prefix("src/").unwrap_or(&self.path);
        below.split(['/', '.']).next().unwrap_or_default()
    }

    /// Without comments and the insides of strings, line by line as in the file; without what is only compiled for tests.
    pub fn product(&self) -> String {
        if self.tests_only {
            return String::new();
        }
        without_tests(&code(&self.text))
    }

    /// Whether `word` stands in its code, tests included.
    pub fn has_word(&self, word: &str) -> bool {
        let code = code(&self.text);
        code.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).any(|w| w == word)
    }

    /// The top-level modules of the crate that its code, tests included, names.
    pub fn imports(&self) -> BTreeSet<String> {
        let first = |path: String| path.split("::").next().unwrap_or_default().to_owned();
        let mut named: BTreeSet<String> = self.paths("crate").into_iter().map(first).collect();
        named.extend(self.paths("rrun").into_iter().map(first));
        // `super::` as often as the module lies deep leads to the root, too.
        let below = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let depth = below.strip_suffix("/mod.rs").unwrap_or(below).split('/').count();
        let up = vec!["super"; depth].join("::");
        named.extend(self.paths(&up).into_iter().map(first));
        named
    }

    /// Every path that begins with `root`, without it; groups in braces are taken apart: of `root::a::{b, c}` it is
    /// `a::b` and `a::c`.
    pub fn paths(&self, root: &str) -> Vec<String> {
        let code = code(&self.text);
        let mut found = Vec::new();
        for (place, _) in code.match_indices(&format!("{root}::")) {
            let before = code[..place].chars().next_back();
            if before.is_none_or(|c| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')) {
                expand(&code[place + root.len() + 2..], "", &mut found);
            }
        }
        found
    }

    /// The files that its `mod` lines name.
    pub fn declared(&self) -> Vec<String> {
        let lines: Vec<&str> = self.text.lines().map(str::trim).collect();
        let named = lines.iter().enumerate().filter_map(|(number, line)| {
            let name = module_name(line)?;
            let before = number.checked_sub(1).and_then(|before| lines.get(before))?;
            Some(self.file_of(name, before))
        });
        named.flatten().collect()
    }

    fn declared_for_tests(&self) -> Vec<String> {
        let lines: Vec<&str> = self.text.lines().map(str::trim).collect();
        let mut found = Vec::new();
        for (number, line) in lines.iter().enumerate() {
            let Some(name) = module_name(line) else { continue };
            let before = &lines[number.saturating_sub(2)..number];
            if before.contains(&"#[cfg(test)]") {
                found.extend(self.file_of(name, before.last().unwrap_or(&"")));
            }
        }
        found
    }

    /// Where `mod name;` may lie, with the attribute on the line before it.
    fn file_of(&self, name: &str, before: &str) -> Vec<String> {
        let (directory, file) = self.path.rsplit_once('/').expect("a directory");
        let attribute =
            before.strip_prefix("#[path = \"").and_then(|rest| rest.strip_suffix("\"]"));
        if let Some(path) = attribute {
            return vec![format!("{directory}/{path}")];
        }
        let below = match file {
            "mod.rs" | "lib.rs" | "main.rs" => directory.to_owned(),
            other => format!("{directory}/{}", other.trim_end_matches(".rs")),
        };
        let beside = format!("{directory}/{name}.rs");
        vec![format!("{below}/{name}.rs"), format!("{below}/{name}/mod.rs"), beside]
    }
}

/// The name in `pub(crate) mod name;`.
fn module_name(line: &str) -> Option<&str> {
    let (visibility, rest) = line.split_once("mod ")?;
    let name = rest.strip_suffix(';')?;
    (visibility.is_empty() || visibility.starts_with("pub")).then_some(name)
}

/// The paths of a use tree, or of an expression, that `text` begins with.
fn expand(text: &str, prefix: &str, found: &mut Vec<String>) {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}::{name}") };
    if let Some(rest) = rest.strip_prefix("::") {
        return expand(rest, &path, found);
    }
    let Some(group) = text.strip_prefix('{') else {
        found.push(path);
        return;
    };
    let (mut depth, mut start) = (0, 0);
    for (place, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                let item = group[start..place].trim();
                if item == "self" {
                    found.push(prefix.to_owned());
                } else if !item.is_empty() {
                    expand(item, prefix, found);
                }
                start = place + 1;
                if letter == '}' {
                    return;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
}

/// The text without comments and without what strings and characters hold; line breaks stay where they are.
fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let skipped = comment(rest).or_else(|| raw_string(rest)).or_else(|| quoted(rest));
        let length = skipped.unwrap_or(letter.len_utf8());
        if skipped.is_some() {
            out.extend(rest[..length].chars().filter(|c| *c == '\n'));
        } else {
            out.push(letter);
        }
        rest = &rest[length..];
    }
    out
}

fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    text.strip_prefix("/*")?.find("*/").map(|end| end + 4)
}

fn raw_string(text: &str) -> Option<usize> {
    let hashes = text.strip_prefix('r')?;
    let count = hashes.len() - hashes.trim_start_matches('#').len();
    hashes[count..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(count));
    let start = count + 2;
    text[start..].find(&end).map(|place| start + place + end.len())
}

/// A string, or a character: `'a'`, `'\''`, but not the lifetime `'a`.
fn quoted(text: &str) -> Option<usize> {
    let quote = text.chars().next().filter(|c| ['"', '\''].contains(c))?;
    let mut letters = text.char_indices().skip(1);
    while let Some((place, letter)) = letters.next() {
        match letter {
            '\\' => drop(letters.next()),
            _ if letter == quote => return Some(place + 1),
            _ if quote == '\'' && !text[..place].starts_with("'\\") && place > 1 => return None,
            _ => {}
        }
    }
    None
}

/// Without items under `#[cfg(test)]`: to the `;` or the matching brace.
fn without_tests(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(place) = rest.find("#[cfg(test)]") {
        out.push_str(&rest[..place]);
        let item = &rest[place..];
        let mut depth = 0;
        let end = item.char_indices().find(|(_, letter)| {
            depth += match letter {
                '{' => 1,
                '}' => -1,
                _ => 0,
            };
            depth == 0 && ['}', ';'].contains(letter)
        });
        let end = end.map_or(item.len(), |(place, _)| place + 1);
        out.extend(item[..end].chars().filter(|c| *c == '\n'));
        rest = &item[end..];
    }
    out + rest
}

#[test]
fn comments_strings_and_tests_are_no_code() {
    let text = "a; // b\nlet c = \"d\\\" e\"; /* f */ 'g' 'h: loop {} r#\"i\"# '\\'';\n#[cfg(test)]\nmod j { k }\nl";
    let seen = without_tests(&code(text));
    let words: Vec<&str> = seen.split_whitespace().collect();
    assert_eq!(words, ["a;", "let", "c", "=", ";", "'h:", "loop", "{}", ";", "l"]);
    assert_eq!(seen.lines().count(), text.lines().count());
}

#[test]
fn a_use_tree_is_all_of_its_paths() {
    let text =
        "use crate::{a::{self, b}, c};\nfn f() { crate::d::e(); other_crate::g() }".to_owned();
    let source = Source { path: "src/x.rs".to_owned(), text, tests_only: false };
    assert_eq!(source.paths("crate"), ["a", "a::b", "c", "d::e"]);
    assert_eq!(source.imports().into_iter().collect::<Vec<_>>(), ["a", "c", "d"]);
}
