//! The network of the services: a bridge, and a namespace with one end of a veth pair for each.
//!
//! All of it is inside a network namespace of the benchmark's own, so nothing of it is on the host, and all of it goes
//! when the benchmark does. It refuses to be part of what is timed: every subject, bare processes too, joins the same
//! namespaces, made before. What a newcomer would get wrong: `ip netns` keeps names in /run, which is ours here.

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::geteuid;
use rrun_harness::on_path;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The port that every service but the database listens on.
pub const PORT: u16 = 8080;

/// The database's.
pub const DATABASE_PORT: u16 = 5432;

/// A place for one service: its address and its namespace.
#[derive(Debug, Clone)]
pub struct Slot {
    /// As `ip netns` calls it.
    pub name: String,
    host: u8,
}

impl Slot {
    /// The `host`th of the bridge's network.
    #[must_use]
    pub fn new(name: impl Into<String>, host: u8) -> Self {
        Self { name: name.into(), host }
    }

    /// As programs write it.
    #[must_use]
    pub fn ip(&self) -> String {
        format!("10.77.0.{}", self.host)
    }

    /// With a port.
    #[must_use]
    pub fn address(&self, port: u16) -> SocketAddr {
        SocketAddr::from(([10, 77, 0, self.host], port))
    }

    /// What is joined.
    #[must_use]
    pub fn namespace(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.name)
    }
}

/// Enters namespaces of our own for mounts, the network and System V's shared memory, with this thread and whom it
/// starts; the host's cgroup controllers stay in sight.
///
/// # Errors
/// A sentence.
pub fn enter() -> Result<(), String> {
    if !geteuid().is_root() {
        return Err("services are measured as root: nothing was measured".to_owned());
    }
    let own = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC;
    unshare(own).map_err(|errno| format!("namespaces: {errno}"))?;
    let private = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
    let told = |what: &'static str| move |errno: nix::Error| format!("{what}: {errno}");
    mount(Some("none"), "/", None::<&str>, private, None::<&str>)
        .map_err(told("private mounts"))?;
    let none = MsFlags::empty();
    mount(Some("tmpfs"), "/run", Some("tmpfs"), none, None::<&str>).map_err(told("mount /run"))?;
    Ok(())
}

/// What this machine lacks for it, if it does.
#[must_use]
pub fn lacking() -> Option<String> {
    let tools = [("ip", "iproute2"), ("nsenter", "util-linux")];
    let missing = tools.into_iter().find(|(tool, _)| on_path(tool).is_none());
    missing.map(|(tool, package)| format!("there is no {tool} (package {package})"))
}

/// Makes the bridge and joins every slot to it.
///
/// # Errors
/// A sentence: what `ip` said.
pub fn make(slots: &[Slot]) -> Result<(), String> {
    let mut outside = "link set lo up\nlink add services type bridge\nlink set services up\n\
                       address add 10.77.0.1/24 dev services\n"
        .to_owned();
    for (number, slot) in slots.iter().enumerate() {
        let name = &slot.name;
        outside += &format!(
            "netns add {name}\nlink add port{number} type veth peer name eth0 netns {name}\n\
             link set port{number} master services\nlink set port{number} up\n"
        );
    }
    ip(&[], &outside)?;
    for slot in slots {
        let inside = format!(
            "link set lo up\nlink set eth0 up\naddress add {}/24 dev eth0\n\
             route add default via 10.77.0.1\n",
            slot.ip()
        );
        ip(&["-netns", &slot.name], &inside)?;
    }
    Ok(())
}

fn ip(words: &[&str], batch: &str) -> Result<(), String> {
    let program = on_path("ip").ok_or("there is no ip (package iproute2)")?;
    let mut command = Command::new(program);
    command.args(words).args(["-batch", "-"]).stdin(Stdio::piped());
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|why| format!("start ip: {why}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(batch.as_bytes()).map_err(|why| format!("tell ip: {why}"))?;
    }
    let output = child.wait_with_output().map_err(|why| format!("wait for ip: {why}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    Err(format!("ip {}: {said}", words.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_has_an_address_and_a_namespace_of_its_name() {
        let slot = Slot::new("api-3", 13);
        assert_eq!(slot.address(PORT).to_string(), "10.77.0.13:8080");
        assert_eq!(slot.ip(), "10.77.0.13");
        assert_eq!(slot.namespace(), Path::new("/run/netns/api-3"));
    }
}
