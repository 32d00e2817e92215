//! Layer 4, effects: a plan is performed.

pub mod cgroup;
pub mod hooks;
