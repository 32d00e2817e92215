//! Layer 4, effects: a Plan is performed.

pub mod cgroup;
pub mod hooks;
