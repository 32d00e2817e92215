//! `cargo xtask conformance`: runtime-tools' validation programs, and whether they say what they are known to say.
//!
//! Knows the two hierarchies they are run on and prints a table. Refuses to judge another runtime by our list of gaps: of
//! one named with `--runtime` it tells the numbers alone.
//! A newcomer would take the number of passes for a grade: the reasons in known-gaps.toml are what there is to read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use rrun_harness::conformance::{Cgroups, Programs, Verdict, gaps, unexpected, validate};
use rrun_harness::{on_path, workspace};

use crate::tally::Count;
use crate::{Result, built, machine, target};

/// One run of all programs.
struct Run {
    cgroups: Cgroups,
    verdicts: BTreeMap<String, Verdict>,
    unexpected: Vec<String>,
}

/// `--runtime PATH` and `--cgroups`.
pub(crate) fn run(words: &[String]) -> Result<u8> {
    let (mut runtime, mut hierarchies) = (None, vec![Cgroups::Unified, Cgroups::Host]);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match (word.as_str(), words.next().map(String::as_str)) {
            ("--runtime", Some(name)) => {
                let found = on_path(name).unwrap_or_else(|| PathBuf::from(name));
                runtime = Some(found.canonicalize().map_err(|e| format!("{name}: {e}"))?);
            }
            ("--cgroups", Some("unified")) => hierarchies = vec![Cgroups::Unified],
            ("--cgroups", Some("host")) => hierarchies = vec![Cgroups::Host],
            (other, _) => return Err(format!("conformance knows no {other:?} without its value")),
        }
    }
    let mut wrong = 0;
    for cgroups in hierarchies {
        let run = match &runtime {
            Some(path) => validated(path, cgroups, false)?,
            None => validated(&ours()?, cgroups, true)?,
        };
        let run = run.ok_or_else(Programs::missing)?;
        wrong += run.unexpected.len();
        show(&run);
    }
    Ok(u8::from(wrong > 0))
}

/// As a step of `cargo xtask test`: on a unified hierarchy, where the programs for cgroups cannot pass; each program that
/// says what it is expected to is a passed test.
pub(crate) fn count() -> Result<Count> {
    let Some(run) = validated(&ours()?, Cgroups::Unified, true)? else {
        let why = Programs::missing();
        // Where a skip is a failure, so is this one.
        if std::env::var_os("RRUN_TEST_STRICT").is_some() {
            return Err(why);
        }
        println!("SKIPPED validation: {why}");
        return Ok(Count { skipped: 1, ..Count::default() });
    };
    show(&run);
    let (all, failed) = (run.verdicts.len() as u64, run.unexpected.len() as u64);
    Ok(Count { passed: all.saturating_sub(failed), failed, ..Count::default() })
}

/// The binary that the tests use.
fn ours() -> Result<PathBuf> {
    built("rrun", "rrun", &[])
}

/// `None` where the programs can't be had.
fn validated(runtime: &Path, cgroups: Cgroups, ours: bool) -> Result<Option<Run>> {
    if !geteuid().is_root() {
        return Err("the validation programs need root".into());
    }
    machine::need(machine::GUEST)?;
    let Some(programs) = Programs::obtain(&target().join("conformance"))? else { return Ok(None) };
    let list = workspace().join("tests/conformance/known-gaps.toml");
    let text = std::fs::read_to_string(&list).map_err(|e| format!("{}: {e}", list.display()))?;
    let known = gaps(&text).map_err(|why| format!("{}: {why}", list.display()))?;
    let scratch = target().join(format!("conformance/run-{}", std::process::id()));
    let verdicts = validate(&programs, runtime, cgroups, &scratch);
    drop(std::fs::remove_dir_all(&scratch));
    let verdicts = verdicts?;
    let facts = cgroups.facts();
    let unexpected = if ours { unexpected(&verdicts, &known, &facts) } else { Vec::new() };
    println!("\nvalidation of {} ({})", runtime.display(), facts.join(", "));
    Ok(Some(Run { cgroups, verdicts, unexpected }))
}

fn show(run: &Run) {
    for (name, verdict) in &run.verdicts {
        println!("  {name:32} {}", verdict.to_string().chars().take(140).collect::<String>());
    }
    let passed = run.verdicts.values().filter(|verdict| **verdict == Verdict::Passed).count();
    println!("  {passed} of {} programs pass on {:?} cgroups", run.verdicts.len(), run.cgroups);
    for line in &run.unexpected {
        println!("  UNEXPECTED {line}");
    }
}
