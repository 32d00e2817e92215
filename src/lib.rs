//! rrun, an OCI container runtime whose containers are plans.

pub mod error;
pub mod id;
pub mod launch;
pub mod plan;
pub mod spec;
