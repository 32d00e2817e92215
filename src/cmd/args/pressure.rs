//! `events --pressure`: `memory`, `cpu:full`, `io:some:100ms/2s`.
//!
//! It knows the kernel's bounds as far as everybody is bound by them. What a newcomer would get wrong: the least window
//! depends on who asks and whom, so that is left to the kernel; two seconds are right for all.

use super::taken::wrong;
use super::watch::duration;
use crate::error::{Error, Result};
use crate::launch::cgroup::{LONGEST_WINDOW, Scarce, Trigger, Waiting};
use std::time::Duration;

/// A tenth of the time.
const STALL: Duration = Duration::from_millis(200);
const WINDOW: Duration = Duration::from_secs(2);

const FORM: &str = "write cpu, memory or io, then :some or :full if wanted, then :STALL/WINDOW if wanted, such as \
                    memory:some:150ms/2s";

pub(super) fn trigger(text: &str) -> Result<Trigger> {
    let no = |problem: String| wrong("pressure", text, &problem);
    let mut parts = text.split(':');
    let of = match parts.next() {
        Some("cpu") => Scarce::Cpu,
        Some("memory") => Scarce::Memory,
        Some("io") => Scarce::Io,
        other => {
            return Err(
                no(format!("has no such resource as {:?}", other.unwrap_or_default())).hint(FORM)
            );
        }
    };
    let mut next = parts.next();
    let waiting = match next {
        Some("full") => Waiting::Full,
        _ => Waiting::Some,
    };
    if matches!(next, Some("some" | "full")) {
        next = parts.next();
    }
    let (stall, window) = match next {
        None => (STALL, WINDOW),
        Some(times) => times
            .split_once('/')
            .and_then(|(stall, window)| Some((duration(stall)?, duration(window)?)))
            .ok_or_else(|| no(format!("has no STALL/WINDOW in {times:?}")).hint(FORM))?,
    };
    if parts.next().is_some() {
        return Err(no("has a part too many".into()).hint(FORM));
    }
    check(stall, window).map_err(|(problem, fix)| -> Error { no(problem.into()).hint(fix) })?;
    Ok(Trigger { of, waiting, stall, window })
}

/// The kernel counts microseconds.
fn check(
    stall: Duration,
    window: Duration,
) -> std::result::Result<(), (&'static str, &'static str)> {
    if stall < Duration::from_micros(1) {
        return Err(("waits for no stall at all", "give the stall 1us at least"));
    }
    if window > LONGEST_WINDOW {
        return Err(("has a window that the kernel does not keep", "give the window 10s at most"));
    }
    if stall > window {
        return Err((
            "has a stall that its window can't hold",
            "give a stall no longer than the window",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_enough_and_each_part_can_be_said() {
        let of = |of, waiting, stall, window| Trigger {
            of,
            waiting,
            stall: Duration::from_micros(stall),
            window: Duration::from_micros(window),
        };
        for (text, expected) in [
            ("memory", of(Scarce::Memory, Waiting::Some, 200_000, 2_000_000)),
            ("cpu:some", of(Scarce::Cpu, Waiting::Some, 200_000, 2_000_000)),
            ("io:full", of(Scarce::Io, Waiting::Full, 200_000, 2_000_000)),
            ("io:1ms/500ms", of(Scarce::Io, Waiting::Some, 1000, 500_000)),
            ("memory:full:1us/10s", of(Scarce::Memory, Waiting::Full, 1, 10_000_000)),
            ("cpu:some:2s/2s", of(Scarce::Cpu, Waiting::Some, 2_000_000, 2_000_000)),
        ] {
            assert_eq!(trigger(text).expect(text), expected, "{text}");
        }
    }

    #[test]
    fn a_mistake_is_told_with_the_value_and_the_fix() {
        for (text, problem, fix) in [
            ("", "no such resource as \"\"", "cpu, memory or io"),
            ("disk", "no such resource as \"disk\"", "cpu, memory or io"),
            ("cpu:most", "no STALL/WINDOW in \"most\"", ":some or :full"),
            ("cpu:some:200/2s", "no STALL/WINDOW in \"200/2s\"", "150ms/2s"),
            ("cpu:1ms/2s:full", "a part too many", ":STALL/WINDOW"),
            ("cpu:0s/2s", "no stall at all", "1us at least"),
            ("cpu:999ns/2s", "no stall at all", "1us at least"),
            ("cpu:3s/2s", "its window can't hold", "no longer than the window"),
            ("cpu:3s/11s", "the kernel does not keep", "10s at most"),
        ] {
            let error = trigger(text).expect_err(text);
            let told = error.to_string();
            for part in ["--pressure", &format!("{text:?}"), problem, fix] {
                assert!(told.contains(part), "{text}: {told} lacks {part}");
            }
        }
    }
}
