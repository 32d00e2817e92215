//! The slow reading of seccomp profiles that the compiler's own tests have, taken as it lies there: below modules of
//! the names that it expects.

pub use rrun::plan::seccomp::emulate;

pub mod tests;
