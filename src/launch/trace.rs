//! `--trace FILE`: where the time of a start went, as a Trace Event file for Perfetto or chrome://tracing.
//!
//! It refuses to know what the spans mean: their names come from whoever opens them, the child's from the plan. What a
//! newcomer would get wrong: a trace that is off must cost nothing, so a span's name is a `&'static str` and no clock
//! is read.

use crate::error::{Result, ResultExt};
use rrun_sys::trace::{SharedClock, now};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// A time line being recorded, or nothing.
#[derive(Debug)]
pub struct Trace(Option<Recording>);

#[derive(Debug)]
struct Recording {
    file: File,
    start: u64,
    events: RefCell<Vec<Value>>,
}

/// A piece of the parent's work: it lasts until it is dropped.
#[derive(Debug)]
#[must_use = "a span that is not kept ends at once"]
pub struct Span<'a> {
    recording: Option<&'a Recording>,
    name: &'static str,
    begin: u64,
}

impl Trace {
    /// Records nothing.
    #[must_use]
    pub const fn off() -> Self {
        Self(None)
    }

    /// Records from now on; the file is made now, and written by [`Trace::finish`].
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn to(path: &Path) -> Result<Self> {
        let file = File::create(path).context(|| format!("trace file {}", path.display()))?;
        Ok(Self(Some(Recording { file, start: now(), events: RefCell::default() })))
    }

    /// Whether a clock for the child is worth making.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Begins a piece of the parent's work.
    pub fn span(&self, name: &'static str) -> Span<'_> {
        let recording = self.0.as_ref();
        Span { recording, name, begin: if recording.is_some() { now() } else { 0 } }
    }

    /// A moment of the parent's.
    pub fn mark(&self, name: &'static str) {
        if let Some(recording) = &self.0 {
            recording.add(json!({ "ph": "i", "s": "p", "name": name }), own_pid(), now());
        }
    }

    /// The steps of child `pid`: step *i* lasted from stamp *i* to stamp *i* + 1 of `clock`. The first step that has no
    /// end, execve, ended now.
    pub fn child(&self, pid: i32, clock: &SharedClock, steps: impl IntoIterator<Item = String>) {
        let Some(recording) = &self.0 else { return };
        let name = json!({ "ph": "M", "name": "process_name", "args": { "name": "child" } });
        recording.add(name, pid, recording.start);
        for (index, step) in steps.into_iter().enumerate() {
            let Some(begin) = clock.at(index) else { break };
            let end = clock.at(index + 1).unwrap_or_else(now);
            recording.lasting(step, pid, begin, end);
        }
    }

    /// Writes the file.
    ///
    /// # Errors
    /// As write(2).
    pub fn finish(self) -> Result<()> {
        let Some(recording) = self.0 else { return Ok(()) };
        let mut file = BufWriter::new(recording.file);
        let mut separator = '[';
        for event in recording.events.into_inner() {
            // One event a line: the file is read by people, too.
            write!(file, "{separator}\n{event}").context(|| "write the trace")?;
            separator = ',';
        }
        let end = if separator == '[' { "[]\n" } else { "\n]\n" };
        file.write_all(end.as_bytes()).and_then(|()| file.flush()).context(|| "write the trace")
    }
}

impl Recording {
    fn lasting(&self, name: impl Into<String>, pid: i32, begin: u64, end: u64) {
        let duration = microseconds(end.saturating_sub(begin));
        self.add(json!({ "ph": "X", "name": name.into(), "dur": duration }), pid, begin);
    }

    /// Adds `event` at `time`, relative to the trace's start: a double holds no nanoseconds since 1970.
    fn add(&self, mut event: Value, pid: i32, time: u64) {
        event["ts"] = microseconds(time.saturating_sub(self.start)).into();
        event["pid"] = pid.into();
        event["tid"] = pid.into();
        self.events.borrow_mut().push(event);
    }
}

impl Drop for Span<'_> {
    fn drop(&mut self) {
        if let Some(recording) = self.recording {
            recording.lasting(self.name, own_pid(), self.begin, now());
        }
    }
}

fn own_pid() -> i32 {
    nix::unistd::getpid().as_raw()
}

/// The unit of the format, with its fraction.
fn microseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(record: impl FnOnce(&Trace)) -> Value {
        let path = std::env::temp_dir().join(format!(
            "rrun-trace-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        let trace = Trace::to(&path).unwrap();
        record(&trace);
        trace.finish().unwrap();
        let text = std::fs::read(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    #[test]
    fn spans_and_the_childs_steps_are_on_one_time_line() {
        let events = finished(|trace| {
            let _launch = trace.span("launch");
            let clock = SharedClock::new(3).unwrap();
            clock.stamp(0);
            clock.stamp(1);
            let steps = ["mount proc", "execute"].map(String::from);
            trace.child(77, &clock, steps);
        });

        let at = |index: usize, key: &str| events[index][key].as_f64().unwrap();
        assert_eq!(events[0]["args"]["name"], "child");
        assert_eq!(events[1]["name"], "mount proc");
        assert_eq!((&events[2]["name"], &events[2]["pid"]), (&"execute".into(), &77.into()));
        assert_eq!((&events[3]["name"], &events[3]["ph"]), (&"launch".into(), &"X".into()));
        assert!(at(3, "ts") <= at(1, "ts"));
        assert!((at(1, "ts") + at(1, "dur") - at(2, "ts")).abs() < 0.001);
    }

    #[test]
    fn a_trace_of_nothing_is_still_json() {
        assert_eq!(finished(|_| ()), json!([]));
    }

    #[test]
    fn a_trace_that_is_off_takes_everything_and_writes_nothing() {
        let trace = Trace::off();
        drop(trace.span("launch"));
        trace.mark("moment");
        assert!(!trace.is_on() && trace.finish().is_ok());
    }
}
