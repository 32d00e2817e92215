//! What rrun says besides its answer: one line per failure, and warnings and debug lines for who asked.
//!
//! It knows logrus's two formats, because containerd, podman and CRI-O read them. It refuses to decide what is an error:
//! only `main` reports one, and a function either returns an error or warns, never both.
//!
//! What a newcomer would get wrong: podman reads the *whole* `--log` file as one JSON object. So a failure writes exactly
//! one, and warnings wait for it in its `warnings` field; only `--debug` writes them as lines of their own.
//!
//! | | `--log FILE` | no `--log` (standard error) |
//! |---|---|---|
//! | failure | one entry, and `rrun: …` on standard error | `rrun: …`, or the entry with `--log-format json` |
//! | warning | text: a line; JSON: see above | `rrun: warning: …`, or the entry |
//! | debug line | with `--debug` | with `--debug` |

mod place;

pub use place::Place;

use crate::error::{Error, Kind, Result};
use crate::timestamp::Timestamp;
use place::Open;
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// `--log-format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// `time="…" level=error msg="…"` in a file; a plain sentence on standard error.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// `--log-level`, `--debug`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail {
    /// Failures.
    Failures,
    /// Failures and warnings.
    #[default]
    Normal,
    /// Debug lines too.
    Debug,
}

/// Where lines go and how they look.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// `--log`.
    pub place: Place,
    /// `--log-format`.
    pub format: Format,
    /// `--log-level`, `--debug`.
    pub detail: Detail,
}

struct Sink {
    place: Open,
    format: Format,
    detail: Detail,
    /// Warnings kept for the one object of a failure.
    held: Mutex<Vec<String>>,
}

static SINK: OnceLock<Sink> = OnceLock::new();

/// Opens the log, once per process; before that (and in tests) lines go to standard error as text.
///
/// # Errors
/// [`Kind::Usage`] when the file of `--log` cannot be opened for appending, or nobody listens there.
pub fn open(settings: &Settings) -> Result<()> {
    let place = settings.place.open()?;
    let sink =
        Sink { place, format: settings.format, detail: settings.detail, held: Mutex::default() };
    SINK.set(sink).map_err(|_| Error::new(Kind::Internal, "the log was opened twice"))
}

/// The sink, or standard error as text before it is opened.
fn sink() -> &'static Sink {
    SINK.get_or_init(|| Sink {
        place: Open::StandardError,
        format: Format::Text,
        detail: Detail::Normal,
        held: Mutex::default(),
    })
}

/// Whether debug lines are wanted, for who would work to make one.
#[must_use]
pub fn wants_debug() -> bool {
    SINK.get().is_some_and(|sink| sink.detail == Detail::Debug)
}

/// A debug line, made only if wanted.
pub fn debug(line: impl FnOnce() -> String) {
    if wants_debug() {
        sink().write(&Entry::new("debug", &line()));
    }
}

/// Something odd that is no failure: one lower-case line without a full stop.
pub fn warn(line: &str) {
    sink().warn(line);
}

/// The failure that ends this process; `main`'s alone.
pub fn failure(error: &Error) {
    let sink = sink();
    let text = error.to_string();
    sink.fail(error, &text);
    if !sink.place.is_standard_error() {
        to_stderr(&format!("rrun: {}", printable(&text)));
    }
}

/// One line, in logrus's words and ours.
#[derive(Serialize)]
struct Entry<'a> {
    level: &'static str,
    msg: &'a str,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errno: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "String::is_empty")]
    warnings: String,
}

impl<'a> Entry<'a> {
    fn new(level: &'static str, msg: &'a str) -> Self {
        Self {
            level,
            msg,
            time: Timestamp::now().rfc3339(),
            kind: None,
            pointer: None,
            step: None,
            call: None,
            errno: None,
            hint: None,
            warnings: String::new(),
        }
    }

    fn of(error: &'a Error, text: &'a str) -> Self {
        Self {
            kind: Some(error.kind().name()),
            pointer: error.pointer(),
            step: error.step_name(),
            call: error.call(),
            errno: error.errno(),
            hint: error.hint_text(),
            ..Self::new("error", text)
        }
    }

    fn json(&self) -> String {
        // Strings and a number cannot fail to serialise.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// As logrus writes it: `key=value`, values quoted.
    fn logrus(&self) -> String {
        let mut line = format!("time={:?} level={} msg={:?}", self.time, self.level, self.msg);
        let fields = [
            ("kind", self.kind),
            ("pointer", self.pointer),
            ("step", self.step),
            ("call", self.call),
            ("hint", self.hint),
        ];
        for (key, value) in fields {
            if let Some(value) = value {
                // Writing to a String cannot fail.
                write!(line, " {key}={value:?}").unwrap_or_default();
            }
        }
        line
    }

    fn sentence(&self) -> String {
        match self.level {
            "error" => format!("rrun: {}", printable(self.msg)),
            level => format!("rrun: {level}: {}", printable(self.msg)),
        }
    }
}

impl Sink {
    fn warn(&self, line: &str) {
        if self.detail == Detail::Failures {
            return;
        }
        let must_wait = self.place.is_file() && self.format == Format::Json;
        if must_wait && self.detail == Detail::Normal {
            self.held().push(line.to_owned());
        } else {
            self.write(&Entry::new("warning", line));
        }
    }

    fn fail(&self, error: &Error, text: &str) {
        let warnings = self.held().join("; ");
        self.write(&Entry { warnings, ..Entry::of(error, text) });
    }

    fn held(&self) -> MutexGuard<'_, Vec<String>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, entry: &Entry<'_>) {
        let line = match (self.format, &self.place) {
            (Format::Json, _) => entry.json(),
            (Format::Text, Open::File(_)) => entry.logrus(),
            (Format::Text, Open::Syslog(..)) => printable(entry.msg),
            (Format::Text, Open::StandardError | Open::Journal(..)) => entry.sentence(),
        };
        self.place.write(entry, &line);
    }
}

fn to_stderr(line: &str) {
    // Nobody is left to tell when standard error is closed.
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap_or_default();
}

/// Without control characters: a path from a hostile image must not steer the terminal of who reads the message.
fn printable(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { clean.extend(c.escape_default()) } else { clean.push(c) }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_entry_has_logruss_keys_and_ours() {
        let error = Error::kernel("setns(3)", libc::EPERM).at("/linux").hint("run as root");
        let text = error.to_string();
        let value: serde_json::Value =
            serde_json::from_str(&Entry::of(&error, &text).json()).unwrap();
        assert_eq!(value["level"], "error");
        assert_eq!(value["msg"], text);
        assert_eq!(value["kind"], "kernel");
        assert_eq!(value["pointer"], "/linux");
        assert_eq!(value["call"], "setns(3)");
        assert_eq!(value["errno"], libc::EPERM);
        assert_eq!(value["hint"], "run as root");
        assert!(value.get("step").is_none() && value.get("warnings").is_none());
        let time = value["time"].as_str().unwrap();
        assert!(time.len() == 20 && time.ends_with('Z'), "{time}");
    }

    #[test]
    fn a_text_entry_reads_as_logrus_writes_it() {
        let entry = Entry { time: "T".into(), ..Entry::new("warning", "odd \"name\"\n") };
        assert_eq!(entry.logrus(), r#"time="T" level=warning msg="odd \"name\"\n""#);
        let error = Error::new(Kind::State, "no");
        let entry = Entry { time: "T".into(), ..Entry::of(&error, "no") };
        assert_eq!(entry.logrus(), r#"time="T" level=error msg="no" kind="state""#);
    }

    #[test]
    fn warnings_wait_for_the_one_object_of_a_failure_unless_debugging() {
        let path = std::env::temp_dir().join(format!("rrun-log-{}", std::process::id()));
        let lines = |detail| {
            let file = std::fs::File::create(&path).unwrap();
            let sink = Sink {
                place: Open::File(file),
                format: Format::Json,
                detail,
                held: Mutex::default(),
            };
            sink.warn("one");
            sink.warn("two");
            sink.fail(&Error::new(Kind::State, "no"), "no");
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::remove_file(&path).unwrap();
            let parse = |line| serde_json::from_str::<serde_json::Value>(line).unwrap();
            text.lines().map(parse).collect::<Vec<_>>()
        };
        let normal = lines(Detail::Normal);
        assert_eq!(normal.len(), 1);
        assert_eq!((&normal[0]["msg"], &normal[0]["warnings"]), (&"no".into(), &"one; two".into()));
        let debugging = lines(Detail::Debug);
        assert_eq!(debugging.len(), 3);
        assert_eq!(
            (&debugging[0]["level"], &debugging[0]["msg"]),
            (&"warning".into(), &"one".into())
        );
        assert!(debugging[2].get("warnings").is_none());
    }

    #[test]
    fn a_hostile_name_cannot_steer_the_terminal() {
        assert_eq!(Entry::new("error", "a\x1b[2Jb\r\nü").sentence(), "rrun: a\\u{1b}[2Jb\\r\\nü");
        assert_eq!(Entry::new("warning", "x").sentence(), "rrun: warning: x");
    }
}
