//! Counting tests while their output passes by.
//!
//! Knows libtest's result line and the harness's `SKIPPED`. Refuses libtest's JSON, which is not stable. A newcomer
//! would get wrong that a skipped test is among libtest's passed ones; it is counted once, as skipped.

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;

use serde_json::Value;

/// How many tests ended how.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    /// Ignored: they wait for `--engines`.
    pub(crate) left: u64,
}

impl Count {
    pub(crate) fn add(&mut self, other: Count) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.left += other.left;
    }

    /// Nobody ran what was left: it is skipped.
    pub(crate) fn leave_out(&mut self) {
        self.skipped += std::mem::take(&mut self.left);
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Passes bytes on and counts what their lines say.
#[derive(Debug)]
pub(crate) struct Tally<W> {
    onward: W,
    line: Vec<u8>,
    count: Count,
    skips: u64,
}

impl<W: Write> Tally<W> {
    pub(crate) fn passing_to(onward: W) -> Self {
        Tally { onward, line: Vec::new(), count: Count::default(), skips: 0 }
    }

    /// The count; a skipped test is not a passed one.
    pub(crate) fn count(&self) -> Count {
        Count {
            passed: self.count.passed.saturating_sub(self.skips),
            skipped: self.count.skipped + self.skips,
            ..self.count
        }
    }

    fn take_line(&mut self) {
        let line = String::from_utf8_lossy(&self.line).into_owned();
        // libtest may have begun its own line, "test name ... ", before the test spoke.
        if line.starts_with("SKIPPED ") || line.contains(" ... SKIPPED ") {
            self.skips += 1;
        }
        if let Some(result) = line.trim_start().strip_prefix("test result: ") {
            self.count.passed += number_before(result, " passed");
            self.count.failed += number_before(result, " failed");
            self.count.left += number_before(result, " ignored");
        }
        self.line.clear();
    }
}

impl<W: Write> Write for Tally<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.onward.write_all(bytes)?;
        for byte in bytes {
            match byte {
                b'\n' => self.take_line(),
                other => self.line.push(*other),
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.onward.flush()
    }
}

fn number_before(text: &str, word: &str) -> u64 {
    let before = text.split(word).next().unwrap_or_default();
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The executables of one kind of target (`test`, `bin`) in cargo's JSON messages.
pub(crate) fn executables(messages: &[u8], kind: &str) -> Vec<PathBuf> {
    let text = String::from_utf8_lossy(messages);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ours = messages.filter(|message| {
        let kinds = message["target"]["kind"].as_array();
        kinds.is_some_and(|kinds| kinds.iter().any(|found| found == kind))
    });
    ours.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipped_tests_are_not_counted_as_passed() {
        let mut tally = Tally::passing_to(io::sink());
        let said = b"test a ... SKIPPED cgroup::a: needs root\nok\n\
            test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out\n";
        // In pieces, as a pipe gives them.
        for piece in said.chunks(7) {
            tally.write_all(piece).expect("a sink takes everything");
        }
        let mut count = tally.count();
        assert_eq!(count, Count { passed: 4, failed: 2, skipped: 1, left: 1 });
        assert_eq!(count.to_string(), "4 passed, 2 failed, 1 skipped");
        count.leave_out();
        assert_eq!(count.to_string(), "4 passed, 2 failed, 2 skipped");
    }

    #[test]
    fn executables_are_taken_from_cargos_messages_by_kind() {
        let said =
            br#"{"reason":"compiler-artifact","target":{"kind":["test"]},"executable":"/t/a"}
{"reason":"compiler-artifact","target":{"kind":["bin"]},"executable":"/t/b"}
{"reason":"compiler-artifact","target":{"kind":["test"]},"executable":null}"#;
        assert_eq!(executables(said, "test"), [PathBuf::from("/t/a")]);
    }
}
