//! `cargo xtask deb`: the Debian package, installed and used in a root of its own.
//!
//! Knows how the package is made and where it is tried. Refuses to know what is in it: that is `package.metadata.deb` of
//! the manifest. A newcomer would try it here; this machine has libraries, tools and a runtime that a user's has not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rrun_harness::{on_path, workspace};

use crate::{Result, built, machine, target};

/// What the trial is made with.
const TRIAL: &[machine::Tool] = &[
    ("mmdebstrap", "mmdebstrap"),
    // Ubuntu does not know Debian's keys.
    ("/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring"),
    ("unshare", "util-linux"),
    ("mount", "mount"),
];

/// Makes the package and tries it; prints its path.
pub(crate) fn run(words: &[String]) -> Result<u8> {
    if !words.is_empty() {
        return Err("deb takes no arguments".into());
    }
    machine::need(TRIAL)?;
    let package = package()?;
    let trial = target().join("deb/root");
    let outcome = try_in(&trial, &package);
    // Made by root, with devices in it: cargo clean might stumble over it.
    fs::remove_dir_all(&trial).map_err(|e| format!("{}: {e}", trial.display()))?;
    outcome?;
    println!("{}", package.display());
    Ok(0)
}

fn package() -> Result<PathBuf> {
    if on_path("cargo-deb").is_none() {
        return Err(
            "cargo-deb is missing; install it with:\n  cargo install cargo-deb --locked".into()
        );
    }
    for binary in ["rrun", "containerd-shim-rrun-v2"] {
        built("rrun", binary, &["--release"])?;
    }
    // Man pages and completions, where the manifest looks for them.
    crate::assets(&[target().join("assets").to_string_lossy().into_owned()])?;
    let path = target().join("deb/rrun.deb");
    let mut command = Command::new("cargo-deb");
    command.current_dir(workspace()).args([
        "--no-build",
        "--no-strip",
        "--quiet",
        "--package",
        "rrun",
    ]);
    command.args(["--target", "x86_64-unknown-linux-gnu", "--output"]).arg(&path);
    finish(&mut command)?;
    Ok(path)
}

/// A Debian of its own, with the package and nothing else of ours.
fn try_in(root: &Path, package: &Path) -> Result<()> {
    if root.exists() {
        fs::remove_dir_all(root).map_err(|e| format!("{}: {e}", root.display()))?;
    }
    let mut make = Command::new("mmdebstrap");
    // A container needs a program without libraries; whoever installs man wants its pages.
    make.args(["--quiet", "--variant=minbase", "--include=busybox-static,man-db,bash-completion"]);
    make.args(["--dpkgopt=path-include=/usr/share/man/*", "--mode=root", "bookworm"]).arg(root);
    finish(&mut make)?;
    let copied = root.join("rrun.deb");
    fs::copy(package, &copied).map_err(|e| format!("{}: {e}", copied.display()))?;
    let script = workspace().join("tests/package/trial.sh");
    let mut trial = Command::new("unshare");
    trial.args(["--mount", "--pid", "--fork", "--kill-child", "--propagation=private"]);
    finish(trial.args(["sh", "-eu"]).arg(script).arg(root))
}

fn finish(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(|e| format!("{name}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{name}: {status}")) }
}
