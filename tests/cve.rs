//! One test for each hole that container runtimes have had, named after it: the attack, and that it fails.
//!
//! Those that concern the set-up of mounts race against a loop in the test; the loop's rounds are what makes a lost race
//! likely, and no assertion depends on who wins.

#[path = "cve/dev.rs"]
mod dev;
#[path = "cve/escape.rs"]
mod escape;
#[path = "cve/procfs.rs"]
mod procfs;
#[path = "cve/race.rs"]
mod race;

use rrun_harness::{Bundle, Must};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

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

/// Only the mounts with these destinations.
fn with_mounts_at(bundle: Bundle, destinations: &[&str]) -> Bundle {
    bundle.edit(|config| {
        let mounts = config["mounts"].as_array_mut().must("find the mounts");
        mounts.retain(|mount| destinations.iter().any(|path| mount["destination"] == *path));
        config["linux"]["maskedPaths"] = json!([]);
        config["linux"]["readonlyPaths"] = json!([]);
    })
}
