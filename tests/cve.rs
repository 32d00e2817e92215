//! One test for each hole that container runtimes have had, named after it: the attack, and that it fails.
//!
//! Those that concern the set-up of mounts race against a loop in the test; the loop's rounds are what makes a lost race
//! likely, and no assertion depends on who wins. `docs/security.md` lists them all, with the rule that each guards.
//! What a newcomer would get wrong: the reference has some of these holes. `fixed("1.1.14")` names the release that
//! closed one; with `RRUN_TEST_HOLES=1` its test runs against older ones, too, and then it should fail.

#[path = "cve/console.rs"]
mod console;
#[path = "cve/cwd.rs"]
mod cwd;
#[path = "cve/dev.rs"]
mod dev;
#[path = "cve/escape.rs"]
mod escape;
#[path = "cve/fields.rs"]
mod fields;
#[path = "cve/identity.rs"]
mod identity;
#[path = "cve/masks.rs"]
mod masks;
#[path = "cve/procfs.rs"]
mod procfs;
#[path = "cve/race.rs"]
mod race;
#[path = "cve/table.rs"]
mod table;

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use rrun_harness::{Bundle, Must};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// A directory beside the rootfs that no container may touch.
#[track_caller]
fn decoy(bundle: &Bundle) -> PathBuf {
    let decoy = bundle.path().join("decoy");
    fs::create_dir(&decoy).must("make a decoy");
    fs::write(decoy.join("ptmx"), "untouched").must("fill the decoy");
    decoy
}

/// The names in a directory.
#[track_caller]
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).must("list a directory");
    let names = entries.map(|entry| entry.must("list it").file_name());
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    names
}

/// Replaces what is at `path` in the rootfs by a link.
#[track_caller]
fn plant_link(bundle: &Bundle, path: &str, target: impl AsRef<Path>) {
    let at = bundle.rootfs().join(path);
    // Missing is as good.
    drop(fs::remove_dir_all(&at));
    symlink(target, at).must("plant a link");
}

/// Exchanges two names for as long as `then` runs.
fn swapping<R>(one: &Path, other: &Path, then: impl FnOnce() -> R) -> R {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE)
                    .must("exchange two names");
            }
        });
        // A failed assertion must not leave the loop running: the scope would wait for it for ever.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(then));
        stop.store(true, Ordering::Relaxed);
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A hook that writes the mounts of the container's namespace to a file before the host's tree leaves it: what was mounted
/// outside of the rootfs can be seen nowhere else.
fn witnessed(bundle: Bundle) -> (Bundle, PathBuf) {
    let file = bundle.path().join("witness");
    let script = format!("cat /proc/self/mountinfo >'{}'", file.display());
    let hook =
        json!({ "path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/usr/bin:/bin"] });
    (bundle.push("/hooks/createContainer", hook), file)
}

/// Where, as the witness saw it, file systems are mounted, and of which type, with `below` in front.
#[track_caller]
fn mounted_below(witness: &Path, below: &Path) -> Vec<(PathBuf, String)> {
    // A run that was refused before the hook has no witness.
    let table = fs::read_to_string(witness).unwrap_or_default();
    drop(fs::remove_file(witness));
    let parse = |line: &str| {
        let (mount, superblock) = line.split_once(" - ")?;
        let at = PathBuf::from(mount.split(' ').nth(4)?);
        Some((at, superblock.split(' ').next()?.to_owned()))
    };
    table.lines().filter_map(parse).filter(|(at, _)| at.starts_with(below)).collect()
}

/// Only the mounts with these destinations.
fn with_mounts_at(bundle: Bundle, destinations: &[&str]) -> Bundle {
    bundle.edit(|config| {
        let mounts = config["mounts"].as_array_mut().must("find the mounts");
        mounts.retain(|mount| destinations.iter().any(|path| mount["destination"] == *path));
        config["linux"]["maskedPaths"] = json!([]);
        config["linux"]["readonlyPaths"] = json!([]);
    })
}
