//! One boot of the counting machine with an order, and its answers.

use super::order::Answer;
use crate::vm::{Accelerator, Recipe, Session};
use std::path::Path;
use std::time::{Duration, Instant};

/// What a guest may be silent for: the longest of its works on a busy machine.
const SILENCE: Duration = Duration::from_secs(60);

/// MiB: the initramfs, its copy in a tmpfs, and what the runtimes want.
const MEMORY: u32 = 512;

/// The day that the guest believes it to be. Two guests that are told the same time do the same, instruction by
/// instruction, and would agree about anything; so each of two boots has a day of its own, and has it in every run.
const DAYS: [&str; 2] = ["2026-01-01T00:00:00", "2026-07-02T03:04:05"];

/// Boots number `number`, and collects what the guest says until it is done.
///
/// # Errors
/// A sentence: it said nothing for too long, ended too early, or could not do what was ordered.
pub fn answers(kernel: &Path, initramfs: &Path, number: usize) -> Result<Vec<Answer>, String> {
    let mut recipe =
        Recipe::microvm(Accelerator::Icount, kernel.to_owned(), initramfs.to_owned(), "");
    // What the kernel does not know and has an equals sign becomes /init's environment.
    recipe.append = recipe.append.replace(" -- ", " PATH=/bin");
    recipe.memory = MEMORY;
    // A machine in use has random numbers. Until one has collected enough for a seed, every execution and every namespace
    // pays for the wait, a sixth of the floor's instructions, and the figures fall some ten seconds after the boot. So
    // this one is given the instruction that makes them, and trusts it.
    recipe.append += " random.trust_cpu=on";
    recipe.extra.extend(["-cpu", "qemu64,+rdrand"].map(str::to_owned));
    let day = DAYS[number % DAYS.len()];
    recipe.extra.extend(["-rtc".to_owned(), format!("base={day},clock=vm")]);
    let mut session = Session::start(&recipe)?;
    let mut answers = Vec::new();
    loop {
        let line = session.line(Instant::now() + SILENCE)?;
        let answer = serde_json::from_str(&line.text)
            .map_err(|why| format!("the guest said {:?}: {why}", line.text))?;
        match answer {
            Answer::Done => break,
            Answer::Failed(why) => return Err(format!("in the guest of lane I: {why}")),
            sample => answers.push(sample),
        }
    }
    session.end(Instant::now() + SILENCE)?;
    Ok(answers)
}
