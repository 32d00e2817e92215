//! M3: K starts at once, repeated until there are samples enough for the tail.
//!
//! What a newcomer would get wrong: each latency begins at its own thread's t0, after the barrier, so that the harness's
//! own threads, which also wait for processors, are not in it; they are in the makespan.

use super::place::{Place, Started, Starter};
use crate::process::{Wrong, milliseconds};
use crate::result::{Metric, Row, Unit};
use crate::rounds::shuffled;
use crate::scene;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

const LATENCY: &str = "t0→t1 of each of K at once: before the birth of its runtime's process → its payload's first instruction";

const MAKESPAN: &str = "of K at once: the first t0 → the last payload's first instruction";

/// How many times everyone is repeated at least, for the makespan.
const REPETITIONS: usize = 3;

/// How many samples are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Whatever it takes.
    pub least: usize,
    /// If there is time.
    pub most: usize,
}

/// One starter at one K.
struct Crowd<'a> {
    starter: &'a Starter,
    places: &'a [Place],
    wanted: Wanted,
    latencies: Vec<f64>,
    makespans: Vec<f64>,
    given_up: Option<String>,
    does_not_fit: bool,
    leaves: Option<String>,
}

/// Of everyone at every K.
///
/// # Errors
/// Who failed, and how.
pub fn rows(
    starters: &[Starter],
    places: &[Place],
    crowds: &[usize],
    wanted: impl Fn(&Starter, usize) -> Wanted,
    budget: Duration,
) -> Result<Vec<Row>, String> {
    let crowd = |starter, count: usize| Crowd {
        starter,
        places: &places[..count],
        wanted: wanted(starter, count),
        latencies: Vec::new(),
        makespans: Vec::new(),
        given_up: None,
        does_not_fit: starter.fit() < count,
        leaves: None,
    };
    let each = |count| starters.iter().map(move |starter| (starter, count));
    let all = crowds.iter().copied().flat_map(each);
    let mut all: Vec<Crowd<'_>> = all.map(|(starter, count)| crowd(starter, count)).collect();
    let (began, mut random) = (Instant::now(), 1);
    loop {
        let in_time = began.elapsed() < budget;
        let mut waiting: Vec<&mut Crowd<'_>> =
            all.iter_mut().filter(|crowd| crowd.wants_more(in_time)).collect();
        if waiting.is_empty() {
            return Ok(all.into_iter().flat_map(Crowd::rows).collect());
        }
        for index in shuffled(waiting.len(), &mut random) {
            waiting[index].turn()?;
        }
    }
}

/// Without anything found yet: the latencies' row and the makespan's.
#[must_use]
pub fn templates(count: usize, subject: &str) -> [Row; 2] {
    let row =
        |case: &str, interval| Row::new(Metric::M3, case, subject, Unit::Milliseconds, interval);
    [row(&format!("k={count}"), LATENCY), row(&format!("k={count} makespan"), MAKESPAN)]
}

impl Crowd<'_> {
    fn wants_more(&self, in_time: bool) -> bool {
        let wanted = if in_time { self.wanted.most } else { self.wanted.least };
        let enough = self.latencies.len() >= wanted && self.makespans.len() >= REPETITIONS;
        self.given_up.is_none() && !self.does_not_fit && !enough
    }

    fn turn(&mut self) -> Result<(), String> {
        let name = || format!("k={}: {}", self.places.len(), self.starter.label);
        match at_once(self.places, |place| self.starter.start(place)) {
            Ok(all) => {
                let (latencies, makespan) = taken(&all);
                self.latencies.extend(latencies);
                self.makespans.extend(makespan);
            }
            Err(Wrong::Hung(sentence)) => {
                eprintln!("    {}: {sentence}", name());
                self.given_up = Some(sentence);
            }
            Err(Wrong::Failed(sentence)) => return Err(format!("{}: {sentence}", name())),
        }
        self.look_behind()
    }

    /// Who leaves cgroups behind is told in its rows, for rrun it is an error; the next one finds none.
    fn look_behind(&mut self) -> Result<(), String> {
        let left = scene::cgroups();
        if left.is_empty() {
            return Ok(());
        }
        scene::sweep();
        let sentence = format!("left {} cgroups behind", left.len());
        if self.starter.label == "rrun" {
            return Err(format!("k={}: rrun {sentence}: {}", self.places.len(), left.join(", ")));
        }
        self.leaves = Some(sentence);
        Ok(())
    }

    fn rows(self) -> [Row; 2] {
        let [latency, makespan] = templates(self.places.len(), &self.starter.label);
        if self.does_not_fit {
            return [latency, makespan]
                .map(|row| row.missing("there is not enough memory for so many"));
        }
        if let Some(sentence) = self.given_up {
            return [latency, makespan].map(|row| row.did_not_finish(sentence.clone()));
        }
        let rows = [latency.samples(self.latencies), makespan.samples(self.makespans)];
        match self.leaves {
            Some(sentence) => rows.map(|row| row.note(sentence.clone())),
            None => rows,
        }
    }
}

/// Does `work` in all places at once.
fn at_once<P: Sync, T: Send>(
    places: &[P],
    work: impl Fn(&P) -> Result<T, Wrong> + Sync,
) -> Result<Vec<T>, Wrong> {
    let (barrier, work) = (&Barrier::new(places.len()), &work);
    thread::scope(|scope| {
        let start = |place| {
            scope.spawn(move || {
                barrier.wait();
                work(place)
            })
        };
        let all: Vec<_> = places.iter().map(start).collect();
        let joined = |one: thread::ScopedJoinHandle<'_, Result<T, Wrong>>| {
            one.join().unwrap_or_else(|_| Err(Wrong::Failed("a thread panicked".to_owned())))
        };
        // All of them are joined before the first error is told.
        let all: Vec<_> = all.into_iter().map(joined).collect();
        all.into_iter().collect()
    })
}

/// Each one's latency, and from the first birth to the last first instruction.
fn taken(all: &[Started]) -> (Vec<f64>, Option<f64>) {
    let latency = |start: &Started| milliseconds(start.first - start.began);
    let first = all.iter().map(|start| start.began).min();
    let last = all.iter().map(|start| start.first).max();
    let makespan = first.zip(last).map(|(first, last)| milliseconds(last - first));
    (all.iter().map(latency).collect(), makespan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_makespan_is_from_the_first_birth_to_the_last_first_instruction() {
        let start = |began, first: u64| {
            let [began, first] = [began, first].map(Duration::from_millis);
            Started { began, first }
        };
        let (latencies, makespan) = taken(&[start(10, 30), start(20, 25)]);
        assert_eq!((latencies, makespan), (vec![20.0, 5.0], Some(20.0)));
        assert_eq!(taken(&[]).1, None);
    }

    #[test]
    fn all_are_there_before_any_begins() {
        // Each waits for the other: alone, none would end.
        let meeting = Barrier::new(2);
        let met = at_once(&[1, 2], |place| {
            meeting.wait();
            Ok(*place)
        });
        assert_eq!(met, Ok(vec![1, 2]));
    }

    #[test]
    fn one_that_fails_fails_the_crowd_by_its_own_words() {
        let one_fails = |place: &u8| match place {
            2 => Err(Wrong::Failed("runc run: no cgroup".to_owned())),
            _ => Ok(()),
        };
        let told = at_once(&[1, 2, 3], one_fails);
        assert_eq!(told, Err(Wrong::Failed("runc run: no cgroup".to_owned())));
    }
}
