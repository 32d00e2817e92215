//! Starts, counted from before the birth of the first process to the payload's first instruction.
//!
//! What a newcomer would get wrong: the payload may not have run when `start` has ended, so its stamp is waited for.

use super::{say, to};
use crate::lane_i::order::{Answer, Order, Start, Words};
use crate::lane_i::ports::stamp;
use crate::rounds::shuffled;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// How often the payload's stamp, or the success of what comes after, is asked for, 1 ms apart.
const TRIES: usize = 2000;

/// After what came before: the kernel takes its namespaces apart later, in threads of its own, which would be counted.
const SETTLED: Duration = Duration::from_millis(100);

/// Everyone once for nothing, then round by round.
pub fn perform(order: &Order) -> Result<(), String> {
    let mut random = 1;
    for start in &order.starts {
        count(start)?;
    }
    for _ in 0..order.rounds {
        for index in shuffled(order.starts.len(), &mut random) {
            let start = &order.starts[index];
            for _ in 0..start.times {
                let sample = count(start)?;
                let (case, subject) = (start.case.clone(), start.subject.clone());
                say(&Answer::Sample("M1i".to_owned(), case, subject, sample))?;
            }
        }
    }
    Ok(())
}

/// Instructions.
#[allow(clippy::cast_precision_loss, reason = "a start has fewer than 2^53")]
fn count(start: &Start) -> Result<f64, String> {
    let name = format!("{} {}", start.subject, start.case);
    for words in &start.before {
        succeed(&mut prepared(words, None)?).map_err(to(&name))?;
    }
    let answer = nameless_file()?;
    let commands: Result<Vec<_>, _> =
        start.counted.iter().map(|words| prepared(words, Some(&answer))).collect();
    let mut commands = commands?;
    thread::sleep(SETTLED);
    let begin = stamp();
    for (command, words) in &mut commands {
        let mut child = command.spawn().map_err(to(&name))?;
        let status = child.wait().map_err(to(&name))?;
        if !status.success() {
            return Err(format!("{name}: {status}: {}", read(words)));
        }
    }
    let first = first_instruction(&answer).ok_or_else(|| format!("{name}: no payload ran"))?;
    for words in &start.after {
        eventually(words).map_err(to(&name))?;
    }
    collect();
    let sample = first.checked_sub(begin).ok_or("the payload's counter ran backwards")?;
    Ok(sample as f64)
}

/// The stamp that the payload has written behind its struct timespec.
fn first_instruction(answer: &File) -> Option<u64> {
    for _ in 0..TRIES {
        let mut bytes = [0; 24];
        if answer.read_exact_at(&mut bytes, 0).is_ok() {
            return Some(u64::from_ne_bytes(bytes[16..].try_into().ok()?));
        }
        thread::sleep(Duration::from_millis(1));
    }
    None
}

/// A command with nothing to read, and the file that its errors go to.
fn prepared(words: &Words, answer: Option<&File>) -> Result<(Command, File), String> {
    let Some((program, arguments)) = words.split_first() else {
        return Err("an empty command".to_owned());
    };
    let errors = nameless_file()?;
    let copy = |file: &File| file.try_clone().map_err(to("keep a file"));
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stderr(copy(&errors)?);
    command.stdout(match answer {
        Some(answer) => Stdio::from(copy(answer)?),
        None => Stdio::null(),
    });
    Ok((command, errors))
}

fn succeed((command, errors): &mut (Command, File)) -> Result<(), String> {
    let status = command.status().map_err(to(&format!("{command:?}")))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}: {}", read(errors))) }
}

/// A container that was killed ends a little later; until then it can't be deleted.
fn eventually(words: &Words) -> Result<(), String> {
    let mut last = Ok(());
    for _ in 0..TRIES {
        collect();
        last = succeed(&mut prepared(words, None)?);
        if last.is_ok() {
            break;
        }
        thread::sleep(Duration::from_millis(1));
    }
    last
}

/// Collects orphans: the first process is everybody's last parent.
fn collect() {
    let any = Pid::from_raw(-1);
    while matches!(
        waitpid(any, Some(WaitPidFlag::WNOHANG)),
        Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..))
    ) {}
}

fn nameless_file() -> Result<File, String> {
    memfd_create(c"answer", MFdFlags::MFD_CLOEXEC).map(File::from).map_err(to("a memory file"))
}

fn read(file: &mut File) -> String {
    let mut text = String::new();
    // What it could not say is not said.
    file.rewind().and_then(|()| file.read_to_string(&mut text)).ok();
    text.trim_end().to_owned()
}
