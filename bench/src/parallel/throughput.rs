//! M2: starts and ends a second, in closed loops.
//!
//! What a newcomer would get wrong: a loop that stops at the bell has a start under way; it is awaited and counted, and
//! the time until then counts, too.

use super::place::{Place, Starter};
use crate::process::{Wrong, now};
use crate::result::{Metric, Row, Unit};
use crate::rounds::{Contestant, Figure, Rounds};
use std::thread;
use std::time::Duration;

const INTERVAL: &str =
    "starts of /bin/true whose end was collected, by the time from the first birth to the last end";

/// How many workers are tried: one, and one for each processor.
#[must_use]
pub fn workers() -> Vec<usize> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    if processors == 1 { vec![1] } else { vec![1, processors] }
}

/// "1 worker".
#[must_use]
pub fn case(workers: usize) -> String {
    if workers == 1 { "1 worker".to_owned() } else { format!("{workers} workers") }
}

/// Of everyone, `rounds` windows for each number of workers.
///
/// # Errors
/// Who failed, and how.
pub fn rows(
    starters: &[Starter],
    places: &[Place],
    rounds: usize,
    window: Duration,
) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for workers in workers() {
        let case = case(workers);
        let contestant = |starter: &Starter| {
            let row = row(&case, &starter.label).group(&format!("throughput, {case}"));
            let (starter, places) = (starter.clone(), places[..workers].to_vec());
            Contestant::new(vec![row], move || {
                rate(&places, window, |place| starter.start(place).map(|_| ()))
                    .map(|rate| vec![Figure::bare(rate)])
            })
        };
        let mut all = Rounds::of(starters.iter().map(contestant).collect());
        for _ in 0..rounds {
            all.turn()?;
        }
        rows.extend(all.rows());
    }
    Ok(rows)
}

/// Without anything found yet.
#[must_use]
pub fn row(case: &str, subject: &str) -> Row {
    Row::new(Metric::M2, case, subject, Unit::PerSecond, INTERVAL)
}

/// How often a second `work` is done when each of `places` has a worker that does nothing else for a `window`.
fn rate<P: Sync>(
    places: &[P],
    window: Duration,
    work: impl Fn(&P) -> Result<(), Wrong> + Sync,
) -> Result<f64, Wrong> {
    let began = now();
    let looped = |place| {
        let mut count = 0_u32;
        while now() < began + window {
            work(place)?;
            count += 1;
        }
        Ok(count)
    };
    let counts = thread::scope(|scope| {
        let workers: Vec<_> =
            places.iter().map(|place| scope.spawn(move || looped(place))).collect();
        let joined = |worker: thread::ScopedJoinHandle<'_, Result<u32, Wrong>>| {
            worker.join().unwrap_or_else(|_| Err(Wrong::Failed("a worker panicked".to_owned())))
        };
        workers.into_iter().map(joined).collect::<Result<Vec<u32>, Wrong>>()
    })?;
    Ok(f64::from(counts.iter().sum::<u32>()) / (now() - began).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn what_is_under_way_at_the_bell_counts_with_its_time() {
        let nap = |place: &u64| {
            thread::sleep(Duration::from_millis(*place));
            Ok(())
        };
        let rate = rate(&[40, 40], Duration::from_millis(1), nap);
        // Two naps in at least 40 ms; a busy machine may take longer.
        assert!(rate.is_ok_and(|rate| rate > 0.0 && rate <= 50.0));
    }

    #[test]
    fn every_worker_has_a_place_of_its_own() {
        let seen = Mutex::new(Vec::new());
        let work = |place: &usize| {
            seen.lock().map(|mut seen| seen.push(*place)).ok();
            thread::sleep(Duration::from_millis(2));
            Ok(())
        };
        assert!(rate(&[7, 8], Duration::from_millis(1), work).is_ok());
        let mut seen = seen.into_inner().unwrap_or_default();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, [7, 8]);
    }

    #[test]
    fn a_worker_that_fails_ends_the_window() {
        let fails = |_: &u8| Err(Wrong::Failed("no".to_owned()));
        assert_eq!(rate(&[0], Duration::from_secs(60), fails), Err(Wrong::Failed("no".to_owned())));
    }
}
