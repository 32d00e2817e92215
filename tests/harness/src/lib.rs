//! What rrun's tests and benchmarks share: bundles, runtimes, leftovers, terminals, the guest.
//!
//! It knows a runtime only as a program with runc's command line, so every test can be asked of the reference too
//! (`RUNTIME_UNDER_TEST=runc`). It refuses to link rrun: a test that could call a function would stop testing the binary.
//!
//! What a newcomer would get wrong: the functions here panic. A test's fixture that cannot be made is a failed test, and
//! the message says what was being done; only `guest`, which `cargo xtask` drives, returns errors.
//!
//! ```no_run
//! # use rrun_harness::{Bundle, requires};
//! requires!(root);
//! Bundle::new().args(["probe", "exit", "7"]).run().code(7);
//! ```

#![deny(unsafe_code)]

mod bounded;
mod bundle;
mod config;
pub mod conformance;
pub mod cpio;
pub mod engines;
pub mod guest;
mod hostmounts;
mod leftovers;
mod must;
mod packages;
mod place;
pub mod requires;
mod runtime;
mod seen;
mod terminal;
mod tree;

pub use bounded::{Output, PATIENCE, Running, Stdio, eventually, wait_until};
pub use bundle::Bundle;
pub use config::default_config;
pub use hostmounts::HostMounts;
pub use leftovers::{Leftovers, Snapshot};
pub use must::Must;
pub use packages::service_tree;
pub use place::{beside, busybox, harness_binary, is_static, on_path, workspace};
pub use runtime::Runtime;
pub use seen::{device_at, mount_at};
pub use terminal::{ConsoleSocket, Terminal};

/// The guest's ordinary user, who has subordinate ids: name, uid and gid. On a host it may not exist; tests of
/// rootless containers say `requires!(root, userns, subids(ORDINARY_USER.0))` and call the runtime as this user.
pub const ORDINARY_USER: (&str, u32, u32) = ("rrun-user", 4242, 4242);
