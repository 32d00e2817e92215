//! Descriptors from `rrun_sys`, owned.

pub use rrun_sys::fd::own;
