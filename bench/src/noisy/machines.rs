//! Two virtual machines: the victim's work in one, the aggressor's in the other, one virtual processor each.
//!
//! Legitimate under emulation, too: the victim beside the aggressor is divided by the same victim alone, and both are
//! emulated; a note says so. It refuses aggressors whose resource these guests do not have: a disk, a network. What a
//! newcomer would get wrong: a guest of one virtual processor is limited by that alone; it can't take more than one
//! processor of the host, however many threads its hog has.

use super::round::{Neighbour, Outcome, round};
use super::scenario::{Aggressor, Configuration, MEMORY_LIMIT, case};
use super::site::{Misbehaving, Site, Working};
use crate::inside::{Guest, Subject};
use crate::result::{Metric, Row, Unit};
use crate::suite::{Context, Pace};
use crate::vm::{Accelerator, Machines};

/// MiB of each; 64 of them are what the victim sweeps.
const MEMORY: u32 = 256;

/// Measures; at quick pace it says why not.
///
/// # Errors
/// A sentence: a guest did not do what it should.
pub fn measure(context: &Context, site: &Site) -> Result<Vec<Row>, String> {
    let all = super::aggressors(context.pace);
    let why = match context.pace {
        Pace::Quick => {
            Err("two guests boot for each sample: measured at full pace only".to_owned())
        }
        Pace::Full => Machines::ready(&context.programs.payload),
    };
    let machines = match why {
        Ok(machines) => machines,
        Err(why) => return Ok(all.into_iter().map(|one| row(one).missing(&*why)).collect()),
    };
    // The guest brings its own initramfs.
    let recipe = machines.microvm(std::path::PathBuf::new(), "");
    let mut guest = Guest::new(recipe, &site.programs.workload, &machines.kernel, &[])?;
    guest.recipe.memory = MEMORY;
    let guest = Subject::Guest(Box::new(guest));
    let emulated = machines.accelerator() != Accelerator::Kvm;
    let mut rows = Vec::new();
    for aggressor in all {
        rows.push(match aggressor {
            Aggressor::Disk => {
                row(aggressor).missing("the guests of this measurement have no disk")
            }
            Aggressor::Flood => {
                row(aggressor).missing("the guests of this measurement have no network")
            }
            _ => {
                context.progress(&format!("{} in one machine of two", aggressor.name()));
                let outcomes = outcomes(&guest, aggressor, emulated);
                let outcomes =
                    outcomes.map_err(|why| format!("{}: {why}", case(aggressor, TWO)))?;
                let found = super::found(row(aggressor), &outcomes, &site.disk);
                if emulated { found.note("both guests are emulated (TCG)") } else { found }
            }
        });
    }
    Ok(rows)
}

const TWO: Configuration = Configuration::Machines;

fn row(aggressor: Aggressor) -> Row {
    let row = Row::new(Metric::M12, &case(aggressor, TWO), "vm", Unit::Ratio, aggressor.interval());
    let row = row.note(format!("one virtual processor and {MEMORY} MiB each"));
    if aggressor != Aggressor::Memory {
        return row;
    }
    row.note(format!("the hog touches {} MiB: more than its guest has", 8 * MEMORY_LIMIT))
}

fn outcomes(guest: &Subject, aggressor: Aggressor, emulated: bool) -> Result<Vec<Outcome>, String> {
    // An emulated processor is some ten times slower; a piece takes the same time.
    let slower = if emulated { 8 } else { 1 };
    let mut victim = Working(guest.start(&aggressor.victims_task(1, "", slower))?);
    let mut arrive = || -> Result<Box<dyn Neighbour>, String> {
        Ok(Box::new(Misbehaving::start(guest, &aggressor.task(1, ""), aggressor)?))
    };
    let mut outcomes = Vec::new();
    for _ in 0..5 {
        outcomes.push(round(&mut victim, &mut arrive, 10)?);
        if matches!(outcomes.last(), Some(Outcome::DidNotFinish { .. })) {
            break;
        }
    }
    Ok(outcomes)
}
