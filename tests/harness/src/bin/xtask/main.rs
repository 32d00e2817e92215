//! `cargo xtask`: everything a developer or CI does beyond `cargo build`.
//!
//! Knows the order of the checks, the guest and the demonstration. Refuses to hold logic that a test could use: that is
//! the library's. A newcomer would add a step to CI alone; CI calls `cargo xtask test` and nothing else.

#![forbid(unsafe_code)]

mod against;
mod bench;
mod check;
mod conformance;
mod deb;
mod demo;
mod engines;
mod fuzz;
mod image;
mod machine;
mod show;
mod tally;

use std::env;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use rrun_harness::guest::{self, Guest, Job};
use rrun_harness::workspace;

const USAGE: &str = "\
cargo xtask test [--native-only | --guest-only | --engines-only] [--engines] [--filter TEXT]
                          formatting, lints, all tests here, and the binary tests again in a guest with cgroup v2;
                          with --engines also the tests that start containerd, docker and podman
cargo xtask demo          a real image, unpacked, limited and run; what it sees beside what the host sees
cargo xtask report [--quick] [--only PART,…] [--directory DIR]
                          measures what isolation costs and gives: target/isobench/{isobench.json,report.md,report.html}
cargo xtask compare A B   two isobench.json side by side, with intervals and verdicts
cargo xtask gate FILE [--bless] [--strict]
                          an isobench.json against bench/baseline: instructions within 2 %, counts exactly
cargo xtask deb           a Debian package with both programs, installed and tried in a root of its own (needs cargo-deb)
cargo xtask conformance [--runtime PATH] [--cgroups unified|host]
                          runtime-tools' validation programs, held against tests/conformance/known-gaps.toml
cargo xtask against RUNTIME [--only FILE]
                          our tests asked of another runtime, held against tests/conformance/RUNTIME-VERSION.toml
cargo xtask fuzz [SECONDS [TARGET…]]
                          searches for inputs that break what tests/fuzz says of any input (needs nightly, cargo-fuzz)
cargo xtask build         both programs, static and optimized: rrun and its shim for containerd
cargo xtask assets DIR    manual pages, and completions for bash, zsh and fish: DIR/man, DIR/completions
cargo xtask vm [--systemd] COMMAND…
                          a command in the guest: the host's files, a kernel and cgroups of its own; with --systemd as a
                          service of systemd's
cargo xtask guest-check   boots the guest and says what it has";

/// Errors are sentences for a person.
type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let (verb, rest) = words.split_first().map_or(("help", &[][..]), |(verb, rest)| (verb, rest));
    let outcome = match verb {
        "test" => check::Wish::parse(rest).and_then(|wish| check::run(&wish)),
        "demo" => demo::run(rest),
        "report" => bench::report(rest),
        "compare" => bench::told("compare", rest),
        "gate" => bench::gate(rest),
        "fuzz" => fuzz::run(rest),
        "deb" => deb::run(rest),
        "build" => build().and_then(|binary| {
            println!("{}", binary.display());
            println!("{}", built("rrun", "containerd-shim-rrun-v2", &["--release"])?.display());
            Ok(0)
        }),
        "against" => against::run(rest),
        "conformance" => conformance::run(rest),
        "assets" => assets(rest),
        "vm" => vm(rest),
        "guest-check" => vm(&["sh".into(), "-c".into(), GUEST_FACTS.into()]),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(0)
        }
        other => Err(format!("there is no task {other:?}\n{USAGE}")),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}

const GUEST_FACTS: &str = "uname -sr; echo cgroup controllers: $(cat /sys/fs/cgroup/cgroup.controllers); \
    echo processors: $(nproc); grep MemTotal /proc/meminfo; \
    echo user namespaces: $(cat /proc/sys/user/max_user_namespaces)";

/// The directory of cargo's artifacts, whatever the environment calls it.
fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace());
    cargo
}

/// Builds rrun as it is shipped; returns where it is.
fn build() -> Result<PathBuf> {
    built("rrun", "rrun", &["--release"])
}

/// Builds one binary; returns where it is. What is not for release is built as the tests are, with the features of the
/// whole workspace: otherwise every library that has more of them there would be built twice.
fn built(package: &str, binary: &str, profile: &[&str]) -> Result<PathBuf> {
    let release = profile.contains(&"--release");
    let mut command = cargo();
    command.args(["build", "--bin", binary]).args(profile);
    if release {
        command.args(["--package", package]);
    } else {
        command.arg("--workspace");
    }
    command.arg("--message-format=json-render-diagnostics");
    if release {
        // What `rrun --version` tells whoever reports a bug.
        command.envs(said_by("git", &["rev-parse", "HEAD"]).map(|it| ("RRUN_COMMIT", it)));
        command.envs(said_by("rustc", &["--version"]).map(|it| ("RRUN_RUSTC", it)));
    }
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|e| format!("cargo: {e}"))?;
    if !output.status.success() {
        return Err(format!("cargo could not build {binary}"));
    }
    let built = tally::executables(&output.stdout, "bin");
    built.into_iter().next().ok_or_else(|| format!("cargo built no {binary}"))
}

/// The one line that a program says here; nothing without the program, or outside a checkout.
fn said_by(program: &str, words: &[&str]) -> Option<String> {
    let output = Command::new(program).args(words).current_dir(workspace()).output().ok()?;
    let line = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !line.is_empty()).then_some(line)
}

/// What a package installs beside the programs.
fn assets(words: &[String]) -> Result<u8> {
    let [directory] = words else { return Err("assets needs a directory to write to".into()) };
    let directory = std::path::absolute(directory).map_err(|e| format!("{directory}: {e}"))?;
    let mut command = cargo();
    command.args(["run", "--quiet", "--package", "rrun", "--example", "assets", "--"]);
    let status = command.arg(directory).status().map_err(|e| format!("cargo: {e}"))?;
    if status.success() { Ok(0) } else { Err(format!("cargo run --example assets: {status}")) }
}

fn vm(words: &[String]) -> Result<u8> {
    let is_systemd = words.first().is_some_and(|word| word == "--systemd");
    let command = &words[usize::from(is_systemd)..];
    if command.is_empty() {
        return Err("vm needs a command, for instance: cargo xtask vm sh -c 'uname -a'".into());
    }
    machine::need(machine::GUEST)?;
    let guest = Guest::prepare(&target().join("guest"))?;
    eprintln!("guest: Linux {}, {}", guest.release(), guest.because);
    let mut job = Job::new(command.iter().cloned());
    job.env.extend(check::guest_environment());
    // A file of tests gets the kernel that it gets from `test`.
    let program = command.first().map(std::path::Path::new);
    job.kernel = guest::parameters(program.map_or("", check::file_of)).to_owned();
    job.deadline = Duration::from_secs(1800);
    job.systemd = is_systemd;
    let finished = guest.run(&job, &mut std::io::stdout())?;
    eprintln!("guest: up after {:.1} s, exit code {}", finished.boot.as_secs_f64(), finished.code);
    Ok(u8::try_from(finished.code).unwrap_or(1))
}
