//! Many pods at once (M17): all shims are started in the same moment, each with a container.
//!
//! What a newcomer would get wrong: each start's time begins at the common beginning, not when its turn came; who waits
//! for a processor waits.

use super::idle::ended;
use super::kind::Kind;
use super::place::Place;
use super::shim::Shim;
use crate::process::{Wrong, milliseconds, now};
use crate::result::{Metric, Row, Unit};
use crate::scene::{Life, Seccomp};
use crate::suite::Context;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// What each kind has said.
struct Said<'a> {
    kind: &'a Kind,
    places: Vec<Place>,
    each: Vec<f64>,
    all: Vec<f64>,
}

/// Rounds of all kinds, one after the other, each round beginning with another one.
///
/// # Errors
/// A shim says no.
pub fn rows(context: &Context, kinds: &[Kind]) -> Result<Vec<Row>, Wrong> {
    let (pods, rounds) = (context.pace.pick(10, 50), context.pace.pick(1, 10));
    let budget = Duration::from_secs(context.pace.pick(10, 100));
    let mut said = Vec::new();
    for kind in kinds {
        let place = |number| {
            let name = format!("engine-crowd-{}-{number}", kind.word());
            Place::new(&context.programs, &name, Seccomp::Docker, Life::Long)
        };
        let places: Result<Vec<Place>, Wrong> = (0..pods).map(place).collect();
        said.push(Said { kind, places: places?, each: Vec::new(), all: Vec::new() });
    }
    let (began, mut done) = (Instant::now(), 0);
    while done < rounds && (done == 0 || began.elapsed() < budget) {
        for turn in 0..said.len() {
            let at = (turn + done) % said.len();
            let times = at_once(said[at].kind, &said[at].places, done)?;
            said[at].all.push(times.iter().copied().fold(0.0, f64::max));
            said[at].each.extend(times);
        }
        done += 1;
    }
    context.progress(&format!("{pods} pods at once: {done} rounds of {rounds}"));
    Ok(said.into_iter().flat_map(|said| filled(said, pods)).collect())
}

fn filled(said: Said<'_>, pods: usize) -> [Row; 2] {
    let row = |case: &str, interval: &str| {
        let case = format!("{pods} pods, {case}");
        Row::new(Metric::M17, &case, said.kind.label, Unit::Milliseconds, interval)
            .group("engines, crowd")
    };
    [
        row("all run", "from the common beginning, before the birth of the first shim's `start` → the last Start was answered; no containerd").samples(said.all.clone()),
        row("each", "from the common beginning, before the birth of the first shim's `start` → this pod's Start was answered; no containerd").samples(said.each.clone()),
    ]
}

/// Milliseconds until each ran.
fn at_once(kind: &Kind, places: &[Place], round: usize) -> Result<Vec<f64>, Wrong> {
    let barrier = Barrier::new(places.len() + 1);
    let (began, started) = std::thread::scope(|scope| {
        let one = |place, number| {
            let barrier = &barrier;
            move || {
                barrier.wait();
                run(kind, place, &format!("crowd-{}-{round}-{number}", kind.word()))
            }
        };
        let threads: Vec<_> = places
            .iter()
            .enumerate()
            .map(|(number, place)| scope.spawn(one(place, number)))
            .collect();
        let began = now();
        barrier.wait();
        let joined = threads.into_iter().map(|thread| {
            thread.join().unwrap_or_else(|_| Err(Wrong::Failed("a caller panicked".to_owned())))
        });
        (began, joined.collect::<Vec<_>>())
    });
    let started: Result<Vec<_>, Wrong> = started.into_iter().collect();
    let (shims, times): (Vec<Shim>, Vec<Duration>) = started?.into_iter().unzip();
    for shim in shims {
        ended(shim)?;
    }
    Ok(times.into_iter().map(|time| milliseconds(time - began)).collect())
}

fn run(kind: &Kind, place: &Place, id: &str) -> Result<(Shim, Duration), Wrong> {
    let mut shim = Shim::start(kind, &place.bundle, id)?;
    shim.create(place, id)?;
    shim.begin(id)?;
    Ok((shim, now()))
}
