//! rrun, an OCI container runtime whose containers are plans.

pub mod cmd;
pub mod error;
pub mod id;
pub mod image;
pub mod plan;
pub mod spec;
