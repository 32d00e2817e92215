//! Computation: integers, SHA-256, and units of a fixed amount of work, each timed alone.
//!
//! What a newcomer would get wrong: an optimizer that sees through a loop computes its result at once; here each step
//! needs the last one's, and the result is used.

use crate::arguments::Arguments;
use crate::batch::{Batches, nanoseconds};
use crate::voice::Voice;
use sha2::{Digest, Sha256};
use std::hint::black_box;
use std::time::Instant;

/// Steps of an operation of `integer`.
const STEPS: u64 = 1000;

/// Bytes of an operation of `sha256`.
const BLOCK: usize = 64 * 1024;

/// `integer` and `sha256`; with `units=` and `steps=`, also `unit`: each of so many units of so many steps.
pub fn compute(arguments: &Arguments, voice: &mut Voice) -> Result<(), String> {
    let batches = Batches::of(arguments)?;
    let mut state = 1;
    let integers = batches.measure(|| {
        state = steps(state, STEPS);
        Ok(())
    })?;
    voice.say("integer", &integers)?;
    let block = vec![7; BLOCK];
    let hashes = batches.measure(|| {
        black_box(Sha256::digest(black_box(&block)));
        Ok(())
    })?;
    voice.say("sha256", &hashes)?;
    let (units, length) = (arguments.count("units", 0)?, arguments.number("steps", STEPS)?);
    let mut samples = Vec::with_capacity(units);
    for _ in 0..units {
        let began = Instant::now();
        state = steps(state, length);
        samples.push(nanoseconds(began.elapsed(), 1));
    }
    if units > 0 {
        voice.say("unit", &samples)?;
    }
    Ok(())
}

/// Multiplications, shifts and exclusive ors, each of the last one's result (xorshift64*, Vigna 2016).
pub fn steps(mut state: u64, count: u64) -> u64 {
    for _ in 0..count {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state = black_box(state.wrapping_mul(0x2545_f491_4f6c_dd1d));
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_is_the_same_however_it_is_cut() {
        assert_eq!(steps(steps(1, 10), 20), steps(1, 30));
        assert_ne!(steps(1, 30), steps(1, 31));
    }
}
