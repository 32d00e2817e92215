//! Cold starts, one after the other (M1, M1c): everyone once per round, in a shuffled order.
//!
//! What a newcomer would get wrong: a container's payload reads the same clock as we do, so its own first instruction is
//! the end mark (t1); a virtual machine's clock is another one, so there it is the first byte that arrives here (t2).

use crate::figures;
use crate::result::{Metric, Row, Unit};
use crate::suite::Context;
use crate::{room, subject};

/// t0→t1, as every row of M1 says it.
pub const TO_FIRST_INSTRUCTION: &str =
    "t0→t1: before the birth of the runtime's process → the payload's first instruction";

/// t0→t3.
pub const TO_END: &str = "t0→t3: before the birth of the runtime's process → its end was collected";

/// Measures.
///
/// # Errors
/// A sentence when it can't be measured as it should.
pub fn measure(context: &Context) -> Result<Vec<Row>, String> {
    room::enter()?;
    let count = context.pace.pick(20, 100);
    let mut rounds = subject::starts(&context.programs);
    context.progress(&format!("{count} rounds of {}", rounds.labels().join(", ")));
    for _ in 0..count {
        rounds.turn();
    }
    Ok(rounds.rows().into_iter().flat_map(rows).collect())
}

fn rows(of: figures::Row) -> [Row; 2] {
    let row = |metric, interval, samples| {
        let row = Row::new(metric, "", &of.label, Unit::Milliseconds, interval);
        row.group("start").samples(samples).beside("cpu_ms", of.cpu.clone())
    };
    [
        row(Metric::M1, TO_FIRST_INSTRUCTION, of.start.clone()),
        row(Metric::M1c, TO_END, of.wall.clone()),
    ]
}
