//! rrun, an OCI container runtime whose containers are plans.
//!
//! Every container runtime is the same list of kernel calls in a delicate order. Here that list is *data*: pure functions
//! compute a [`plan::Plan`] from a configuration, the facts about this machine and the caller's wishes; `rrun explain`
//! prints it, golden tests read it without privileges, `--trace` times it, tests make every one of its steps fail; and
//! only then is it performed. This page is the map of the house.
//!
//! # The layers
//!
//! ```text
//!  main        shim              7  argv in, exit code out; or ttrpc in, events out
//!    |           |
//!  cmd           |               7  the command line's verbs: one file each
//!    |           |
//!  runtime <-----+               6  create, start and exec as calls
//!    |
//!  container                     5  identity over time: the record on disk, the status observed
//!    |
//!  launch --------------> sys    4  effects: a plan is performed, and undone when it fails
//!    |                     ^
//!  plan                    |     3  decisions, pure: Spec x Host x Request -> Plan
//!    |                     |
//!  host -------------------+     2  facts: what this machine is and who we are on it
//!    |
//!  spec                          1  meaning, pure: config.json -> Spec
//!    |
//!  error, id, log, timestamp     0  vocabulary
//!
//!  image                         beside: archives become bundles; knows nothing of containers
//! ```
//!
//! Imports go down only. `sys` is a crate of its own (`rrun-sys`), for what only a crate boundary can give: it is
//! `no_std` without `alloc`, so that nothing in the child of the clone can allocate, and it holds all unsafe code; this
//! crate forbids it.
//!
//! # The journey of `rrun run web`
//!
//! ```text
//! argv            cmd::args      syntax only; nothing is touched
//! config.json     spec           every field is used, or refused with its JSON pointer
//! this machine    host           every fact that a decision needs
//!   v
//! Plan            plan           the child's steps, the cgroup's writes, the filter: all decided, nothing done
//!   v
//! reserve         container      an exclusive directory for the record
//!   v
//! launch          PARENT                                 CHILD: pid 1 of its namespaces, in its cgroup
//!                 cgroup, descriptors, lowered script
//!                 clone3 -----------------------------> interprets the script
//!                 id maps              <-- Cloned ----- joins v1 cgroups, namespaces
//!                 createRuntime hooks  <-- Rootfs ----- mounts, devices
//!                                                       createContainer hooks; masks; pivot; sysctls; limits
//!                 record, pid file     <-- Ready ------ the program is found
//!                 -- Proceed, or `start` at the gate -> startContainer hooks; user, capabilities, filter
//!                 end of file: it runs                  execve
//!   v
//! supervise       launch         signals forwarded, terminal relayed, exit code taken
//!   v
//! delete          container      cgroup emptied and removed, poststop hooks, directory gone
//! ```
//!
//! `create` stops at *Ready*; `start` is what follows, from another process; `exec` is [`plan::Plan::exec`] on the same
//! way. There is one path, entered at different doors.
//!
//! # Where to start reading
//!
//! 1. `rrun explain` of any bundle, or a file of `tests/golden`: that is what happens, line by line.
//! 2. [`plan`] and [`plan::step`]: who decides it, and [`plan::order`]: which orders are safe.
//! 3. [`launch`]: how the parent performs it, with the child's life drawn at its head.
//! 4. `rrun_sys::script` and its interpreter: all that runs after the clone.
//! 5. [`container`]: what is remembered of it, and why its status is not.
//!
//! To add a field of config.json: its mirror in `spec::wire`, its meaning in [`spec`], an act in [`plan::step`] with a line
//! in [`plan::show`], an op in `rrun_sys::script` with the line that lowers it. The compiler asks for each of these in
//! turn, and `tests/spec/coverage.rs` for the first.
//!
//! # The rules
//!
//! Those that a compiler can't check, `tests/arch.rs` reads off the sources:
//!
//! * `spec` and `plan` touch nothing: no file, clock, environment or kernel call.
//! * One op for one step: a failure comes back as a number, and the plan has the words for it.
//! * What is made is undone in reverse when anything fails, on every path; what can't be undone is reported, too.
//! * A limit that can't be enforced is an error before anything exists, never a warning after.
//! * A container's path is not a path of ours ([`id::InnerPath`], [`id::HostPath`]); it is resolved to a descriptor, once.
//! * An error names the field, the value and the fix; it is returned or logged, never both ([`error`]).
//! * A process is known by its pidfd; a pid alone may be somebody else by now.
//! * Nothing panics on purpose; every module says at its head what it knows; no file is longer than 400 lines.

pub mod cmd;
pub mod container;
pub mod error;
pub mod host;
pub mod id;
pub mod image;
pub mod launch;
pub mod log;
pub mod plan;
pub mod runtime;
pub mod spec;
pub mod timestamp;
