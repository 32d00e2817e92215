//! `cargo xtask fuzz`: goes on from the seeds of tests/fuzz, for as long as asked.
//!
//! Knows where the corpus and the findings of this checkout lie. Refuses to keep them: a finding becomes a seed by hand,
//! under a name that says what it is. A newcomer would look for it in `cargo xtask test`, which replays the seeds and
//! searches for nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use rrun_harness::workspace;

use crate::{Result, target};

const TARGETS: [&str; 5] = ["config", "options", "archive", "user", "seccomp"];

/// `[SECONDS [TARGET…]]`: each target for so long, one after another.
pub(crate) fn run(words: &[String]) -> Result<u8> {
    let (seconds, names) = match words.split_first() {
        None => (60, words),
        Some((seconds, names)) => {
            let wrong = |_| format!("fuzz needs a number of seconds, not {seconds:?}");
            (seconds.parse::<u32>().map_err(wrong)?, names)
        }
    };
    let mut chosen: Vec<&str> = names.iter().map(String::as_str).collect();
    if let Some(unknown) = chosen.iter().find(|name| !TARGETS.contains(name)) {
        return Err(format!("there is no target {unknown:?}; there are {}", TARGETS.join(", ")));
    }
    if chosen.is_empty() {
        chosen.extend(TARGETS);
    }
    let binaries = build()?;
    let mut found = 0;
    for name in chosen {
        found += u8::from(!search(&binaries, name, seconds)?);
    }
    Ok(u8::from(found > 0))
}

/// Builds all targets; returns their directory. rrun has no unsafe code outside one crate that none of these reach, so
/// an address sanitizer would only slow the search down.
fn build() -> Result<std::path::PathBuf> {
    let place = target().join("fuzz/build");
    // Not ours but that of the toolchain whose coverage it needs.
    let mut command = Command::new("rustup");
    command.current_dir(workspace()).args(["run", "nightly", "cargo", "fuzz", "build"]);
    command.args(["--fuzz-dir", "tests/fuzz", "--features", "libfuzzer", "--sanitizer", "none"]);
    command.arg("--target-dir").arg(&place).env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN");
    match command.status() {
        Ok(status) if status.success() => Ok(place.join("x86_64-unknown-linux-gnu/release")),
        Ok(_) | Err(_) => Err("the targets could not be built; they need \
            rustup toolchain install nightly --profile minimal, and cargo install cargo-fuzz"
            .into()),
    }
}

/// Whether `seconds` passed without a finding.
fn search(binaries: &Path, name: &str, seconds: u32) -> Result<bool> {
    let place = target().join("fuzz");
    let (corpus, findings) = (place.join("corpus").join(name), place.join("findings").join(name));
    for directory in [&corpus, &findings] {
        fs::create_dir_all(directory).map_err(|e| format!("{}: {e}", directory.display()))?;
    }
    println!("\n{name}: {seconds} s");
    let status = Command::new(binaries.join(name))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", findings.display()))
        .args(["-max_len=65536", "-print_final_stats=1", "-verbosity=0"])
        .arg(&corpus)
        .arg(workspace().join("tests/fuzz/seeds").join(name))
        .status()
        .map_err(|e| format!("{name}: {e}"))?;
    if !status.success() {
        println!("{name}: a finding in {}; mend it, and keep it as a seed", findings.display());
    }
    Ok(status.success())
}
