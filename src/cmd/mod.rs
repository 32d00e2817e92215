//! Layer 6: one file per verb; a request becomes calls of the library, and an answer on standard output.

pub mod features;
pub mod spec;
