//! Starts beside each other: how many a second (M2), and how long each of K at once takes (M3).
//!
//! ```text
//! M2  worker 1  ├─start─end─┤├─start─end─┤├─…     closed loop: the next begins when the last has ended
//! M3  K threads at a barrier ─┬─t0 ──► t1─       the latency of each, and from the first t0 to the last t1
//!                             └──t0 ────► t1─
//! ```
//!
//! What a newcomer would get wrong: containers that live at the same time need ids and cgroups of their own, so each
//! place has a bundle of its own; and a tail is a matter of many samples: repetitions are pooled until there are enough
//! for the percentiles that are shown.

mod crowd;
mod place;
mod throughput;

use crate::result::Row;
use crate::suite::Context;
use crate::vm::{Accelerator, Flavour, Machines};
use crate::{room, scene, stats};
use crowd::Wanted;
use place::Starter;
use std::sync::Arc;
use std::time::Duration;

/// K, quick and full.
const CROWDS: [&[usize]; 2] = [&[1, 4, 16], &[1, 2, 4, 8, 16, 32, 64]];

/// From this many at once on, rrun's 99th percentile is wanted.
const TAIL_FROM: usize = 16;

/// Measures.
///
/// # Errors
/// A sentence when it can't be measured as it should, or when a runtime left something behind.
pub fn measure(context: &Context) -> Result<Vec<Row>, String> {
    room::enter()?;
    let rows = measured(context);
    scene::sweep();
    rows
}

fn measured(context: &Context) -> Result<Vec<Row>, String> {
    let crowds = CROWDS[context.pace.pick(0, 1)];
    let most = crowds.iter().copied().chain(throughput::workers()).max();
    let places = place::bundles(&context.programs, most.unwrap_or(1));
    let mut starters = place::starters(&context.programs, &places);
    let mut missing = Vec::new();
    match machines(context) {
        Ok(machines) => starters.extend(machines),
        Err(why) => missing = without_machines(crowds, &why),
    }
    let (rounds, window) = context.pace.pick((3, 0.2), (10, 1.0));
    context.progress(&format!("throughput: {rounds} rounds of {window} s for each"));
    // A probe of crun, which is looked at for its own sake, may have left one.
    scene::sweep();
    let mut rows = throughput::rows(&starters, &places, rounds, Duration::from_secs_f64(window))?;
    context.progress(&format!("starts at once: {crowds:?}"));
    let budget = Duration::from_secs(context.pace.pick(4, 60));
    let wanted = |starter: &Starter, crowd: usize| {
        let many = stats::ENOUGH_FOR_P99 + TAIL_FROM;
        let enough = stats::ENOUGH_FOR_P95 + TAIL_FROM;
        match context.pace.pick(None, Some(crowd >= TAIL_FROM)) {
            None => Wanted { least: 16, most: 48 },
            Some(true) if starter.is_cheap() => Wanted { least: many, most: many },
            Some(true) => Wanted { least: enough, most: many },
            Some(false) => Wanted { least: enough, most: enough },
        }
    };
    rows.extend(crowd::rows(&starters, &places, crowds, wanted, budget)?);
    let left = starters.iter().map(Starter::left).collect::<Result<Vec<_>, _>>()?;
    let note = |row: Row| {
        let of = left.iter().flatten().find(|(label, _)| *label == row.subject);
        match of {
            Some((_, sentence)) => row.note(sentence.clone()),
            None => row,
        }
    };
    Ok(rows.into_iter().map(note).chain(missing).collect())
}

/// The machines that are worth starting by the hundred.
const FLAVOURS: [Flavour; 2] = [Flavour::Microvm, Flavour::Restored];

fn machines(context: &Context) -> Result<Vec<Starter>, String> {
    let machines = Arc::new(Machines::ready(&context.programs.payload)?);
    if machines.accelerator() != Accelerator::Kvm {
        return Err("emulated: processors that are emulated in parallel say nothing of hardware \
                    virtualization"
            .to_owned());
    }
    // The template is made before anything is timed.
    drop(machines.template()?);
    Ok(FLAVOURS.map(|flavour| Starter::machine(machines.clone(), flavour)).to_vec())
}

fn without_machines(crowds: &[usize], why: &str) -> Vec<Row> {
    let rows = |flavour: Flavour| {
        let workers = throughput::workers().into_iter().map(throughput::case);
        let rates = workers.map(move |case| throughput::row(&case, flavour.subject()));
        let crowds =
            crowds.iter().flat_map(move |count| crowd::templates(*count, flavour.subject()));
        rates.chain(crowds)
    };
    FLAVOURS.into_iter().flat_map(rows).map(|row| row.missing(why)).collect()
}
