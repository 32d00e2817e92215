//! The guest's first process: it furnishes the machine, does what it is ordered to, says what it found, and powers off.
//!
//! It refuses to go on after a failure: it says what failed. What a newcomer would get wrong: an initramfs can't be
//! pivoted away, and every runtime pivots; so the files are bound to a second place, which is moved over the root.

pub mod aggressor;
mod calls;
mod neighbours;
mod starts;
mod work;

use super::order::{Answer, FILE, Order};
use crate::ports;
use nix::mount::{MsFlags, mount};
use nix::unistd::{chdir, chroot};
use std::fmt::Display;
use std::fs;

/// Lives as /init.
pub fn live() {
    let answer = match perform() {
        Ok(()) => Answer::Done,
        Err(why) => Answer::Failed(why),
    };
    // After a failure of these there is nobody to tell; the end of pid 1 is a panic, which ends QEMU, too.
    say(&answer).ok();
    ports::power_off().ok();
}

fn perform() -> Result<(), String> {
    furnish()?;
    let text = fs::read_to_string(FILE).map_err(to("read the order"))?;
    let order: Order = serde_json::from_str(&text).map_err(to("understand the order"))?;
    starts::perform(&order)?;
    calls::perform(&order)?;
    neighbours::perform(&order)
}

/// The file systems that a container's host has, and every controller for whoever asks.
fn furnish() -> Result<(), String> {
    let bind = MsFlags::MS_BIND;
    place("/", "/new", "", bind)?;
    chdir("/new").map_err(to("enter the new root"))?;
    mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>)
        .map_err(to("move the new root"))?;
    chroot(".").map_err(to("change the root"))?;
    chdir("/").map_err(to("enter the root"))?;
    let safe = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    place("proc", "/proc", "proc", safe)?;
    place("sysfs", "/sys", "sysfs", safe)?;
    place("devtmpfs", "/dev", "devtmpfs", MsFlags::MS_NOSUID)?;
    place("cgroup2", "/sys/fs/cgroup", "cgroup2", safe)?;
    let files = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    place("tmpfs", "/run", "tmpfs", files)?;
    place("tmpfs", "/tmp", "tmpfs", files)?;
    // Shared, as systemd leaves every mount.
    place("none", "/", "", MsFlags::MS_SHARED | MsFlags::MS_REC)?;
    let controllers = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers")
        .map_err(to("list the controllers"))?;
    for name in controllers.split_whitespace() {
        fs::write("/sys/fs/cgroup/cgroup.subtree_control", format!("+{name}"))
            .map_err(to(&format!("enable the controller {name}")))?;
    }
    Ok(())
}

fn place(source: &str, target: &str, kind: &str, flags: MsFlags) -> Result<(), String> {
    let kind = (!kind.is_empty()).then_some(kind);
    mount(Some(source), target, kind, flags, None::<&str>).map_err(to(&format!("mount {target}")))
}

fn say(answer: &Answer) -> Result<(), String> {
    let text = serde_json::to_string(answer).map_err(to("write an answer"))?;
    ports::say((text + "\n").as_bytes()).map_err(to("say it"))
}

/// A sentence of what was being done and what went wrong.
fn to<E: Display>(what: &str) -> impl FnOnce(E) -> String {
    move |why| format!("{what}: {why}")
}
