//! A victim's fixed work, alone and beside noisy neighbours, on one processor.
//!
//! The victim is the first process itself, in the root cgroup. What a newcomer would get wrong: what has a cgroup of its
//! own competes as *one*, whatever is in it; without one, each task of it competes.

use super::work::{collect, eventually, prepared, succeed};
use super::{say, to};
use crate::lane_i::order::{Answer, Fact, Neighbour, Order};
use crate::ports::stamp;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::Duration;

/// How long the noise has it for itself, so that it is at its height.
const HEAD_START: Duration = Duration::from_millis(20);

/// Additions between two looks at the counter.
const SLICE: u64 = 1 << 16;

/// So many times slower than alone, it is given up.
const PATIENCE: u64 = 20;

/// Alone, then beside each.
pub fn perform(order: &Order) -> Result<(), String> {
    if order.work == 0 {
        return Ok(());
    }
    // The first time, its code is not there yet.
    work(order.work / 20, u64::MAX);
    let alone = work(order.work, u64::MAX).ok_or("the victim alone was given up")?;
    sample("alone", "bare", alone)?;
    for neighbour in &order.neighbours {
        beside(neighbour, order.work, alone).map_err(to(&neighbour.case))?;
    }
    let again = work(order.work, u64::MAX).ok_or("the victim alone was given up")?;
    sample("alone", "bare", again)
}

fn beside(neighbour: &Neighbour, additions: u64, alone: u64) -> Result<(), String> {
    let killed = kills()?;
    let mut noise = start(neighbour)?;
    thread::sleep(HEAD_START);
    let took = work(additions, alone.saturating_mul(PATIENCE));
    let (case, subject) = (&neighbour.case, &neighbour.subject);
    match took {
        Some(took) => sample(case, subject, took)?,
        None => say(&Answer::DidNotFinish(
            "M12".to_owned(),
            case.clone(),
            subject.clone(),
            format!("the victim was given up after {PATIENCE} times what it takes alone"),
        ))?,
    }
    if let Some(cgroup) = &neighbour.cgroup {
        let cgroup = Path::new("/sys/fs/cgroup").join(cgroup);
        for fact in &neighbour.facts {
            let case = format!("{case}: {}", fact.words());
            sample(&case, subject, look(*fact, &cgroup, killed)?)?;
        }
    }
    for child in &mut noise {
        child.kill().and_then(|()| child.wait()).map_err(to("end the noise"))?;
    }
    for words in &neighbour.after {
        eventually(words)?;
    }
    collect();
    Ok(())
}

/// What the kernel has counted; `killed`: on the whole machine, before there was noise.
fn look(fact: Fact, cgroup: &Path, killed: u64) -> Result<u64, String> {
    let inside = || counter(&cgroup.join("memory.events"), "oom_kill");
    match fact {
        Fact::Outside => {
            let outside = succeed(&mut prepared(&vec!["/bin/true".to_owned()], None)?);
            Ok(u64::from(outside.is_ok()))
        }
        Fact::Refused => counter(&cgroup.join("pids.events"), "max"),
        Fact::KilledInside => inside(),
        // In this order: who is killed in between is not taken for somebody else.
        Fact::KilledOutside => {
            let all = kills()? - killed;
            Ok(all.saturating_sub(inside()?))
        }
    }
}

/// Of the whole machine.
fn kills() -> Result<u64, String> {
    counter(Path::new("/proc/vmstat"), "oom_kill")
}

/// "NAME VALUE" in a file of the kernel.
fn counter(file: &Path, name: &str) -> Result<u64, String> {
    let text = fs::read_to_string(file).map_err(to(&format!("read {}", file.display())))?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.ok_or_else(|| format!("{} has no {name}", file.display()))
}

/// What is not in a container is our child.
fn start(neighbour: &Neighbour) -> Result<Vec<Child>, String> {
    let mut noise = Vec::new();
    for words in &neighbour.before {
        let mut command = prepared(words, None)?;
        if neighbour.cgroup.is_some() {
            succeed(&mut command)?;
        } else {
            noise.push(command.0.spawn().map_err(to("start the noise"))?);
        }
    }
    Ok(noise)
}

/// Adds so often, and returns the instructions that went by; nothing when they were more than `most`.
fn work(additions: u64, most: u64) -> Option<u64> {
    let begin = stamp();
    let mut sum = 0_u64;
    for _ in 0..additions / SLICE {
        for _ in 0..SLICE {
            sum = black_box(sum.wrapping_add(1));
        }
        if stamp() - begin > most {
            return None;
        }
    }
    Some(stamp() - begin)
}

#[allow(clippy::cast_precision_loss, reason = "these are fewer than 2^53")]
fn sample(case: &str, subject: &str, value: u64) -> Result<(), String> {
    say(&Answer::Sample("M12".to_owned(), case.to_owned(), subject.to_owned(), value as f64))
}
