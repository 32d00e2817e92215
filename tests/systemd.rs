//! systemd's cgroup driver, with systemd as init: what the unit says, what the kernel says, and that nothing is left.
//!
//! `cargo xtask test` runs this file in a guest whose init is systemd; elsewhere every test says that it was skipped. What
//! a newcomer would get wrong: a value that `systemctl show` prints proves nothing. Each is read from the cgroup, too, and
//! again after a reload, which has systemd write what it believes.

#[path = "systemd/devices.rs"]
mod devices;
#[path = "systemd/engines.rs"]
mod engines;
#[path = "systemd/life.rs"]
mod life;
#[path = "systemd/limits.rs"]
mod limits;
#[path = "systemd/refused.rs"]
mod refused;
#[path = "systemd/unit.rs"]
mod unit;
#[path = "systemd/user.rs"]
mod user;
