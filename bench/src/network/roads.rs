//! The network that is measured: two namespaces, joined by a bridge in a third, with a tap for a guest.
//!
//! ```text
//! namespace "server"        the part's own namespace            namespace "client"
//!   eth0 10.83.0.1 ─ veth ─── road ─ veth ───────────────────── eth0 10.83.0.2    bare, containers
//!                              └─ tap ──────────────────────── a guest's eth0 10.83.0.3
//! ```
//!
//! It refuses the host's namespace, where an address could already be somebody's. What a newcomer would get wrong: names
//! of namespaces are mounts below /run/netns, and vanish with the room only because /run is the room's own.

use nix::sched::{CloneFlags, unshare};
use rrun_harness::on_path;
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Who is asked.
pub const SERVER: &str = "10.83.0.1";

/// A guest's own address.
pub const GUEST: &str = "10.83.0.3";

/// The guest's end of the road.
pub const TAP: &str = "tap0";

/// The namespace of the one who asks.
pub const CLIENT: &str = "client";

/// The namespace of the one who is asked.
pub const SERVING: &str = "server";

/// In order; each is an error of its own.
const BUILD: [&str; 14] = [
    "link set lo up",
    "netns add server",
    "netns add client",
    "link add road type bridge",
    "link set road up",
    "link add to-server type veth peer name eth0 netns server",
    "link add to-client type veth peer name eth0 netns client",
    "link set to-server master road up",
    "link set to-client master road up",
    "-n server address add 10.83.0.1/24 dev eth0",
    "-n client address add 10.83.0.2/24 dev eth0",
    "-n server link set eth0 up",
    "-n client link set eth0 up",
    "-n client link set lo up",
];

const BUILD_TAP: [&str; 2] = ["tuntap add tap0 mode tap", "link set tap0 master road up"];

/// Builds it around this thread, in a network namespace of its own. The room must have been entered.
///
/// # Errors
/// A sentence: what is missing on this machine.
pub fn build() -> Result<(), String> {
    if on_path("ip").is_none() {
        return Err("there is no ip: install iproute2".to_owned());
    }
    unshare(CloneFlags::CLONE_NEWNET).map_err(|why| format!("a network namespace: {why}"))?;
    BUILD.iter().try_for_each(|words| ip(words))
}

/// Adds a guest's end.
///
/// # Errors
/// A sentence: there is no /dev/net/tun here.
pub fn tap() -> Result<(), String> {
    BUILD_TAP.iter().try_for_each(|words| ip(words))
}

/// Whether the kernel can carry a guest's packets itself.
#[must_use]
pub fn has_vhost() -> bool {
    OpenOptions::new().read(true).write(true).open("/dev/vhost-net").is_ok()
}

/// The file of a namespace.
#[must_use]
pub fn namespace(name: &str) -> PathBuf {
    PathBuf::from("/run/netns").join(name)
}

/// What comes before a program to run it in a namespace.
#[must_use]
pub fn inside(name: &str) -> Vec<String> {
    ["ip", "netns", "exec", name].map(str::to_owned).to_vec()
}

fn ip(words: &str) -> Result<(), String> {
    let mut command = Command::new("ip");
    command.args(words.split(' ')).stdin(Stdio::null());
    let output = command.output().map_err(|why| format!("ip {words}: {why}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("ip {words}: {}", said.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_are_those_of_the_road() {
        let given = |address: &str| BUILD.iter().any(|words| words.contains(address));
        assert!(given(&format!("{SERVER}/24")) && !given(GUEST));
        assert!(BUILD_TAP.iter().all(|words| words.contains(TAP)));
    }

    #[test]
    fn what_ip_refuses_is_told_in_its_words() {
        let why = ip("link show dev no-such-link").unwrap_err();
        assert!(why.starts_with("ip link show dev no-such-link: "), "{why}");
    }
}
