//! What engines need of the kernel, tried once before the first is started.
//!
//! Knows that each is tried in namespaces that end with the trial. Refuses a list of modules: what counts is that the
//! call succeeds. A newcomer would start the daemon and look for the reason in its log; some of them start all the same,
//! and fail at the first container.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::Set;
use crate::on_path;
use crate::packages::output;

/// Lines of shell in new namespaces, and what is missing where they fail. The arguments are iptables' words.
const TRIALS: &[(&str, &str)] = &[
    ("true", "namespaces of one's own for mounts, the network and processes"),
    (
        "grep -qw overlay /proc/filesystems || modprobe overlay",
        "the kernel's overlay file system (modprobe overlay)",
    ),
    (
        "mount -t tmpfs tmpfs /mnt && cd /mnt && mkdir l u w m && \
         mount -t overlay overlay -o lowerdir=l,upperdir=u,workdir=w m",
        "to mount an overlay",
    ),
    ("ip link add name b type bridge", "the kernel's network bridges (modprobe bridge)"),
    ("ip link add name v type veth peer name w", "the kernel's veth pairs (modprobe veth)"),
    (
        "\"$@\" -t nat -A POSTROUTING -j MASQUERADE && \
         \"$@\" -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT",
        "iptables' nat and conntrack (modprobe nf_tables nft_compat xt_MASQUERADE xt_conntrack)",
    ),
];

/// What is missing, as a sentence; `None` when nothing is.
pub fn missing(set: Set) -> Option<String> {
    static ONCE: OnceLock<Option<String>> = OnceLock::new();
    ONCE.get_or_init(|| {
        let programs = ["unshare", "nsenter", "setpriv", "mount", "ip"];
        if let Some(name) = programs.into_iter().find(|name| on_path(name).is_none()) {
            return Some(format!("an engine needs the program {name}"));
        }
        if fs::metadata("/sys/fs/cgroup/memory").or(fs::metadata(UNIFIED)).is_err() {
            return Some("an engine needs cgroups with the memory controller".into());
        }
        TRIALS.iter().find_map(|(line, what)| {
            let why = tried(set, line).err()?;
            Some(format!("an engine needs {what}: {why}"))
        })
    })
    .clone()
}

const UNIFIED: &str = "/sys/fs/cgroup/cgroup.controllers";

fn tried(set: Set, line: &str) -> Result<String, String> {
    // One program of many names; the room links it by this one.
    let multi = || Some(vec![set.find("usr/sbin/xtables-nft-multi")?, "iptables".into()]);
    let tables = on_path("iptables").map(|at| vec![at]).or_else(multi).unwrap_or_default();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--net", "--pid", "--fork", "--mount-proc", "sh", "-c"]);
    command.arg(line).arg("sh").args(tables).envs(set.environment()).stdin(Stdio::null());
    output(&mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_that_fails_says_why() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let why = tried(Set::Own, "echo no such thing >&2; exit 3").expect_err("it fails");
        assert!(why.contains("no such thing"), "{why}");
    }
}
