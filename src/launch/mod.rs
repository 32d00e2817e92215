//! Layer 4, effects: a plan is performed.

pub mod console;
pub mod notify;
mod relay;
pub mod sealed;
mod socket;
pub mod supervise;
pub mod trace;
