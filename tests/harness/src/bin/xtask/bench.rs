//! `cargo xtask report`, `compare`, `gate`: the benchmarks, with what they need.
//!
//! Knows how `rrun-bench` is built and where its files lie. Refuses to measure, or to judge, anything itself. A newcomer
//! would stop at a missing tool: the report has a row for it with the reason, so only whoever may install it is asked to.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::geteuid;
use rrun_harness::workspace;

use crate::{Result, built, machine, target};

/// The parts that the tests run: every binary of the benchmarks, a container, a guest, and all that is gated.
const SMOKE: &str = "start,reach,lane-i";

/// What a report consists of.
const FILES: [&str; 3] = ["isobench.json", "report.md", "report.html"];

/// Measures and writes the report; the exit code is that of `rrun-bench`, 1 when a measurement went wrong.
pub(crate) fn report(words: &[String]) -> Result<u8> {
    if !geteuid().is_root() {
        return Err("measuring needs root, for cgroups and namespaces without a user namespace: \
            sudo --preserve-env=HOME,PATH cargo xtask report"
            .into());
    }
    for tools in [machine::BENCHMARKS, machine::GUEST] {
        if let Err(why) = machine::need(tools) {
            eprintln!("{why}\nwhat they are needed for is reported as missing");
        }
    }
    let directory = target().join("isobench");
    told("report", &with(words, "--directory", &directory))
}

/// Holds a run against the baselines that are kept with the sources.
pub(crate) fn gate(words: &[String]) -> Result<u8> {
    told("gate", &with(words, "--baseline", &workspace().join("bench/baseline")))
}

/// `rrun-bench VERB WORDS…`, built as it is shipped.
pub(crate) fn told(verb: &str, words: &[String]) -> Result<u8> {
    eprintln!("building the benchmarks");
    let bench = built("rrun-bench", "rrun-bench", &["--release"])?;
    code(Command::new(bench).arg(verb).args(words))
}

/// The words, and `flag` with `file` unless they have it.
fn with(words: &[String], flag: &str, file: &Path) -> Vec<String> {
    let mut all = words.to_vec();
    let given = |word: &String| word == flag || word.starts_with(&format!("{flag}="));
    if !words.iter().any(given) {
        all.extend([flag.to_owned(), file.to_string_lossy().into_owned()]);
    }
    all
}

fn code(command: &mut Command) -> Result<u8> {
    let status = command.stdin(Stdio::null()).status().map_err(|e| format!("rrun-bench: {e}"))?;
    status.code().and_then(|code| u8::try_from(code).ok()).ok_or_else(|| status.to_string())
}

/// A quick report of a few parts, with that of engines where they may be started, whose figures nobody reads, and the gate: benchmarks that nobody runs rot.
pub(crate) fn smoke(engines: bool) -> Result<()> {
    let parts = if engines { format!("{SMOKE},engines") } else { SMOKE.to_owned() };
    let bench = built("rrun-bench", "rrun-bench", &[])?;
    let directory = target().join("isobench-smoke");
    // An old report would hide that there is no new one.
    drop(fs::remove_dir_all(&directory));
    let mut report = Command::new(&bench);
    report.args(["report", "--quick", "--only", &parts, "--directory"]).arg(&directory);
    println!("$ rrun-bench report --quick --only {parts}");
    match code(&mut report)? {
        0 => {}
        other => return Err(format!("the benchmarks' exit code is {other}")),
    }
    for name in FILES {
        let size = fs::metadata(directory.join(name)).map_or(0, |found| found.len());
        if size == 0 {
            return Err(format!("the benchmarks wrote no {name}"));
        }
    }
    println!("$ rrun-bench gate");
    let mut gate = Command::new(&bench);
    gate.arg("gate").arg(directory.join(FILES[0]));
    gate.arg("--baseline").arg(workspace().join("bench/baseline"));
    match code(&mut gate)? {
        0 => Ok(()),
        _ => Err("the gate is shut: see above what got worse than bench/baseline".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_was_asked_for_is_kept() {
        let of = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            with(&words, "--directory", Path::new("/d")).join(" ")
        };
        assert_eq!(of(&["--quick"]), "--quick --directory /d");
        assert_eq!(of(&["--directory", "/e"]), "--directory /e");
        assert_eq!(of(&["--directory=/e", "--quick"]), "--directory=/e --quick");
    }
}
