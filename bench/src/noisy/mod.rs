//! Noisy neighbours (M12), and how exact limits are (M6), by the clock.
//!
//! A row of M12 has the case `AGGRESSOR | CONFIGURATION | VICTIM` and the subject that stands between the two: `bare`,
//! `rrun`, `runc` or `vm`. Aggressors: `cpu hog`, `memory hog`, `fork bomb`, `disk writer`, `udp flood`; configurations:
//! `bare`, `container, no limits`, `cpu.weight`, `limits`, `two vms`; each aggressor has one victim, the work that needs
//! what it takes. Containment, `containment | AGGRESSOR | CONFIGURATION | WHAT`, says whether the host went on: see
//! [`containment`]. The limits' rows of M6 are in [`limits`].
//!
//! It refuses to threaten the machine: a bomb has 200 processes at the most, a memory hog 512 MiB, and every aggressor
//! ends by itself. What a newcomer would get wrong: two containers without limits are not two processes. The kernel is
//! fair between cgroups first, so a group of many hogs gets no more than a group of one victim.

pub mod containment;
pub mod host;
pub mod limits;
pub mod machines;
pub mod network;
pub mod round;
pub mod scenario;
pub mod site;

use crate::result::{Metric, Row, Unit};
use crate::room;
use crate::rounds::shuffled;
use crate::subject::Runtime;
use crate::suite::{Context, Pace};
use round::{DID_NOT_FINISH, Neighbour, Outcome};
use scenario::{Aggressor, BOMB, Configuration, MEMORY_LIMIT, PROCESS_LIMIT, case};
use site::Site;

/// Measures.
///
/// # Errors
/// A sentence when it can't be measured as it should.
pub fn measure(context: &Context) -> Result<Vec<Row>, String> {
    enter()?;
    let site = Site::make(&context.programs)?;
    let mut rows = Vec::new();
    for aggressor in aggressors(context.pace) {
        context.progress(&format!("{} against {}", aggressor.name(), aggressor.victim()));
        rows.extend(neighbours(&site, aggressor, context.pace)?);
    }
    context.progress("containment");
    rows.extend(containment::measure(&site)?);
    context.progress("the accuracy of limits");
    rows.extend(limits::measure(&site, context.pace)?);
    rows.extend(machines::measure(context, &site)?);
    Ok(rows)
}

/// The room with whatever limits this host has.
///
/// # Errors
/// A sentence for the user when we are not root.
pub fn enter() -> Result<(), String> {
    if ["cpu", "memory", "pids"].into_iter().all(host::in_v2) {
        room::enter()
    } else {
        room::enter_beside_cgroups()
    }
}

fn aggressors(pace: Pace) -> Vec<Aggressor> {
    let quick = vec![Aggressor::Cpu, Aggressor::Memory, Aggressor::Bomb];
    pace.pick(quick, Aggressor::ALL.to_vec())
}

/// The runtimes: ours, and runc at full pace.
fn runtimes(site: &Site, pace: Pace) -> Vec<Runtime> {
    let mut all = vec![Runtime::at("rrun", &site.programs.rrun)];
    all.extend(site.programs.runc.iter().map(|runc| Runtime::at("runc", runc)));
    all.truncate(pace.pick(1, 2));
    all
}

/// One column of the table, and what was found in it.
struct Cell {
    configuration: Configuration,
    who: Option<Runtime>,
    outcomes: Vec<Outcome>,
}

impl Cell {
    fn subject(&self) -> &str {
        self.who.as_ref().map_or("bare", |runtime| &runtime.label)
    }

    /// Once is enough: ten times as long is no accident, and the next round would wait as long.
    fn is_given_up(&self) -> bool {
        self.outcomes.iter().any(|outcome| matches!(outcome, Outcome::DidNotFinish { .. }))
    }
}

fn cells(site: &Site, pace: Pace) -> Vec<Cell> {
    let cell = |configuration, who| Cell { configuration, who, outcomes: Vec::new() };
    let mut cells = vec![cell(Configuration::Bare, None)];
    for (number, runtime) in runtimes(site, pace).into_iter().enumerate() {
        // Others for comparison, where it is the runtime that writes the limits.
        if number == 0 {
            cells.push(cell(Configuration::NoLimits, Some(runtime.clone())));
            if pace == Pace::Full {
                cells.push(cell(Configuration::Weight, Some(runtime.clone())));
            }
        }
        cells.push(cell(Configuration::Limits, Some(runtime)));
    }
    cells
}

/// One aggressor's rows.
///
/// # Errors
/// A sentence when it can't be measured as it should.
pub fn neighbours(site: &Site, aggressor: Aggressor, pace: Pace) -> Result<Vec<Row>, String> {
    let mut cells = cells(site, pace);
    if let Some(why) = missing(site, aggressor) {
        return Ok(cells.iter().map(|cell| row(aggressor, cell).missing(&*why)).collect());
    }
    let _partner = (aggressor == Aggressor::Flood).then(|| site.partner()).transpose()?;
    let mut random = 12;
    for _ in 0..pace.pick(3, 10) {
        for index in shuffled(cells.len(), &mut random) {
            let cell = &mut cells[index];
            if !cell.is_given_up() {
                let outcome = turn(site, aggressor, cell, pace.pick(4, 10));
                let what =
                    || format!("{}, {}", case(aggressor, cell.configuration), cell.subject());
                cell.outcomes.push(outcome.map_err(|why| format!("{}: {why}", what()))?);
            }
        }
    }
    Ok(cells.iter().map(|cell| found(row(aggressor, cell), &cell.outcomes, &site.disk)).collect())
}

fn turn(site: &Site, aggressor: Aggressor, cell: &Cell, pieces: u32) -> Result<Outcome, String> {
    let (who, configuration) = (cell.who.as_ref(), cell.configuration);
    let mut victim = site.victim(who, configuration, aggressor)?;
    let mut arrive = || -> Result<Box<dyn Neighbour>, String> {
        Ok(Box::new(site.aggressor(who, configuration, aggressor)?))
    };
    // A percentile of 500 trips is a piece by itself.
    let pieces = if aggressor == Aggressor::Flood { 3 } else { pieces };
    round::round(&mut victim, &mut arrive, pieces)
}

fn missing(site: &Site, aggressor: Aggressor) -> Option<String> {
    match aggressor {
        Aggressor::Flood => site.network.as_ref().err().cloned(),
        _ => None,
    }
}

fn row(aggressor: Aggressor, cell: &Cell) -> Row {
    let case = case(aggressor, cell.configuration);
    let row = Row::new(Metric::M12, &case, cell.subject(), Unit::Ratio, aggressor.interval());
    notes(aggressor, cell.configuration).into_iter().fold(row, Row::note)
}

fn notes(aggressor: Aggressor, configuration: Configuration) -> Vec<String> {
    let mut notes = Vec::new();
    let limited = configuration == Configuration::Limits;
    match aggressor {
        Aggressor::Bomb if !limited => notes.push(format!(
            "the bomb limits itself to {BOMB} processes: one without any limit would take the machine"
        )),
        Aggressor::Memory if !limited => notes
            .push(format!("the hog limits itself to {} MiB and begins again", 8 * MEMORY_LIMIT)),
        Aggressor::Flood if limited => notes.push(
            "OCI has no limit for a network: the flood is limited by its share of the processor"
                .to_owned(),
        ),
        _ => {}
    }
    if limited {
        notes.push(format!(
            "the aggressor has cpu.max 10 %, memory.max {MEMORY_LIMIT} MiB, pids.max {PROCESS_LIMIT}"
        ));
    }
    notes
}

/// What the outcomes say, in a row.
fn found(row: Row, outcomes: &[Outcome], disk: &Result<(u64, u64), String>) -> Row {
    let row = match (disk, row.case.starts_with("disk writer | limits")) {
        (Ok(_), true) => row.note("and its writes io.max 4 MiB/s (blkio.throttle on cgroup v1)"),
        (Err(why), true) => row.note(format!("without io.max: {why}")),
        _ => row,
    };
    let group = format!("noisy, {}", row.case.split(" | ").next().unwrap_or_default());
    let (mut ratios, mut without, mut beside, mut pressures) = (vec![], vec![], vec![], vec![]);
    for outcome in outcomes {
        match *outcome {
            Outcome::DidNotFinish { alone } => {
                return row.did_not_finish(format!(
                    "not done in {DID_NOT_FINISH} times the {alone:.1} ms that it takes alone, after {} rounds that were",
                    ratios.len()
                ));
            }
            Outcome::Finished { alone, with, pressure } => {
                ratios.push(with / alone);
                without.push(alone);
                beside.push(with);
                pressures.extend(pressure);
            }
        }
    }
    let whole = pressures.len() == ratios.len();
    let row = row.group(&group).samples(ratios);
    let row = row.beside("alone_ms", without).beside("with_ms", beside);
    if whole { row.beside("host_pressure_percent", pressures) } else { row }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Found;

    fn a_row() -> Row {
        Row::new(
            Metric::M12,
            &case(Aggressor::Disk, Configuration::Limits),
            "rrun",
            Unit::Ratio,
            "",
        )
    }

    fn finished(alone: f64, with: f64, pressure: Option<f64>) -> Outcome {
        Outcome::Finished { alone, with, pressure }
    }

    #[test]
    fn samples_are_ratios_and_what_they_are_made_of_is_beside() {
        let outcomes = [finished(10.0, 20.0, Some(5.0)), finished(20.0, 60.0, Some(7.0))];
        let row = found(a_row(), &outcomes, &Ok((254, 0)));
        assert_eq!(row.found, Found::Samples(vec![2.0, 3.0]));
        assert_eq!(row.group.as_deref(), Some("noisy, disk writer"));
        assert_eq!(row.beside["alone_ms"], [10.0, 20.0]);
        assert_eq!(row.beside["host_pressure_percent"], [5.0, 7.0]);
        assert!(row.notes.iter().any(|note| note.contains("io.max")));
    }

    #[test]
    fn one_round_that_did_not_finish_is_the_cells_result() {
        let outcomes = [finished(10.0, 20.0, None), Outcome::DidNotFinish { alone: 12.0 }];
        let row = found(a_row(), &outcomes, &Err("no disk".to_owned()));
        let Found::DidNotFinish(after) = &row.found else { panic!("{row:?}") };
        assert!(after.contains("12.0 ms") && after.contains("after 1 rounds"), "{after}");
        assert!(row.notes.iter().any(|note| note.contains("no disk")));
        let cell =
            Cell { configuration: Configuration::Bare, who: None, outcomes: outcomes.into() };
        assert!(cell.is_given_up());
    }

    #[test]
    fn a_kernel_without_pressure_has_no_series_of_it() {
        let outcomes = [finished(10.0, 20.0, None)];
        let row = found(a_row(), &outcomes, &Ok((254, 0)));
        assert!(!row.beside.contains_key("host_pressure_percent"));
    }
}
