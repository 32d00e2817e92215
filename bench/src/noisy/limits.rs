//! How exact a limit is (M6): what it lets through, measured inside, beside what it says.
//!
//! Errors are in percent of the limit: 0 is exact, 3 lets 3 % more through, −2 gives 2 % less. What a newcomer would get
//! wrong: `memory.max` also counts what the kernel keeps for the process, its page tables for instance, so a process
//! that touches 64 MiB of its own never gets so far.

use super::runtimes;
use super::site::Site;
use crate::inside::{Answer, Said, Subject, Task};
use crate::result::{Metric, Row, Unit};
use crate::rounds::shuffled;
use crate::subject::Runtime;
use crate::suite::Pace;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
const PERIOD: u64 = 100_000;

/// MiB.
const MEMORY: u64 = 64;
const PROCESSES: u64 = 16;

/// Measures.
///
/// # Errors
/// A sentence: a limit could not be measured.
pub fn measure(site: &Site, pace: Pace) -> Result<Vec<Row>, String> {
    let runtimes = runtimes(site, pace);
    let (mut rows, mut random) = (Vec::new(), 6);
    for percent in pace.pick(vec![25], vec![10, 25, 50]) {
        let milliseconds = pace.pick(1000, 2000);
        let samples = interleaved(&runtimes, pace.pick(1, 3), &mut random, |runtime| {
            processor(site, runtime, percent, milliseconds)
        })?;
        for (runtime, samples) in runtimes.iter().zip(samples) {
            let case = format!("cpu.max {percent} %");
            let interval = "(the processor's time that one thread was given ÷ its limit − 1) × 100";
            let row = Row::new(Metric::M6, &case, &runtime.label, Unit::Percent, interval);
            let row = row.note(format!("over {milliseconds} ms, period 100 ms"));
            rows.push(row.group(&case).samples(samples));
        }
    }
    rows.extend(memory(site, &runtimes, pace)?);
    rows.extend(processes(site, &runtimes)?);
    rows.extend(tails(site, &runtimes, pace)?);
    Ok(rows)
}

/// A sample of each runtime in each round, the rounds' orders shuffled.
fn interleaved(
    runtimes: &[Runtime],
    rounds: usize,
    random: &mut u64,
    mut sample: impl FnMut(&Runtime) -> Result<f64, String>,
) -> Result<Vec<Vec<f64>>, String> {
    let mut all = vec![Vec::new(); runtimes.len()];
    for _ in 0..rounds {
        for index in shuffled(runtimes.len(), random) {
            all[index].push(sample(&runtimes[index])?);
        }
    }
    Ok(all)
}

fn limited(site: &Site, runtime: &Runtime, resources: Value) -> Subject {
    let mut container = site.container(runtime, "victim");
    container.resources = resources;
    Subject::Container(container)
}

fn quota(percent: u64) -> Value {
    json!({ "cpu": { "quota": PERIOD * percent / 100, "period": PERIOD } })
}

fn processor(
    site: &Site,
    runtime: &Runtime,
    percent: u64,
    milliseconds: u64,
) -> Result<f64, String> {
    let task = Task::new("limit").with("kind", "cpu").with("ms", milliseconds);
    let answer = limited(site, runtime, quota(percent)).run(&task, PATIENCE)?;
    let one = |name| only(&answer, name);
    #[allow(clippy::cast_precision_loss, reason = "percents are small")]
    Ok(error(one("used")?, one("took")? * percent as f64 / 100.0))
}

fn only(answer: &Answer, name: &str) -> Result<f64, String> {
    match answer.of(name) {
        [one] => Ok(*one),
        other => Err(format!("{name}: {} samples instead of one", other.len())),
    }
}

/// In percent of the limit.
fn error(used: f64, limit: f64) -> f64 {
    (used / limit - 1.0) * 100.0
}

fn memory(site: &Site, runtimes: &[Runtime], pace: Pace) -> Result<Vec<Row>, String> {
    let limits = json!({ "memory": { "limit": MEMORY << 20 } });
    let mut random = 64;
    let samples = interleaved(runtimes, pace.pick(2, 5), &mut random, |runtime| {
        let touched = touched(&limited(site, runtime, limits.clone()))?;
        #[allow(clippy::cast_precision_loss, reason = "limits are small")]
        Ok(error(touched, (MEMORY << 20) as f64))
    })?;
    let row = |(runtime, samples): (&Runtime, _)| {
        let interval = "(bytes that a process had touched when it was killed ÷ its limit − 1) × 100, in steps of 64 KiB";
        let case = format!("memory.max {MEMORY} MiB");
        Row::new(Metric::M6, &case, &runtime.label, Unit::Percent, interval)
            .group(&case)
            .samples(samples)
    };
    Ok(runtimes.iter().zip(samples).map(row).collect())
}

/// What it has said last, before it was killed.
fn touched(subject: &Subject) -> Result<f64, String> {
    let mut running = subject.start(&Task::new("limit").with("kind", "memory"))?;
    let deadline = Instant::now() + PATIENCE;
    let mut last = None;
    // Its end is an error to whoever waits for "done", and is what is wanted here.
    while let Ok(Said::Samples(_, values)) = running.said(deadline) {
        last = values.last().copied();
        #[allow(clippy::cast_precision_loss, reason = "limits are small")]
        if last.is_some_and(|touched| touched > 4.0 * (MEMORY << 20) as f64) {
            return Err("four times as much memory as its limit was not refused".to_owned());
        }
    }
    if Instant::now() >= deadline {
        return Err("it was neither killed nor done".to_owned());
    }
    last.ok_or_else(|| "it was killed before it had touched anything".to_owned())
}

fn processes(site: &Site, runtimes: &[Runtime]) -> Result<Vec<Row>, String> {
    let task = Task::new("limit").with("kind", "processes").with("most", 4 * PROCESSES);
    let limits = json!({ "pids": { "limit": PROCESSES } });
    let row = |runtime: &Runtime| {
        let answer = limited(site, runtime, limits.clone()).run(&task, PATIENCE)?;
        let interval = "processes at one time when no more could be started";
        let case = format!("pids.max {PROCESSES}");
        let row = Row::new(Metric::M6, &case, &runtime.label, Unit::Count, interval);
        Ok(row.exact(only(&answer, "processes")?))
    };
    runtimes.iter().map(row).collect()
}

fn tails(site: &Site, runtimes: &[Runtime], pace: Pace) -> Result<Vec<Row>, String> {
    let task = Task::new("limit").with("kind", "units").with("count", pace.pick(500, 2000));
    let row = |runtime: &Runtime| {
        let answer = limited(site, runtime, quota(50)).run(&task, PATIENCE)?;
        let units = answer.of("unit").iter().map(|nanoseconds| nanoseconds / 1e6).collect();
        let interval = "the clock's time of each piece of work that takes 1 ms of the processor, one after the other";
        Ok(Row::new(
            Metric::M6,
            "1 ms units at cpu.max 50 %",
            &runtime.label,
            Unit::Milliseconds,
            interval,
        )
        .note("period 100 ms: a piece that meets the end of the quota waits up to 50 ms")
        .samples(units))
    };
    runtimes.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_in_percent_of_the_limit() {
        assert!((error(103.0, 100.0) - 3.0).abs() < 1e-9);
        assert!((error(98.0, 100.0) + 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_quota_is_a_share_of_its_period() {
        assert_eq!(quota(25)["cpu"], json!({ "quota": 25_000, "period": 100_000 }));
    }
}
