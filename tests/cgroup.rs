//! Limits: what a container may use, where that is written down, and that the kernel holds it.
//!
//! Each test names what it needs: `cgroup("memory")` runs in whatever hierarchy this machine has the controller, and the
//! group knows the file's name there; `cgroup_v2("memory")` is for what only cgroup2 can do, and runs in the guest.
//! What a newcomer would get wrong: a file that holds the right number proves nothing yet, so memory, processor time,
//! processes and devices are also used up.

#[path = "cgroup/cpu.rs"]
mod cpu;
#[path = "cgroup/devices.rs"]
mod devices;
#[path = "cgroup/files.rs"]
mod files;
#[path = "cgroup/group.rs"]
mod group;
#[path = "cgroup/memory.rs"]
mod memory;
#[path = "cgroup/pids.rs"]
mod pids;
#[path = "cgroup/place.rs"]
mod place;
#[path = "cgroup/refused.rs"]
mod refused;
