//! What `rrun-bench` can be asked for.

pub mod report;
pub mod tables;
