//! The turns of virtual machines: cold ones in some of the rounds, because they take seconds where they are emulated; the
//! restored one in all.
//!
//! What a newcomer would get wrong: a cold machine that is compared with containers of *other* rounds is compared with
//! another load. So what the containers took in the machines' rounds is told once more, in a group with them.

use super::contests::{GROUP, row};
use crate::process::{Wrong, milliseconds};
use crate::programs::Programs;
use crate::result::{Metric, Row};
use crate::rounds::{Contestant, Figure, Rounds};
use crate::suite::Pace;
use crate::vm::{Accelerator, Flavour, Machines};
use std::sync::Arc;

/// Of cold machines and of what else was started in the same rounds.
pub const COLD: &str = "start beside cold machines";

/// t0→t2.
pub const TO_FIRST_BYTE: &str = "t0→t2: before the birth of QEMU's process → the first byte of its guest's payload at the harness";

/// t0→t3.
const TO_POWER_OFF: &str = "t0→t3: before the birth of QEMU's process → its end was collected";

/// Of a row whose wall clock is divided by no other.
pub const EMULATED: &str = "emulated, not hardware virtualization";

/// What a restored machine is not.
const RESTORED: &str = "goes on with a process that ran already: no new configuration, and all clones share an identity";

/// What machines are made of here.
///
/// # Errors
/// A sentence that says what is missing.
pub fn found(programs: &Programs) -> Result<Arc<Machines>, String> {
    Machines::ready(&programs.payload).map(Arc::new)
}

/// In which rounds cold machines take part: every n-th.
#[must_use]
pub fn every(machines: &Machines, pace: Pace) -> usize {
    match machines.accelerator() {
        Accelerator::Kvm => pace.pick(2, 3),
        Accelerator::Tcg | Accelerator::Icount => pace.pick(7, 20),
    }
}

/// Every flavour of machine.
#[must_use]
pub fn contests(machines: &Arc<Machines>, every: usize) -> Vec<Contestant> {
    let contest = |flavour: Flavour| {
        let machines = machines.clone();
        let rows = templates(flavour, machines.accelerator());
        let contestant = Contestant::new(rows.to_vec(), move || {
            let took = machines.start(flavour).map_err(Wrong::Failed)?;
            let cost = Some((milliseconds(took.cpu), 0));
            let figure = |time| Figure { value: milliseconds(time), cost };
            Ok(vec![figure(took.first), figure(took.life)])
        });
        if flavour == Flavour::Restored { contestant } else { contestant.every(every) }
    };
    Flavour::ALL.map(contest).into_iter().collect()
}

/// The rows of a flavour, with what a reader must know.
fn templates(flavour: Flavour, accelerator: Accelerator) -> [Row; 2] {
    let notes =
        [(accelerator != Accelerator::Kvm, EMULATED), (flavour == Flavour::Restored, RESTORED)];
    let notes: Vec<&str> =
        notes.into_iter().filter(|(is_so, _)| *is_so).map(|(_, note)| note).collect();
    let group = if flavour == Flavour::Restored { GROUP } else { COLD };
    [(Metric::M1, TO_FIRST_BYTE), (Metric::M1c, TO_POWER_OFF)].map(|(metric, interval)| {
        let row = row(metric, "run", flavour.subject(), interval).group(group);
        notes.iter().fold(row, |row, note| row.note(*note))
    })
}

/// The same rows where there are no machines.
#[must_use]
pub fn missing(why: &str) -> Vec<Row> {
    let rows = |flavour| templates(flavour, Accelerator::Kvm).map(|row| row.missing(why));
    Flavour::ALL.into_iter().flat_map(rows).collect()
}

/// What everyone else took in the rounds of cold machines.
#[must_use]
pub fn beside(rounds: &Rounds, every: usize) -> Vec<Row> {
    let is_wanted = |row: &Row| row.metric == Metric::M1 && row.case == "run";
    let all = rounds.rows_of(every).into_iter();
    let others = all.filter(|row| is_wanted(row) && row.group.as_deref() == Some(GROUP));
    let told_again = |mut row: Row| {
        row.case = "run beside cold machines".to_owned();
        row.group(COLD)
    };
    others.map(told_again).collect()
}
