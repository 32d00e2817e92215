//! Layer 2, reads only: the facts about this machine that a plan depends on, gathered once.
//!
//! It knows how to ask; it refuses to decide. It is on the way of every start, so a fact that no plan reads is not
//! gathered, and each costs a call or three.
//! What a newcomer would get wrong: "root" is two facts. Root of a user namespace has uid 0 and every capability, and
//! still may not load a BPF program or make a device node.

pub mod cgroup;
pub mod kernel;
pub mod pseudo;
pub mod security;

pub use cgroup::{CgroupHost, Hierarchy, OwnCgroup, Unified};

pub use security::Security;

use crate::error::{Result, ResultExt};
use std::ffi::OsStr;

/// The facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Kernel version, major and minor; at least [`kernel::FLOOR`].
    pub kernel: (u32, u32),
    /// Our effective user.
    pub euid: u32,
    /// Our effective group.
    pub egid: u32,
    /// Whether our user namespace is the machine's first one.
    pub initial_user_namespace: bool,
    /// Whether our user namespace, and with it every one below, allows setgroups(2).
    pub set_groups: bool,
    /// The cgroup hierarchies, and our place in them.
    pub cgroup: CgroupHost,
    /// The highest capability number the kernel knows.
    pub last_cap: u8,
    /// Our permitted capabilities, bit *n* for number *n*.
    pub permitted_caps: u64,
    /// The version of Landlock, for a configuration that asks for it; else 0, and nobody asked.
    pub landlock: u32,
    /// The security modules in force; asked for by [`Host::ask_security`], and none before.
    pub security: Security,
}

/// The inode of the first user namespace, fixed since Linux 3.8 (`PROC_USER_INIT_INO`).
const INITIAL_USER_NAMESPACE: &str = "user:[4026531837]";

const CAP_SETGID: u64 = 1 << 6;
const CAP_SETUID: u64 = 1 << 7;

impl Host {
    /// Asks this machine. About twenty cheap calls; `own_cgroup` is the dearest.
    ///
    /// # Errors
    /// [`Kind::Host`](crate::error::Kind::Host) on a kernel below the floor; [`Kind::Kernel`](crate::error::Kind::Kernel)
    /// when /proc cannot be read.
    pub fn probe(own_cgroup: OwnCgroup) -> Result<Self> {
        let kernel = kernel::probe()?;
        let euid = nix::unistd::geteuid().as_raw();
        let namespace = nix::fcntl::readlink("/proc/self/ns/user")?;
        let initial_user_namespace = namespace == OsStr::new(INITIAL_USER_NAMESPACE);
        Ok(Self {
            kernel,
            euid,
            egid: nix::unistd::getegid().as_raw(),
            initial_user_namespace,
            set_groups: initial_user_namespace || allows_set_groups()?,
            cgroup: CgroupHost::probe(euid != 0 || !initial_user_namespace, own_cgroup)?,
            last_cap: last_capability(),
            permitted_caps: rrun_sys::facts::permitted_capabilities()?,
            landlock: 0,
            security: Security::default(),
        })
    }

    /// Asks which security modules are in force: only for who wants a label of one.
    pub fn ask_security(&mut self) {
        self.security = Security::probe();
    }

    /// This machine as its root would find it, for a plan that is only shown.
    ///
    /// # Errors
    /// As [`CgroupHost::probe`].
    pub fn as_root(&self) -> Result<Self> {
        let all = u64::MAX >> (63 - u32::from(self.last_cap.min(63)));
        Ok(Self {
            euid: 0,
            egid: 0,
            initial_user_namespace: true,
            set_groups: true,
            cgroup: CgroupHost::probe(false, OwnCgroup::Wanted)?,
            permitted_caps: all,
            ..self.clone()
        })
    }

    /// Whether we are the machine's root: uid 0 in the first user namespace.
    #[must_use]
    pub fn is_machine_root(&self) -> bool {
        self.euid == 0 && self.initial_user_namespace
    }

    /// Whether we may map any id of our user namespace into a new one: its root may, too.
    #[must_use]
    pub fn may_map_any_id(&self) -> bool {
        self.permitted_caps & CAP_SETGID != 0 && self.permitted_caps & CAP_SETUID != 0
    }

    /// An ordinary cgroup v2 machine as seen by root, the same everywhere: Linux 6.12, all controllers. For tests of
    /// plans, which must not depend on the machine they run on.
    #[must_use]
    pub fn fixture() -> Self {
        let all = (1 << 41) - 1;
        Self {
            kernel: (6, 12),
            euid: 0,
            egid: 0,
            initial_user_namespace: true,
            set_groups: true,
            cgroup: CgroupHost::fixture(),
            last_cap: 40,
            permitted_caps: all,
            landlock: 6,
            security: Security { apparmor: true, selinux: true },
        }
    }

    /// [`Host::fixture`] with v1 hierarchies beside a nearly bare unified one.
    #[must_use]
    pub fn hybrid_fixture() -> Self {
        Self { cgroup: CgroupHost::hybrid_fixture(), ..Self::fixture() }
    }

    /// [`Host::fixture`] as seen by user 1000, to whom systemd has delegated `controllers` (none: nothing is delegated).
    #[must_use]
    pub fn rootless_fixture(controllers: &[&str]) -> Self {
        Self {
            euid: 1000,
            egid: 1000,
            permitted_caps: 0,
            cgroup: CgroupHost::rootless_fixture(controllers),
            ..Self::fixture()
        }
    }
}

/// Whoever wrote a group map without privileges gave setgroups(2) up first, for all namespaces below.
fn allows_set_groups() -> Result<bool> {
    let path = "/proc/self/setgroups";
    Ok(std::fs::read_to_string(path).context(|| format!("read {path}"))?.trim() == "allow")
}

/// The highest capability number, found by halving: the kernel knows a number or says EINVAL. 64 of them is what
/// capget(2) can carry.
fn last_capability() -> u8 {
    let known = |number| rrun_sys::facts::in_bounding_set(number).is_ok();
    let (mut last, mut beyond) = (0, 64);
    while beyond - last > 1 {
        let middle = (last + beyond) / 2;
        if known(middle) {
            last = middle;
        } else {
            beyond = middle;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::read_to_string;

    #[test]
    fn capabilities_agree_with_proc() {
        let host = Host::probe(OwnCgroup::Wanted).expect("this machine");
        let status = read_to_string("/proc/self/status").expect("status");
        let set = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).expect(name);
            u64::from_str_radix(line.rsplit('\t').next().expect("value"), 16).expect("hex")
        };
        assert_eq!(host.permitted_caps, set("CapPrm"));
        let last = read_to_string("/proc/sys/kernel/cap_last_cap").expect("cap_last_cap");
        assert_eq!(host.last_cap.to_string(), last.trim());
    }
}
