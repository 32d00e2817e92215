//! What is done to a container between its start and its end: paused, resumed, changed, looked at.
//!
//! Each file has one family of verbs, through the binary, in whatever hierarchies this machine has; what only cgroup2 can
//! do runs in the guest.

#[path = "verbs/events.rs"]
mod events;
#[path = "verbs/globals.rs"]
mod globals;
#[path = "cgroup/group.rs"]
mod group;
#[path = "verbs/mounts.rs"]
mod mounts;
#[path = "verbs/pause.rs"]
mod pause;
#[path = "verbs/pressure.rs"]
mod pressure;
#[path = "verbs/update.rs"]
mod update;
#[path = "verbs/wait.rs"]
mod wait;
