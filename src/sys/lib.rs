//! rrun's kernel calls, and the heap-free interpreter that runs after clone3.
//!
//! Two rules, both checked by the compiler. *All unsafe code of rrun is in this crate.* *Nothing in it can allocate*:
//! the crate has no `alloc`, so neither a careless `format!` nor a helpful library can take a lock in the child of a
//! process with many threads. It knows kernel calls; it refuses to know policy, configuration and words.
#![no_std]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the kernel's ABI passes descriptors, flags and numbers in registers of another width"
)]

#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "std")]
pub mod arena;
pub mod bpf;
mod call;
mod classic;
pub mod clone;
mod console;
pub mod copy;
pub mod create;
pub mod cred;
pub mod entry;
mod errno;
pub mod facts;
pub mod fd;
mod interpret;
pub mod landlock;
pub mod limits;
pub mod links;
pub mod mount;
pub mod ns;
pub mod path;
#[cfg(feature = "std")]
pub mod pattern;
pub mod pidfd;
mod program;
pub mod reap;
pub mod rights;
mod rootfs;
pub mod route;
pub mod schedule;
pub mod script;
pub mod sealed;
pub mod seccomp;
pub mod signal;
pub mod trace;
pub mod tty;
pub mod wire;
mod withdraw;
pub mod xattr;

pub use errno::{Errno, Result};
pub use fd::{Fd, NewFd};
