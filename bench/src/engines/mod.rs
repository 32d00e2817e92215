//! What engines make of a runtime: starts through shims (M15), what idle shims keep (M16), many pods at once (M17),
//! probes (M18).
//!
//! | module | question |
//! | --- | --- |
//! | [`kind`] | who? our shim, containerd's with our runtime, and with runc |
//! | [`wire`], [`shim`], [`place`] | how is a shim started and asked without containerd? |
//! | [`direct`] | how long does a start take in the shim? |
//!
//! It refuses to compare builds: our shim is the release build, the others are a distribution's packages. What a newcomer
//! would get wrong: most of what `ctr run` takes is containerd's own work, the same for all; so the shims are asked
//! directly, too, and both are said.

pub mod direct;
pub mod kind;
pub mod place;
pub mod shim;
pub mod wire;

use crate::process::Wrong;
use crate::result::{Metric, Row, Unit};
use crate::rounds::Rounds;
use crate::suite::Context;
use crate::{room, scene};
use kind::Kind;
use place::Ears;
use std::time::{Duration, Instant};

/// Measures.
///
/// # Errors
/// A sentence when it can't be measured as it should.
pub fn measure(context: &Context) -> Result<Vec<Row>, String> {
    room::enter()?;
    let (kinds, missing) = kind::kinds(&context.programs);
    let rows = measured(context, &kinds, missing.as_deref());
    scene::sweep();
    rows
}

fn measured(context: &Context, kinds: &[Kind], missing: Option<&str>) -> Result<Vec<Row>, String> {
    let told = |wrong: Wrong| wrong.sentence().to_owned();
    let _ears = Ears::open().map_err(told)?;
    let mut rows = Vec::new();
    if let Some(why) = missing {
        rows.extend([kind::BETWEEN, kind::THEIRS].map(|subject| {
            Row::new(Metric::M15, "create+start", subject, Unit::Milliseconds, "not measured")
                .missing(why)
        }));
    }
    rows.extend(starts(context, kinds)?);
    Ok(rows)
}

fn starts(context: &Context, kinds: &[Kind]) -> Result<Vec<Row>, String> {
    let told = |wrong: Wrong| wrong.sentence().to_owned();
    let contests = direct::contests(&context.programs, kinds).map_err(told)?;
    let (wanted, seconds) = (context.pace.pick(10, 100), context.pace.pick(10, 90));
    run(context, "shims, asked directly", contests, wanted, Duration::from_secs(seconds))
}

/// Rounds of these, until there are enough or the time is up.
fn run(
    context: &Context,
    about: &str,
    contests: Vec<crate::rounds::Contestant>,
    wanted: usize,
    budget: Duration,
) -> Result<Vec<Row>, String> {
    let mut rounds = Rounds::of(contests);
    rounds.warm_up()?;
    let began = Instant::now();
    while rounds.count() < wanted && began.elapsed() < budget {
        rounds.turn()?;
    }
    context.progress(&format!("{about}: {} rounds of {wanted}", rounds.count()));
    Ok(rounds.rows())
}
