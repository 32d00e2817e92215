//! rrun, an OCI container runtime whose containers are plans.

pub mod cmd;
pub mod container;
pub mod error;
pub mod host;
pub mod id;
pub mod image;
pub mod launch;
pub mod log;
pub mod plan;
pub mod spec;
pub mod timestamp;
