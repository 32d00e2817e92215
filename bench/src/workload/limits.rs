//! What a limit lets through, told from inside it.
//!
//! | `kind=` | what it says |
//! | --- | --- |
//! | `cpu` | `used` and `took`: after `ms` of computing, what the processor's clock and the wall's say, in ns |
//! | `units` | `unit`: the duration of each of `count` pieces of work that take 1 ms of the processor, in ns |
//! | `memory` | `touched`: the bytes so far, after every 64 KiB, until it is killed |
//! | `processes` | `processes`: how many there were, itself included, when no more could be started, or `most` |
//!
//! What a newcomer would get wrong: a unit of 1 ms must be sized by the processor's time. By the clock, a pause of the
//! limit itself would fall into the sizing, and every unit would be too small.

use crate::arguments::Arguments;
use crate::victim::compute;
use crate::voice::Voice;
use nix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const STEP: usize = 64 << 10;

/// Meets the limit.
pub fn run(asked: &Arguments, voice: &mut Voice) -> Result<(), String> {
    match asked.text("kind", "") {
        "cpu" => cpu(Duration::from_millis(asked.number("ms", 2000)?), voice),
        "units" => units(asked.number("count", 500)?, voice),
        "memory" => memory(voice),
        "processes" => processes(asked.count("most", 100)?, voice),
        "wait" => {
            std::thread::sleep(Duration::from_secs(60));
            Ok(())
        }
        other => Err(format!("there is no limit {other:?}")),
    }
}

fn processor() -> Result<Duration, String> {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID);
    time.map(Duration::from).map_err(|errno| format!("the processor's clock: {errno}"))
}

#[allow(clippy::cast_precision_loss, reason = "nanoseconds of hours are exact")]
fn nanoseconds(duration: Duration) -> f64 {
    duration.as_nanos() as f64
}

fn cpu(length: Duration, voice: &mut Voice) -> Result<(), String> {
    let (began, used) = (Instant::now(), processor()?);
    while began.elapsed() < length {
        black_box(compute(10_000));
    }
    let (used, took) = (processor()? - used, began.elapsed());
    voice.say("used", &[nanoseconds(used)])?;
    voice.say("took", &[nanoseconds(took)])
}

fn units(count: u64, voice: &mut Voice) -> Result<(), String> {
    let steps = of_one_millisecond()?;
    // Kept until the end: a write between two units would be measured with neither.
    let mut took = Vec::new();
    for _ in 0..count {
        let began = Instant::now();
        black_box(compute(steps));
        took.push(nanoseconds(began.elapsed()));
    }
    voice.say("unit", &took)
}

/// The least disturbed of some tries.
fn of_one_millisecond() -> Result<u64, String> {
    const TRIED: u64 = 500_000;
    let mut least = Duration::MAX;
    for _ in 0..10 {
        let used = processor()?;
        black_box(compute(TRIED));
        least = least.min(processor()? - used);
    }
    let nanoseconds = u64::try_from(least.as_nanos()).unwrap_or(u64::MAX).max(1);
    Ok((TRIED * 1_000_000 / nanoseconds).max(1))
}

fn memory(voice: &mut Voice) -> Result<(), String> {
    let mut held: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut piece = vec![0_u8; STEP];
        for page in piece.chunks_mut(4096) {
            page[0] = 1;
        }
        held.push(black_box(piece));
        #[allow(clippy::cast_precision_loss, reason = "memory is small")]
        voice.say("touched", &[(held.len() * STEP) as f64])?;
    }
}

fn processes(most: usize, voice: &mut Voice) -> Result<(), String> {
    let us = std::env::args_os().next().unwrap_or_default();
    let mut others = Vec::new();
    while others.len() + 1 < most {
        let mut command = Command::new(&us);
        command.args(["limit", "kind=wait"]).stdin(Stdio::null()).stdout(Stdio::null());
        match command.spawn() {
            Ok(child) => others.push(child),
            Err(_) => break,
        }
    }
    #[allow(clippy::cast_precision_loss, reason = "processes are few")]
    let told = voice.say("processes", &[(others.len() + 1) as f64]);
    for mut other in others {
        drop(other.kill());
        drop(other.wait());
    }
    told
}
