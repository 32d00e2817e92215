//! The values of `ps` and `events`.
//!
//! It knows Go's way to write a duration. What a newcomer would get wrong: there a bare number is no duration; a unit
//! belongs to each, and several may follow each other (`1m30s`).

use super::pressure::trigger;
use super::request::ListFormat;
use super::taken::{Taken, wrong};
use crate::error::{Error, Kind, Result};
use crate::id::ContainerId;
use crate::launch::cgroup::Trigger;
use std::ffi::OsString;
use std::time::Duration;

/// `ps`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PsArgs {
    /// Which container.
    pub id: ContainerId,
    /// `--format`.
    pub format: ListFormat,
    /// What ps(1) is given; its default when empty.
    pub options: Vec<OsString>,
}

/// `events`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsArgs {
    /// Which container.
    pub id: ContainerId,
    /// `--stats`: one reading and no more.
    pub stats: bool,
    /// `--interval`: between readings.
    pub interval: Duration,
    /// `--pressure`: what to tell, too.
    pub pressure: Vec<Trigger>,
}

impl PsArgs {
    pub(super) fn take(taken: &mut Taken, options: &[OsString]) -> Result<Self> {
        Ok(Self { id: taken.id()?, format: ListFormat::take(taken)?, options: options.to_vec() })
    }
}

impl EventsArgs {
    pub(super) fn take(taken: &mut Taken) -> Result<Self> {
        let interval = taken.parsed("interval", |text| {
            duration(text).ok_or("write a number with its unit, such as 5s, 500ms or 1m30s")
        })?;
        let interval = interval.unwrap_or(Duration::from_secs(5));
        if interval.is_zero() {
            return Err(wrong("interval", "0", "is no time to wait").hint("give 1ms at least"));
        }
        let pressure = taken.texts("pressure")?;
        let pressure = pressure.iter().map(|text| trigger(text)).collect::<Result<Vec<_>>>()?;
        let stats = taken.on("stats")?;
        if stats && !pressure.is_empty() {
            let problem = "--stats ends before the kernel can tell of any --pressure";
            return Err(Error::new(Kind::Usage, problem)
                .hint("leave one of them away: each reading has the pressure of its moment"));
        }
        Ok(Self { id: taken.id()?, stats, interval, pressure })
    }
}

/// As Go's `time.ParseDuration`, without signs.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let number =
            rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
        let (number, after) = rest.split_at(number);
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        let number: f64 = number.parse().ok()?;
        total = total.checked_add(Duration::try_from_secs_f64(number * seconds).ok()?)?;
        rest = after;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_in_go() {
        for (text, milliseconds) in [
            ("5s", 5000),
            ("500ms", 500),
            ("1m30s", 90_000),
            ("1.5s", 1500),
            ("1h", 3_600_000),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "5", "s", "5x", "-5s", "5s5", "1..5s", "9999999999999999h"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
