//! Starts, counted from before the birth of the first process to the payload's first instruction.
//!
//! What a newcomer would get wrong: the payload may not have run when `start` has ended, so its stamp is waited for.

use super::work::{TRIES, collect, eventually, nameless_file, prepared, read, succeed};
use super::{say, to};
use crate::lane_i::order::{Answer, Order, Start};
use crate::ports::stamp;
use crate::rounds::shuffled;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::Duration;

/// After what came before: the kernel takes its namespaces apart later, in threads of its own, which would be counted.
const SETTLED: Duration = Duration::from_millis(100);

/// Everyone once for nothing, then round by round.
pub fn perform(order: &Order) -> Result<(), String> {
    let mut random = 1;
    for start in &order.starts {
        count(start)?;
    }
    for _ in 0..order.rounds {
        for index in shuffled(order.starts.len(), &mut random) {
            let start = &order.starts[index];
            for _ in 0..start.times {
                let sample = count(start)?;
                let (case, subject) = (start.case.clone(), start.subject.clone());
                say(&Answer::Sample("M1i".to_owned(), case, subject, sample))?;
            }
        }
    }
    Ok(())
}

/// Instructions.
#[allow(clippy::cast_precision_loss, reason = "a start has fewer than 2^53")]
fn count(start: &Start) -> Result<f64, String> {
    let name = format!("{} {}", start.subject, start.case);
    for words in &start.before {
        succeed(&mut prepared(words, None)?).map_err(to(&name))?;
    }
    let answer = nameless_file()?;
    let commands: Result<Vec<_>, _> =
        start.counted.iter().map(|words| prepared(words, Some(&answer))).collect();
    let mut commands = commands?;
    thread::sleep(SETTLED);
    let begin = stamp();
    for (command, words) in &mut commands {
        let mut child = command.spawn().map_err(to(&name))?;
        let status = child.wait().map_err(to(&name))?;
        if !status.success() {
            return Err(format!("{name}: {status}: {}", read(words)));
        }
    }
    let first = first_instruction(&answer).ok_or_else(|| format!("{name}: no payload ran"))?;
    for words in &start.after {
        eventually(words).map_err(to(&name))?;
    }
    collect();
    let sample = first.checked_sub(begin).ok_or("the payload's counter ran backwards")?;
    Ok(sample as f64)
}

/// The stamp that the payload has written behind its struct timespec.
fn first_instruction(answer: &File) -> Option<u64> {
    for _ in 0..TRIES {
        let mut bytes = [0; 24];
        if answer.read_exact_at(&mut bytes, 0).is_ok() {
            return Some(u64::from_ne_bytes(bytes[16..].try_into().ok()?));
        }
        thread::sleep(Duration::from_millis(1));
    }
    None
}
