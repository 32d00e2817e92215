//! One round: the victim alone, with its neighbour, and alone again.
//!
//! ```text
//! victim     ▪▪▪▪▪▪▪▪▪▪ ▪▪▪▪▪▪  ▪  ▪  ▪  ▪  ▪  ▪ ▪▪▪▪▪▪▪▪▪
//! neighbour             arrives ───────────────► leaves
//! counted      └alone─┘           └───with───┘    └alone─┘
//! ```
//!
//! Alone is measured on both sides, so a machine that grows busier meanwhile does not look like a neighbour. It refuses
//! to wait for ever: ten times as long as alone is a result, "did not finish". What a newcomer would get wrong: the
//! piece of work during which the neighbour arrives or leaves belongs to neither.

use crate::stats::median;
use std::time::{Duration, Instant};

/// So many times as long as alone, and it has not finished.
pub const DID_NOT_FINISH: u32 = 10;

/// How long a piece may take that is not measured beside a neighbour; a guest's boot is in the first.
const PATIENCE: Duration = Duration::from_secs(60);

/// A piece of work that was done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tick {
    /// What counts, in milliseconds: how long it took, or a latency within it.
    pub value: f64,
    /// How long it took.
    pub took: Duration,
}

/// Who does the same piece of work over and over.
pub trait Victim {
    /// The next piece, if it is done within `patience`.
    ///
    /// # Errors
    /// A sentence: it does not work any more.
    fn tick(&mut self, patience: Duration) -> Result<Option<Tick>, String>;

    /// The pieces that are done already are forgotten.
    ///
    /// # Errors
    /// As [`Victim::tick`].
    fn forget(&mut self) -> Result<(), String>;
}

/// Who misbehaves, already at work; dropped, it is gone.
pub trait Neighbour {
    /// It goes; what it says is the share of the time, in percent, in which somebody on the host was short of what it
    /// takes.
    ///
    /// # Errors
    /// A sentence: it had stopped misbehaving before, and what was measured is nothing.
    fn leave(self: Box<Self>) -> Result<Option<f64>, String>;
}

/// What a round was good for; all in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// Both were measured.
    Finished {
        /// A piece without the neighbour.
        alone: f64,
        /// A piece beside it.
        with: f64,
        /// As [`Neighbour::leave`] says.
        pressure: Option<f64>,
    },
    /// The victim was given up.
    DidNotFinish {
        /// A piece without the neighbour.
        alone: f64,
    },
}

/// Measures `pieces` beside the neighbour that `arrive` brings, and as many alone.
///
/// # Errors
/// A sentence: the victim or its neighbour did not do what it should.
pub fn round(
    victim: &mut dyn Victim,
    arrive: &mut dyn FnMut() -> Result<Box<dyn Neighbour>, String>,
    pieces: u32,
) -> Result<Outcome, String> {
    let half = pieces.div_ceil(2);
    let mut quiet = alone(victim, half)?;
    let each = quiet.iter().map(|tick| tick.took).sum::<Duration>() / half;
    let neighbour = arrive()?;
    let with = beside(victim, pieces, each * DID_NOT_FINISH * (pieces + 1))?;
    let pressure = neighbour.leave()?;
    let Some(with) = with else {
        return Ok(Outcome::DidNotFinish { alone: of(&quiet) });
    };
    quiet.extend(alone(victim, half)?);
    Ok(Outcome::Finished { alone: of(&quiet), with: of(&with), pressure })
}

/// Pieces without any neighbour, after one that warms the caches and may have begun beside an older neighbour.
fn alone(victim: &mut dyn Victim, count: u32) -> Result<Vec<Tick>, String> {
    victim.forget()?;
    let mut ticks = Vec::new();
    for _ in 0..=count {
        let tick = victim.tick(PATIENCE)?;
        ticks.push(tick.ok_or_else(|| format!("the victim did nothing for {PATIENCE:?}"))?);
    }
    Ok(ticks.split_off(1))
}

/// The pieces beside the neighbour; none when they are not done within `patience`.
fn beside(
    victim: &mut dyn Victim,
    pieces: u32,
    patience: Duration,
) -> Result<Option<Vec<Tick>>, String> {
    victim.forget()?;
    let deadline = Instant::now() + patience;
    let mut ticks = Vec::new();
    // One more: the neighbour arrived during the first.
    for _ in 0..=pieces {
        match victim.tick(deadline.saturating_duration_since(Instant::now()))? {
            Some(tick) => ticks.push(tick),
            None => return Ok(None),
        }
    }
    Ok(Some(ticks.split_off(1)))
}

/// A piece of these, in milliseconds. When durations count it is the whole stretch, divided: a limit gives its share in
/// bursts, which the middle piece would miss. Latencies within pieces have a middle.
fn of(ticks: &[Tick]) -> f64 {
    let values: Vec<f64> = ticks.iter().map(|tick| tick.value).collect();
    let is_duration = |tick: &Tick| (tick.value - tick.took.as_secs_f64() * 1e3).abs() < 1e-3;
    if ticks.iter().all(is_duration) {
        let count = u32::try_from(values.len()).unwrap_or(u32::MAX);
        values.iter().sum::<f64>() / f64::from(count)
    } else {
        median(&values).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;

    /// Works on a clock of its own: slower by a factor while the neighbour is there.
    struct Fake {
        noisy: Rc<Cell<f64>>,
        dies_after: usize,
    }

    impl Victim for Fake {
        fn tick(&mut self, patience: Duration) -> Result<Option<Tick>, String> {
            self.dies_after = self.dies_after.checked_sub(1).ok_or("it died")?;
            let took = Duration::from_millis(20).mul_f64(self.noisy.get());
            Ok((took <= patience).then_some(Tick { value: took.as_secs_f64() * 1e3, took }))
        }

        fn forget(&mut self) -> Result<(), String> {
            Ok(())
        }
    }

    struct Hog {
        noisy: Rc<Cell<f64>>,
        over: bool,
    }

    impl Neighbour for Hog {
        fn leave(self: Box<Self>) -> Result<Option<f64>, String> {
            if self.over { Err("it was over".to_owned()) } else { Ok(Some(50.0)) }
        }
    }

    impl Drop for Hog {
        fn drop(&mut self) {
            self.noisy.set(1.0);
        }
    }

    fn with(factor: f64, dies_after: usize, over: bool) -> Result<Outcome, String> {
        let noisy = Rc::new(Cell::new(1.0));
        let mut victim = Fake { noisy: noisy.clone(), dies_after };
        let mut arrive = || -> Result<Box<dyn Neighbour>, String> {
            noisy.set(factor);
            Ok(Box::new(Hog { noisy: noisy.clone(), over }))
        };
        let outcome = round(&mut victim, &mut arrive, 4);
        assert!((noisy.get() - 1.0).abs() < 1e-9, "the neighbour is still there");
        outcome
    }

    #[test]
    fn a_round_compares_beside_the_neighbour_with_alone() {
        let Ok(Outcome::Finished { alone, with, pressure }) = with(3.0, usize::MAX, false) else {
            panic!("it should have finished");
        };
        assert!((alone - 20.0).abs() < 1e-6 && (with - 60.0).abs() < 1e-6, "{alone} {with}");
        assert_eq!(pressure, Some(50.0));
    }

    #[test]
    fn ten_times_as_long_is_a_result_and_the_neighbour_is_ended() {
        let Ok(Outcome::DidNotFinish { alone }) = with(1000.0, usize::MAX, false) else {
            panic!("it should not have finished");
        };
        assert!((alone - 20.0).abs() < 1e-6);
    }

    #[test]
    fn a_victim_that_dies_is_an_error_and_the_neighbour_is_ended() {
        for after in 0..11 {
            assert_eq!(with(2.0, after, false), Err("it died".to_owned()), "after {after}");
        }
        assert!(with(2.0, 11, false).is_ok());
    }

    #[test]
    fn a_neighbour_that_was_over_before_its_time_spoils_the_round() {
        assert_eq!(with(2.0, usize::MAX, true), Err("it was over".to_owned()));
    }

    #[test]
    fn bursts_count_by_their_share_and_latencies_by_their_middle() {
        let tick = |value, took| Tick { value, took: Duration::from_millis(took) };
        let bursts = [tick(10.0, 10), tick(10.0, 10), tick(40.0, 40)];
        assert!((of(&bursts) - 20.0).abs() < 1e-9);
        let latencies = [tick(0.1, 30), tick(9.0, 50), tick(0.2, 30)];
        assert!((of(&latencies) - 0.2).abs() < 1e-9);
    }
}
