//! How many instances fit (M5): started one after the other until a start is slow, memory runs short, or the cap.
//!
//! It refuses to fill the machine: the cap is far below what computed density says, and others live here. What a newcomer
//! would get wrong: the first start reads everything from disk, so starts are compared in windows, not with the first.

use super::crowd::Subject;
use super::instance::{Instance, Kind};
use super::memcg::Hierarchy;
use super::{median, resident};
use crate::result::{Metric, Row, Unit};
use crate::stats::quantile;
use crate::suite::Context;

/// KiB that stay free.
const RESERVE: f64 = 512.0 * 1024.0;

const FITTING: &str = "instances that wait at once while a window's p95 of starts stays below twice the first window's";
const LATENCY: &str = "t0→started: before the birth of create (bare: of the payload) → start has returned, \
                       one after the other while all before it wait";
const COMPUTED: &str = "MemAvailable before the first instance / `charge, total` of M4";

/// Why no more were started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Cap,
    Slow,
    Memory,
}

/// Counts, and computes from `idle`, the rows of M4.
///
/// # Errors
/// A sentence: an instance did not start though memory was there.
pub fn measure(
    context: &Context,
    subject: &Subject,
    hierarchy: &Hierarchy,
    idle: &[Row],
) -> Result<Vec<Row>, String> {
    let row = |case: &str, unit, interval: &str| {
        let row = Row::new(Metric::M5, case, subject.name, unit, interval);
        subject.notes.iter().fold(row, |row, note| row.note(note.clone()))
    };
    let computed = row("computed", Unit::Count, COMPUTED);
    let kind = match &subject.kind {
        Ok(kind) => kind,
        Err(why) => return Ok(vec![computed.missing(why.clone())]),
    };
    let free = resident::available()?;
    let computed = match median(idle, "charge, total") {
        Some(charge) if charge > 0.0 => computed.samples(vec![(free / charge).floor()]),
        _ => computed.missing("there is no charge to compute it from"),
    };
    if matches!(kind, Kind::Machine(_)) {
        return Ok(vec![computed.note("computed only: a machine's memory is given ahead")]);
    }
    let (cap, window) = context.pace.pick((20, 10), (200, 20));
    let (latencies, stop) = fill(kind, hierarchy, cap, window)
        .map_err(|why| format!("{}: density: {why}", subject.name))?;
    let why = match stop {
        Stop::Cap => format!("stopped at the cap of {cap}"),
        Stop::Slow => "stopped because starts had become slow".to_owned(),
        Stop::Memory => "stopped because memory ran short".to_owned(),
    };
    let fit = fitting(&latencies, window, stop);
    #[allow(clippy::cast_precision_loss, reason = "at most the cap")]
    let fit = fit as f64;
    Ok(vec![
        row("fitting", Unit::Count, FITTING).samples(vec![fit]).note(why),
        row("start while others wait", Unit::Milliseconds, LATENCY).samples(latencies),
        computed,
    ])
}

fn fill(
    kind: &Kind,
    hierarchy: &Hierarchy,
    cap: usize,
    window: usize,
) -> Result<(Vec<f64>, Stop), String> {
    let (mut instances, mut latencies) = (Vec::new(), Vec::new());
    while instances.len() < cap {
        if resident::available()? < RESERVE {
            return Ok((latencies, Stop::Memory));
        }
        let instance = Instance::start(kind, hierarchy)?;
        latencies.push(instance.took.as_secs_f64() * 1e3);
        instances.push(instance);
        if latencies.len() % window == 0 && is_slow(&latencies, window) {
            return Ok((latencies, Stop::Slow));
        }
    }
    Ok((latencies, Stop::Cap))
}

/// Whether the last window's p95 is twice the first one's.
fn is_slow(latencies: &[f64], window: usize) -> bool {
    let p95 = |window: Option<&[f64]>| window.and_then(|window| quantile(window, 0.95));
    let first = p95(latencies.chunks(window).next());
    let last = p95(latencies.chunks(window).last());
    matches!((first, last), (Some(first), Some(last)) if last >= 2.0 * first)
}

/// All but the window that was slow.
fn fitting(latencies: &[f64], window: usize, stop: Stop) -> usize {
    match stop {
        Stop::Slow => latencies.len().saturating_sub(window),
        Stop::Cap | Stop::Memory => latencies.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_slow_at_twice_the_first_and_one_slow_start_is_not_enough() {
        let mut latencies = vec![10.0; 20];
        latencies.extend([19.0; 20]);
        assert!(!is_slow(&latencies, 20));
        latencies.extend([21.0; 20]);
        assert!(is_slow(&latencies, 20));
        let mut once = vec![10.0; 40];
        once[30] = 1000.0;
        assert!(!is_slow(&once, 20));
    }

    #[test]
    fn the_window_that_was_slow_does_not_fit() {
        assert_eq!(fitting(&[1.0; 60], 20, Stop::Slow), 40);
        assert_eq!(fitting(&[1.0; 60], 20, Stop::Cap), 60);
        assert_eq!(fitting(&[1.0; 7], 20, Stop::Memory), 7);
    }
}
