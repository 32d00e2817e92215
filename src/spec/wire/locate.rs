//! From a byte offset to the JSON pointer of the value there.
//!
//! It knows JSON's brackets, commas and strings, and nothing else: serde_json has read the text up to the offset before.
//! What a newcomer would get wrong: this runs only when something is wrong. Tracking the path while parsing would make
//! every start of every container pay for it.

use super::super::at::{push_index, push_key};

/// An open object or array, and which child of it we are in.
enum Level {
    /// By its key; `None` between two members.
    Object(Option<String>),
    Array(usize),
}

/// The pointer of the value that begins at, ends at or surrounds `offset`. A key that ends there stands for its value.
pub fn pointer_at(json: &[u8], offset: usize) -> String {
    let mut levels: Vec<Level> = Vec::new();
    // Whether the next string is a key: after `{`, and after `,` in an object.
    let mut at_key = false;
    let mut at = 0;
    while let Some(byte) = json.get(at).filter(|_| at < offset) {
        let start = at;
        at += 1;
        match byte {
            b'{' => levels.push(Level::Object(None)),
            b'[' => levels.push(Level::Array(0)),
            b'}' | b']' => {
                // A value that was complete at the offset is meant itself, not what surrounds it.
                let inner = (at == offset).then(|| closed(&levels));
                levels.pop();
                if let Some(pointer) = inner {
                    return pointer;
                }
            }
            b',' => match levels.last_mut() {
                Some(Level::Array(index)) => *index += 1,
                Some(Level::Object(key)) => *key = None,
                None => {}
            },
            b'"' => {
                at = end_of_string(json, at);
                if let (true, Some(Level::Object(key))) = (at_key, levels.last_mut()) {
                    *key = Some(unescape(json.get(start..at).unwrap_or_default()));
                }
            }
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            at_key = matches!((byte, levels.last()), (b'{' | b',', Some(Level::Object(_))));
        }
    }
    open(&levels)
}

/// The pointer of the container that closes here: all levels but the innermost.
fn closed(levels: &[Level]) -> String {
    open(levels.split_last().map_or(&[], |(_, outer)| outer))
}

/// The pointer of the child that the levels lead to. Between two members of an object that is the object.
fn open(levels: &[Level]) -> String {
    let mut pointer = String::new();
    for level in levels {
        match level {
            Level::Object(key) => key.iter().for_each(|key| push_key(&mut pointer, key)),
            Level::Array(index) => push_index(&mut pointer, *index),
        }
    }
    pointer
}

/// The offset after the closing quote of the string whose first byte is at `at`.
fn end_of_string(json: &[u8], mut at: usize) -> usize {
    while let Some(byte) = json.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    json.len()
}

/// The text of a quoted string.
fn unescape(quoted: &[u8]) -> String {
    serde_json::from_slice(quoted).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pointer at the `^` that the text has in place of one byte boundary.
    fn at(marked: &str) -> String {
        let offset = marked.find('^').expect("a mark");
        pointer_at(marked.replace('^', "").as_bytes(), offset)
    }

    #[test]
    fn a_value_is_found_by_its_end_and_by_its_beginning() {
        assert_eq!(at(r#"{"a": 5^, "b": 6}"#), "/a");
        assert_eq!(at(r#"{"a": ^{"b": 6}}"#), "/a");
        assert_eq!(at(r#"{"a": [1, "x"^, 3]}"#), "/a/1");
        assert_eq!(at(r#"{"a": [1, {"b": {}}^, 3]}"#), "/a/1");
        assert_eq!(at(r#"[[1], [2, 3]^]"#), "/1");
        assert_eq!(at(r#"{"a": 1}^"#), "");
        assert_eq!(at(r#"{"a": {"b": 1}^ }"#), "/a");
    }

    #[test]
    fn a_key_stands_for_its_value() {
        assert_eq!(at(r#"{"a": {"x": 1, "x"^: 2}}"#), "/a/x");
    }

    #[test]
    fn brackets_commas_and_quotes_in_strings_do_not_count() {
        assert_eq!(at(r#"{"a,{[": ["\"]}", "\\", 7^]}"#), "/a,{[/2");
        assert_eq!(at(r#"{"a/b~\u0063": 7^}"#), "/a~1b~0c");
    }
}
