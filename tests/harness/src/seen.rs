//! Where in the probe's facts a thing is.
//!
//! Knows the shape of `probe facts`. A newcomer would take the first mount at a path; the last one is on top and the one
//! a process sees.

use serde_json::Value;

use crate::Must;

/// The topmost mount at `path` among the fact `mounts`.
#[must_use]
#[track_caller]
pub fn mount_at<'a>(facts: &'a Value, path: &str) -> &'a Value {
    let mounts = facts["mounts"].as_array().must("find the mounts among the facts");
    let found = mounts.iter().rev().find(|mount| mount["at"] == path);
    found.must(&format!("find a mount at {path} in {mounts:#?}"))
}

/// The entry `name` of `/dev` among the fact `dev`.
#[must_use]
#[track_caller]
pub fn device_at<'a>(facts: &'a Value, name: &str) -> &'a Value {
    let found = facts["dev"].get(name);
    found.must(&format!("find {name} in {:#}", facts["dev"]))
}
