//! System calls: the program that works says nanoseconds, the counter says what a nanosecond is.
//!
//! What a newcomer would get wrong: the counter is meant to tick once a nanosecond here, but the kernel measures its
//! frequency at boot, and the clock has that error.

use super::work::{nameless_file, prepared, read};
use super::{say, to};
use crate::inside::Said;
use crate::lane_i::order::{Answer, Calls, Order};
use crate::ports::stamp;
use std::time::Instant;

/// Turns of looking at the clock while the counter is compared with it.
const TURNS: usize = 200_000;

/// Everyone once; the samples are the batches.
pub fn perform(order: &Order) -> Result<(), String> {
    if order.calls.is_empty() {
        return Ok(());
    }
    let scale = ticks_per_nanosecond();
    for calls in &order.calls {
        call(calls, scale).map_err(to(&calls.subject))?;
    }
    Ok(())
}

fn call(calls: &Calls, scale: f64) -> Result<(), String> {
    let mut answer = nameless_file()?;
    let (mut command, mut errors) = prepared(&calls.words, Some(&answer))?;
    let status = command.status().map_err(to("start it"))?;
    let said = read(&mut answer);
    if !status.success() {
        return Err(format!("{status}: {said} {}", read(&mut errors)));
    }
    for line in said.lines() {
        let Said::Samples(name, values) = Said::parse(line)? else { continue };
        for value in values {
            let subject = calls.subject.clone();
            say(&Answer::Sample("M7".to_owned(), name.clone(), subject, value * scale))?;
        }
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "these are fewer than 2^53")]
fn ticks_per_nanosecond() -> f64 {
    let (began, first) = (Instant::now(), stamp());
    let mut took = began.elapsed();
    for _ in 0..TURNS {
        took = began.elapsed();
    }
    (stamp() - first) as f64 / took.as_nanos().max(1) as f64
}
