//! Which of the kernel's security modules give labels to processes here: AppArmor and SELinux.
//!
//! It knows where they say that they are in force. It refuses to know their policies.
//! What a newcomer would get wrong: the files that take labels are there whenever the kernel was *built* with a module;
//! one that is off answers EINVAL, which says nothing to anybody.

use std::fs::read_to_string;

/// Which are in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Security {
    /// AppArmor takes profiles.
    pub apparmor: bool,
    /// SELinux has a policy and takes labels.
    pub selinux: bool,
}

impl Security {
    /// Asks this machine: two or three files, for those who want a label.
    #[must_use]
    pub fn probe() -> Self {
        let text = |path: &str| read_to_string(path).unwrap_or_default();
        let current = || text("/proc/self/attr/current");
        Self {
            apparmor: apparmor(&text("/sys/module/apparmor/parameters/enabled")),
            selinux: selinux(&text("/proc/filesystems"), current),
        }
    }
}

fn apparmor(enabled: &str) -> bool {
    enabled.starts_with('Y')
}

/// Its file system is there only when it is on; without a policy every process is what the kernel itself is.
fn selinux(filesystems: &str, current: impl FnOnce() -> String) -> bool {
    let on = filesystems.lines().any(|line| line.trim_start_matches("nodev").trim() == "selinuxfs");
    on && current().trim_end_matches(['\0', '\n']) != "kernel"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apparmor_says_so_itself() {
        assert!(apparmor("Y\n") && !apparmor("N\n") && !apparmor(""));
    }

    #[test]
    fn selinux_without_a_policy_is_off() {
        let with = "nodev\tsysfs\nnodev\tselinuxfs\n\text4\n";
        assert!(selinux(with, || "system_u:system_r:init_t:s0\0".to_owned()));
        assert!(!selinux(with, || "kernel\0".to_owned()));
        assert!(!selinux("nodev\tsysfs\n", || "unconfined\n".to_owned()));
    }
}
