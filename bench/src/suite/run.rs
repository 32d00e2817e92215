//! One part after the other, each in a process with a deadline.
//!
//! What a newcomer would get wrong: the process that is waited for may have ended while what it started still holds its
//! stderr; so the last words are taken from what has arrived, and nobody waits for the end of the stream.

use super::{Pace, Part};
use crate::programs::BUILT;
use crate::result::{Problem, Row};
use rrun_harness::wait_until;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// What a part was good for.
pub type Outcome = Result<Vec<Row>, Problem>;

/// How much longer than it should a part may take on a busy machine.
const PATIENCE: u32 = 3;

/// How many lines of what went wrong are kept.
const LAST_WORDS: usize = 6;

/// Runs `part` in a process of its own, which writes its rows into `directory`.
///
/// # Errors
/// The part went wrong, or was not done in time.
pub fn run(part: &Part, pace: Pace, directory: &Path) -> Outcome {
    let file = directory.join(format!("part-{}.json", part.name));
    drop(std::fs::remove_file(&file));
    let us = std::env::current_exe();
    let mut command =
        Command::new(us.map_err(|why| problem(part.name, &format!("find ourselves: {why}")))?);
    command.args(["part", part.name, "--pace", pace.word(), "--out"]).arg(&file).env(BUILT, "1");
    bounded(part.name, command, part.takes[pace.pick(0, 1)] * PATIENCE)?;
    let text = std::fs::read_to_string(&file)
        .map_err(|why| problem(part.name, &format!("its rows: {why}")))?;
    drop(std::fs::remove_file(&file));
    serde_json::from_str(&text).map_err(|why| problem(part.name, &format!("its rows: {why}")))
}

fn problem(part: &str, what: &str) -> Problem {
    Problem { part: part.to_owned(), what: what.to_owned() }
}

/// Runs `command` for at most `patience`; what it says on stderr goes on to ours.
fn bounded(name: &str, mut command: Command, patience: Duration) -> Result<(), Problem> {
    // A group of its own: what hangs is ended with everything that it has started.
    command.stdin(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(|why| problem(name, &format!("start it: {why}")))?;
    let group = nix::unistd::Pid::from_raw(child.id().cast_signed());
    let lines = child.stderr.take().map(passed_on);
    let ended = wait_until(&mut child, Instant::now() + patience);
    let what = match ended {
        Some(status) if status.success() => return Ok(()),
        Some(status) => status.to_string(),
        None => {
            // Nobody is left when it had started nothing.
            nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL).ok();
            format!("not done after {} s: given up", patience.as_secs())
        }
    };
    Err(problem(name, &format!("{what}: {}", lines.map_or_else(String::new, last_words))))
}

fn passed_on(stderr: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            eprintln!("{line}");
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// The last lines but those of progress, which are indented.
fn last_words(lines: Receiver<String>) -> String {
    let mut kept: Vec<String> = Vec::new();
    while let Ok(line) = lines.recv_timeout(Duration::from_millis(200)) {
        if !line.starts_with("    ") && !line.trim().is_empty() {
            kept.push(line);
        }
    }
    let from = kept.len().saturating_sub(LAST_WORDS);
    if kept.is_empty() { "it said nothing".to_owned() } else { kept[from..].join(" / ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(text: &str, patience: Duration) -> Result<(), String> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", text]);
        bounded("test", command, patience).map_err(|problem| problem.what)
    }

    #[test]
    fn a_part_that_goes_wrong_is_quoted() {
        let patience = Duration::from_secs(20);
        assert_eq!(shell("true", patience), Ok(()));
        let what = shell("echo '    working' >&2; echo the payload lied >&2; exit 3", patience);
        assert_eq!(what, Err("exit status: 3: the payload lied".to_owned()));
    }

    #[test]
    fn a_part_that_hangs_is_ended_with_what_it_started() {
        // No other sleeper sleeps exactly as long.
        let mark = format!("1000.{}", std::process::id());
        let what = shell(&format!("sleep {mark} & wait"), Duration::from_millis(300));
        assert!(what.is_err_and(|what| what.contains("given up")));
        let sleeping = || {
            let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
            let line = |entry: std::fs::DirEntry| std::fs::read(entry.path().join("cmdline")).ok();
            all.filter_map(line).any(|line| {
                String::from_utf8_lossy(&line).contains(&mark) && line.starts_with(b"sleep")
            })
        };
        assert!(rrun_harness::eventually(|| !sleeping()), "the sleeper is still there");
    }
}
