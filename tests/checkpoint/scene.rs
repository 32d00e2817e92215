//! A container that counts, and the runtime with CRIU at hand.

use rrun_harness::engines::criu_directory;
use rrun_harness::{Bundle, Must, Output, Runtime, eventually};
use serde_json::Value;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The runtime under test, which finds CRIU.
pub fn runtime() -> Runtime {
    let directory = criu_directory().must("have criu");
    let path = env::var("PATH").unwrap_or_default();
    let program = directory.join("criu").to_string_lossy().into_owned();
    Runtime::under_test()
        .with_globals(["--criu".to_owned(), program])
        .with_env("PATH", format!("{}:{path}", directory.display()))
}

/// A container whose first process counts into `/count`, its streams its own.
pub fn counter(runtime: &Runtime) -> Bundle {
    quiet(runtime, "exec probe count /count")
}

/// A container of this script, which can write to its root and holds nothing of the caller's.
pub fn quiet(runtime: &Runtime, script: &str) -> Bundle {
    let bundle = Bundle::in_runtime(runtime);
    bundle
        .script(&format!("exec </dev/null >/dev/null 2>&1; {script}"))
        .set("/root/readonly", Value::Bool(false))
}

/// The number that was told last.
pub fn count(bundle: &Bundle) -> u64 {
    number(&bundle.rootfs().join("count"))
}

pub fn number(file: &Path) -> u64 {
    fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// Waits until it has counted beyond `least`.
#[track_caller]
pub fn counts_beyond(bundle: &Bundle, least: u64) -> u64 {
    assert!(eventually(|| count(bundle) > least), "it stands at {}", count(bundle));
    count(bundle)
}

pub fn images(bundle: &Bundle) -> PathBuf {
    bundle.path().join("images")
}

/// `checkpoint` with these flags, to the bundle's own images.
pub fn checkpoint(bundle: &Bundle, flags: &[&str]) -> Output {
    let images = images(bundle).to_string_lossy().into_owned();
    let words = ["checkpoint", "--image-path", &images];
    bundle.runtime().call(words.iter().chain(flags).chain([&bundle.id()]))
}

/// `restore --detach` of a bundle from the images of `from`, with these flags.
pub fn restore(bundle: &Bundle, from: &Bundle, flags: &[&str]) -> Output {
    let (images, path) = (images(from), bundle.path());
    let (images, path) =
        (images.to_string_lossy().into_owned(), path.to_string_lossy().into_owned());
    let work = bundle.path().join("work").to_string_lossy().into_owned();
    bundle.write_config();
    let words =
        ["restore", "--detach", "--image-path", &images, "--work-path", &work, "--bundle", &path];
    bundle.runtime().call(words.iter().chain(flags).chain([&bundle.id()]))
}

/// Checkpoints it, proves that it stands still, and restores it; what it had counted.
#[track_caller]
pub fn there_and_back(bundle: &Bundle, flags: &[&str]) -> u64 {
    let before = counts_beyond(bundle, 5);
    checkpoint(bundle, flags).success();
    let kept = count(bundle);
    assert!(kept >= before);
    restore(bundle, bundle, flags).success();
    counts_beyond(bundle, kept);
    kept
}
