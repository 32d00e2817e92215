//! Cold starts, one after the other (M1, M1c): everyone once per round, in a shuffled order; and what comes before a
//! start, provisioning (M1p).
//!
//! What a newcomer would get wrong: a container's payload reads the same clock as we do, so its own first instruction is
//! the end mark (t1); a virtual machine's clock is another one, so there it is the first byte that arrives here (t2).
//! What that is worth is measured beside, on the containers' side (case "t2-t1").

pub mod contests;
pub mod machines;
mod provision;

use crate::result::Row;
use crate::rounds::{CONTROL, Rounds};
use crate::suite::Context;
use crate::{room, scene};
use std::time::{Duration, Instant};

/// Measures.
///
/// # Errors
/// A sentence when it can't be measured as it should.
pub fn measure(context: &Context) -> Result<Vec<Row>, String> {
    room::enter()?;
    let rows = rounds(context).and_then(|mut rows| {
        rows.extend(provision::rows(context)?);
        Ok(rows)
    });
    scene::sweep();
    rows
}

fn rounds(context: &Context) -> Result<Vec<Row>, String> {
    let wanted = context.pace.pick(20, 100);
    let budget = Duration::from_secs(context.pace.pick(30, 260));
    let mut contests = contests::contests(&context.programs);
    let (mut rows, mut cold) = (Vec::new(), None);
    match machines::found(&context.programs) {
        Ok(found) => {
            let every = machines::every(&found, context.pace);
            contests.extend(machines::contests(&found, every));
            cold = Some(every);
        }
        Err(why) => rows.extend(machines::missing(&why)),
    }
    let mut rounds = Rounds::of(contests);
    context.progress(&format!("up to {wanted} rounds in up to {} s", budget.as_secs()));
    rounds.warm_up()?;
    let began = Instant::now();
    while rounds.count() < wanted && began.elapsed() < budget {
        rounds.turn()?;
    }
    let disturbed = rounds.disturbed().iter().filter(|mark| **mark).count();
    let said = format!("{} rounds of {wanted}, {disturbed} of them disturbed", rounds.count());
    context.progress(&said);
    rows.extend(rounds.rows());
    rows.extend(cold.map(|every| machines::beside(&rounds, every)).unwrap_or_default());
    for row in rows.iter_mut().filter(|row| row.subject == CONTROL) {
        row.notes.push(said.clone());
    }
    Ok(rows)
}
