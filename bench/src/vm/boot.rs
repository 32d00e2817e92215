//! One start of a guest whose /init is the payload, from before QEMU is started until it has ended.
//!
//! ```text
//! t0 before QEMU is started      t2 the first byte of READY arrives      t3 QEMU has ended, with 33
//! ```
//!
//! A guest has no clock that is ours, so there is no t1. It refuses to believe: READY comes once, in one spelling, with
//! a counter that has counted, and the machine powers off as the payload does; all else is a lie and an error.

use super::{Line, Recipe, Session};
use crate::process::now;
use std::time::{Duration, Instant};

/// What a start took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Took {
    /// t0→t2: to the first byte that the payload writes.
    pub first: Duration,
    /// t0→t3: until QEMU had ended and was collected.
    pub life: Duration,
    /// What QEMU took of the processors.
    pub cpu: Duration,
    /// The guest's time stamp counter at the payload's first instruction.
    pub tsc: u64,
}

/// Boots `recipe`, whose /init is the payload with the argument `vm`. Errors name `subject`.
///
/// # Errors
/// A sentence: never ready, not ended in time, or a lie.
pub fn boot(subject: &str, recipe: &Recipe, patience: Duration) -> Result<Took, String> {
    let deadline = Instant::now() + patience;
    let booted = Session::start(recipe).and_then(|mut session| {
        let ready = session.line(deadline)?;
        let tsc = ready_at(&ready)?;
        let began = session.began;
        let ended = session.end(deadline)?;
        if let Some(line) = ended.unread.first() {
            return Err(format!("the payload lies: it goes on after READY: {:?}", line.text));
        }
        Ok(Took { first: ready.at - began, life: ended.at - began, cpu: ended.cpu, tsc })
    });
    booted.map_err(|why| format!("{subject}: {why}"))
}

/// The counter in the payload's READY.
///
/// # Errors
/// A sentence that quotes what was said instead.
pub fn ready_at(line: &Line) -> Result<u64, String> {
    let lie = |what: &str| format!("the payload lies: {what}: {:?}", line.text);
    let digits = line.text.strip_prefix("READY tsc=").ok_or_else(|| lie("this is no READY"))?;
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() != 16 || !digits.bytes().all(is_digit) {
        return Err(lie("this is no counter"));
    }
    if line.at > now() {
        return Err(lie("it comes from the future"));
    }
    match u64::from_str_radix(digits, 16) {
        Ok(0) | Err(_) => Err(lie("a counter that has not counted")),
        Ok(tsc) => Ok(tsc),
    }
}
