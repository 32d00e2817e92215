//! What one operation takes: many of them between two looks at the clock, several times.
//!
//! It refuses fixed numbers of operations, which would be too few for a fast machine and an hour for an emulated one.
//! What a newcomer would get wrong: finding the number is the warm-up, too, so it is not a sample.

use crate::arguments::Arguments;
use std::time::{Duration, Instant};

/// How many batches, and how long one should take.
#[derive(Debug, Clone, Copy)]
pub struct Batches {
    count: usize,
    span: Duration,
}

impl Batches {
    /// `batches=`, and `span=` in microseconds.
    pub fn of(arguments: &Arguments) -> Result<Self, String> {
        let span = Duration::from_micros(arguments.number("span", 1000)?);
        Ok(Self { count: arguments.count("batches", 5)?, span })
    }

    /// Nanoseconds per operation, batch by batch.
    pub fn measure(
        &self,
        mut operation: impl FnMut() -> Result<(), String>,
    ) -> Result<Vec<f64>, String> {
        let mut operations = 1;
        loop {
            let took = time(operations, &mut operation)?;
            if took * 4 >= self.span || operations >= 1 << 30 {
                operations = scaled(operations, took, self.span);
                break;
            }
            operations *= 2;
        }
        let mut batch = || Ok(nanoseconds(time(operations, &mut operation)?, operations));
        (0..self.count).map(|_| batch()).collect()
    }
}

fn time(
    count: u64,
    operation: &mut impl FnMut() -> Result<(), String>,
) -> Result<Duration, String> {
    let began = Instant::now();
    for _ in 0..count {
        operation()?;
    }
    Ok(began.elapsed())
}

/// As many as fit into `span` when `count` took `took`; at least one.
fn scaled(count: u64, took: Duration, span: Duration) -> u64 {
    let fit = u128::from(count) * span.as_nanos() / took.as_nanos().max(1);
    u64::try_from(fit).unwrap_or(u64::MAX).clamp(1, 1 << 30)
}

/// Nanoseconds per operation.
#[allow(clippy::cast_precision_loss, reason = "2^53 nanoseconds are three months")]
pub fn nanoseconds(took: Duration, operations: u64) -> f64 {
    took.as_nanos() as f64 / operations as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_as_many_operations_as_fit() {
        let ms = Duration::from_millis;
        assert_eq!(scaled(10, ms(1), ms(4)), 40);
        assert_eq!(scaled(1, ms(100), ms(4)), 1);
        assert_eq!(scaled(8, Duration::ZERO, ms(1)), 8_000_000);
    }

    #[test]
    fn there_are_as_many_samples_as_batches_and_an_error_ends_them() {
        let batches = Batches { count: 3, span: Duration::from_micros(10) };
        let samples = batches.measure(|| Ok(())).expect("samples");
        assert_eq!(samples.len(), 3);
        let failed = batches.measure(|| Err("no such call".to_owned()));
        assert_eq!(failed, Err("no such call".to_owned()));
    }
}
