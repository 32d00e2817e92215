//! What `rrun-bench` can be asked for.

pub mod gate;
pub mod report;
pub mod tables;
