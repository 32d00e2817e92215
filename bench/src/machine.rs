//! The machine that was measured on, in one object.
//!
//! It refuses to judge it: a busy machine is a fact for the reader.

use serde_json::{Value, json};
use std::fs;

/// Kernel, processor, how many of them, the load.
#[must_use]
pub fn facts() -> Value {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let model = read("/proc/cpuinfo");
    let model = model.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown").to_owned();
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    json!({
        "kernel": read("/proc/sys/kernel/osrelease"), "processor": model, "processors": processors,
        "load": read("/proc/loadavg"),
    })
}
