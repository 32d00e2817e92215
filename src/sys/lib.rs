//! rrun's kernel calls, and the heap-free interpreter that runs after clone3.
#![no_std]

mod errno;
pub use errno::{Errno, Result};
