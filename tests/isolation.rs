//! One test for each promise of isolation, named as the promise.
//!
//! Where runc 1.1.5 is known to differ, the test says `requires!(rrun)` and why.

#[path = "isolation/descriptors.rs"]
mod descriptors;
#[path = "isolation/devices.rs"]
mod devices;
#[path = "isolation/hidden.rs"]
mod hidden;
#[path = "isolation/identity.rs"]
mod identity;
#[path = "isolation/limits.rs"]
mod limits;
#[path = "isolation/namespaces.rs"]
mod namespaces;

use rrun_harness::{Bundle, Must};
use serde_json::Value;
use std::fs;

/// Some of the probe's facts, of a container that runs to its end.
#[track_caller]
fn facts(bundle: Bundle, names: &[&str]) -> Value {
    let words = ["probe", "facts"].iter().chain(names).copied().collect::<Vec<_>>();
    let bundle = bundle.args(words);
    bundle.run().success().json()
}

/// A field of a file such as `/proc/self/status`.
#[track_caller]
fn field(path: &str, name: &str) -> String {
    let text = fs::read_to_string(path).must(&format!("read {path}"));
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    found.must(&format!("find {name} in {path}")).trim().to_owned()
}
