//! Three network namespaces on a bridge: the victim's, its partner's and the aggressor's.
//!
//! ```text
//! victim 10.77.0.1 ──veth──┐
//! partner 10.77.0.2 ─veth──┼── bridge 10.77.0.254, with a port that nobody reads from
//! aggressor 10.77.0.3 ─────┘
//! ```
//!
//! The bridge is in a namespace of our own, and the names in the room's /run, so all of it ends with us. What a newcomer
//! would get wrong: a flood of a closed port would be answered by ICMP, and that would be measured, too.

use rrun_harness::on_path;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::Command;

/// The victim's, the partner's and the aggressor's.
pub const NAMES: [&str; 3] = ["victim", "partner", "aggressor"];

/// Where the partner answers.
pub const PARTNER: &str = "10.77.0.2:7777";

/// Where the flood goes.
pub const SINK: &str = "10.77.0.254:7778";

/// The network; it lasts as long as the process.
#[derive(Debug)]
pub struct Network {
    _sink: UdpSocket,
}

impl Network {
    /// Makes it, in a network namespace that this process enters.
    ///
    /// # Errors
    /// A sentence: what is missing.
    pub fn make() -> Result<Self, String> {
        if on_path("ip").is_none() {
            return Err("there is no ip: install iproute2".to_owned());
        }
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)
            .map_err(|errno| format!("a network namespace: {errno}"))?;
        ip("link set lo up")?;
        ip("link add bridge0 type bridge")?;
        ip("addr add 10.77.0.254/24 dev bridge0")?;
        ip("link set bridge0 up")?;
        for (number, name) in NAMES.iter().enumerate() {
            ip(&format!("netns add {name}"))?;
            ip(&format!("link add to-{name} type veth peer name eth0 netns {name}"))?;
            ip(&format!("link set to-{name} master bridge0 up"))?;
            ip(&format!("-n {name} addr add 10.77.0.{}/24 dev eth0", number + 1))?;
            ip(&format!("-n {name} link set eth0 up"))?;
            ip(&format!("-n {name} link set lo up"))?;
        }
        let sink = UdpSocket::bind(SINK).map_err(|why| format!("{SINK}: {why}"))?;
        Ok(Self { _sink: sink })
    }
}

/// The namespace of this name, for a container.
#[must_use]
pub fn namespace(name: &str) -> PathBuf {
    PathBuf::from("/run/netns").join(name)
}

/// What enters it, for a process.
#[must_use]
pub fn entering(name: &str) -> Vec<String> {
    ["ip", "netns", "exec", name].map(str::to_owned).to_vec()
}

fn ip(words: &str) -> Result<(), String> {
    let output = Command::new("ip").args(words.split(' ')).output();
    let output = output.map_err(|why| format!("ip: {why}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {words}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
