//! Nothing is left of a container that could not be made: every step of the plan fails in turn, the parent's and the
//! child's, and so do real things.
//!
//! A step is made to fail by number (`RRUN_FAIL_STEP`, the child's; `RRUN_FAIL_HOST`, the parent's), so nobody has to
//! remember to list a new one here.

#[path = "faults/fixtures.rs"]
mod fixtures;
#[path = "faults/injected.rs"]
mod injected;
#[path = "faults/killed.rs"]
mod killed;
#[path = "faults/real.rs"]
mod real;
