//! rrun's kernel calls, and the heap-free interpreter that runs after clone3.
//!
//! Two rules, both checked by the compiler. *All unsafe code of rrun is in this crate.* *Nothing in it can allocate*:
//! the crate has no `alloc`, so neither a careless `format!` nor a helpful library can take a lock in the child of a
//! process with many threads. It knows kernel calls; it refuses to know policy, configuration and words.
#![no_std]

#[cfg(feature = "std")]
extern crate std;

mod errno;
pub mod fd;
pub mod seccomp;
pub mod xattr;

pub use errno::{Errno, Result};
pub use fd::{Fd, NewFd};
