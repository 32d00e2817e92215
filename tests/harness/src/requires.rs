//! What a test needs of the machine, and a loud word when it is not there.
//!
//! Knows how to ask for each need; refuses silent skips: a skip prints `SKIPPED …` past libtest's capture, and with
//! `RRUN_TEST_STRICT=1` (always set in the guest, which has everything) it fails the test.
//! A newcomer would get wrong that a skipped test counts as passed for libtest; `cargo xtask test` counts the lines.

use std::env;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::geteuid;

use crate::{ORDINARY_USER, Runtime, busybox, on_path};

/// One thing a test cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Effective uid 0.
    Root,
    /// This controller by its name in cgroup2, in whatever hierarchy.
    Cgroup(&'static str),
    /// A unified hierarchy at /sys/fs/cgroup that has this controller.
    CgroupV2(&'static str),
    /// A cgroup2, wherever it is mounted, whose kernel counts pressure (PSI).
    Pressure,
    /// A block device of any kind.
    BlockDevice,
    /// The distribution's package of a service, unpacked: see [`crate::service_tree`].
    Service(&'static str),
    /// The container engines of a set of packages, unpacked: see [`crate::engines::Set`].
    Engines(crate::engines::Set),
    /// Ordinary users may make user namespaces.
    UserNamespaces,
    /// newuidmap and newgidmap are installed and this user has subordinate ids.
    SubordinateIds(&'static str),
    /// A static busybox, which the default tree then contains.
    Busybox,
    /// CRIU works here.
    Criu,
    /// CRIU works here and has this of its features.
    CriuFeature(&'static str),
    /// A program on `PATH`.
    Program(&'static str),
    /// At least this kernel.
    Kernel(u32, u32),
    /// The same, for what is newer than the guest's, which has everything else: there it is no gap.
    Newer(u32, u32),
    /// A capability in our own permitted set, by its number in `linux/capability.h`.
    Capability(u32),
    /// systemd is init, and cgroup2 is all that it uses.
    Systemd,
    /// The guest's ordinary user has a systemd.
    UserSystemd,
    /// SELinux switched on at boot, and its compiler's package, unpacked; a policy is the test's own to load.
    SeLinux,
    /// AppArmor in force, and its parser's package, unpacked.
    AppArmor,
    /// The runtime under test is rrun itself: the test is about something of its own.
    Rrun,
    /// The runtime under test closed the hole that the test attacks: rrun, or runc of at least this release. With
    /// `RRUN_TEST_HOLES=1` any runtime will do, to see the attack succeed.
    Fixed(&'static str),
}

/// Skips the test, loudly, unless the machine has what it needs: `requires!(root, cgroup("memory"), kernel(5, 19))`.
#[macro_export]
macro_rules! requires {
    ($($need:ident $(($($arg:expr),*))?),+ $(,)?) => {
        fn here() {}
        let needs = [$($crate::need!($need $(($($arg),*))?)),+];
        if !$crate::requires::met(std::any::type_name_of_val(&here), &needs) {
            return;
        }
    };
}

/// One need of [`requires!`].
#[macro_export]
#[doc(hidden)]
macro_rules! need {
    (root) => {
        $crate::requires::Need::Root
    };
    (cgroup($name:expr)) => {
        $crate::requires::Need::Cgroup($name)
    };
    (cgroup_v2($name:expr)) => {
        $crate::requires::Need::CgroupV2($name)
    };
    (pressure) => {
        $crate::requires::Need::Pressure
    };
    (block_device) => {
        $crate::requires::Need::BlockDevice
    };
    (service($package:expr)) => {
        $crate::requires::Need::Service($package)
    };
    (engines($set:expr)) => {
        $crate::requires::Need::Engines($set)
    };
    (userns) => {
        $crate::requires::Need::UserNamespaces
    };
    (subids($user:expr)) => {
        $crate::requires::Need::SubordinateIds($user)
    };
    (busybox) => {
        $crate::requires::Need::Busybox
    };
    (criu) => {
        $crate::requires::Need::Criu
    };
    (criu_feature($name:expr)) => {
        $crate::requires::Need::CriuFeature($name)
    };
    (program($name:expr)) => {
        $crate::requires::Need::Program($name)
    };
    (kernel($major:expr, $minor:expr)) => {
        $crate::requires::Need::Kernel($major, $minor)
    };
    (newer($major:expr, $minor:expr)) => {
        $crate::requires::Need::Newer($major, $minor)
    };
    (capability($number:expr)) => {
        $crate::requires::Need::Capability($number)
    };
    (systemd) => {
        $crate::requires::Need::Systemd
    };
    (user_systemd) => {
        $crate::requires::Need::UserSystemd
    };
    (selinux) => {
        $crate::requires::Need::SeLinux
    };
    (apparmor) => {
        $crate::requires::Need::AppArmor
    };
    (rrun) => {
        $crate::requires::Need::Rrun
    };
    (fixed($release:expr)) => {
        $crate::requires::Need::Fixed($release)
    };
}

/// Whether all needs are met; otherwise says so, or panics when skips are failures.
///
/// # Panics
/// When a need is not met and `RRUN_TEST_STRICT=1`.
#[must_use]
pub fn met(marker: &str, needs: &[Need]) -> bool {
    let test = marker.strip_suffix("::here").unwrap_or(marker);
    let Some((need, why)) = needs.iter().find_map(|need| Some((*need, missing(*need)?))) else {
        return true;
    };
    // A test of rrun's own asked of the reference is not a gap of the machine.
    let of_the_machine = !matches!(need, Need::Rrun | Need::Newer(..) | Need::Fixed(_));
    let strict = is_set("RRUN_TEST_STRICT") && of_the_machine;
    assert!(!strict, "RRUN_TEST_STRICT=1 and {test} cannot run: {why}");
    // Written at once, so that tests in other threads cannot break the line, and past libtest's capture, which only
    // knows the print macros. A closed stderr cannot be told about.
    drop(std::io::stderr().write_all(format!("SKIPPED {test}: {why}\n").as_bytes()));
    false
}

/// Why `need` is not met; `None` when it is.
#[must_use]
#[allow(clippy::too_many_lines, reason = "one question for each need: a table")]
pub fn missing(need: Need) -> Option<String> {
    let unless = |met: bool, why: String| (!met).then_some(why);
    match need {
        Need::Root => unless(geteuid().is_root(), "needs root".into()),
        Need::Cgroup(name) => {
            let name_in_v1 = if name == "io" { "blkio" } else { name };
            let v1 = fs::metadata(format!("/sys/fs/cgroup/{name_in_v1}/cgroup.procs")).is_ok();
            unless(
                v1 || controllers_v2().contains(name),
                format!("needs the cgroup controller {name}"),
            )
        }
        Need::CgroupV2(name) => unless(
            controllers_v2().contains(name),
            format!("needs a cgroup v2 hierarchy with {name}"),
        ),
        Need::Pressure => unless(
            fs::metadata("/proc/pressure/cpu").is_ok()
                && fs::read_to_string("/proc/mounts").is_ok_and(|text| text.contains(" cgroup2 ")),
            "needs cgroup v2 and a kernel that counts pressure (psi=1)".into(),
        ),
        Need::BlockDevice => unless(
            fs::read_dir("/sys/block").is_ok_and(|mut devices| devices.next().is_some()),
            "needs a block device".into(),
        ),
        Need::Service(package) => crate::service_tree(package).err(),
        Need::Engines(set) => set.unpacked().err().or_else(|| crate::engines::kernel::missing(set)),
        Need::UserNamespaces => {
            unless(user_namespaces(), "needs user namespaces for ordinary users".into())
        }
        Need::SubordinateIds(user) => unless(
            on_path("newuidmap").is_some()
                && lists("/etc/subuid", user)
                && lists("/etc/subgid", user),
            format!(
                "needs newuidmap (package uidmap) and a line for {user} in /etc/subuid and /etc/subgid"
            ),
        ),
        Need::Busybox => {
            unless(busybox().is_some(), "needs a static busybox (package busybox-static)".into())
        }
        Need::Criu => crate::engines::criu_lacks(None),
        Need::CriuFeature(name) => crate::engines::criu_lacks(Some(name)),
        Need::Program(name) => unless(on_path(name).is_some(), format!("needs {name} on PATH")),
        Need::Kernel(major, minor) | Need::Newer(major, minor) => {
            unless(kernel() >= (major, minor), format!("needs Linux {major}.{minor}"))
        }
        Need::Capability(number) => {
            unless(permitted() >> number & 1 == 1, format!("needs capability number {number}"))
        }
        Need::Systemd => {
            unless(is_under_systemd(), "needs systemd as init, with cgroup v2 alone".into())
        }
        Need::UserSystemd => {
            let socket = format!("/run/user/{}/systemd/private", ORDINARY_USER.1);
            unless(Path::new(&socket).exists(), format!("needs a systemd of {}", ORDINARY_USER.0))
        }
        Need::SeLinux => unless(
            fs::read_to_string("/proc/filesystems").is_ok_and(|text| text.contains("selinuxfs")),
            "needs SELinux switched on at boot".into(),
        )
        .or_else(|| crate::service_tree("secilc").err()),
        Need::AppArmor => unless(
            fs::read_to_string("/sys/module/apparmor/parameters/enabled")
                .is_ok_and(|text| text.starts_with('Y'))
                && fs::metadata("/sys/kernel/security/apparmor/.replace").is_ok(),
            "needs AppArmor in force, and securityfs".into(),
        )
        .or_else(|| crate::service_tree("apparmor").err()),
        Need::Rrun => unless(Runtime::under_test().is_rrun(), "asks about rrun alone".into()),
        Need::Fixed(release) => unless(
            Runtime::under_test().is_rrun() || is_set("RRUN_TEST_HOLES") || is_fixed_in(release),
            format!("the runtime under test has this hole: runc closed it in {release}"),
        ),
    }
}

fn is_set(variable: &str) -> bool {
    env::var(variable).is_ok_and(|value| value == "1")
}

/// Whether the runtime calls itself runc, of this release or a later one.
fn is_fixed_in(release: &str) -> bool {
    let output = Command::new(Runtime::under_test().program()).arg("--version").output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let version = text.lines().find_map(|line| line.strip_prefix("runc version "));
    version.is_some_and(|version| numbers(version) >= numbers(release))
}

/// The first three numbers in a version.
fn numbers(version: &str) -> [u32; 3] {
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    std::array::from_fn(|_| numbers.next().unwrap_or(0))
}

fn is_under_systemd() -> bool {
    let init = fs::read_to_string("/proc/1/comm").unwrap_or_default();
    let files = ["/run/systemd/private", "/sys/fs/cgroup/cgroup.controllers"];
    init.trim() == "systemd" && files.iter().all(|file| Path::new(file).exists())
}

fn lists(file: &str, user: &str) -> bool {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().any(|line| line.split(':').next() == Some(user))
}

/// The controllers of the unified hierarchy at /sys/fs/cgroup, a string because that is how the kernel gives them.
fn controllers_v2() -> String {
    fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default()
}

/// Makes one, as nobody when we are root: the sysctls that forbid it differ between distributions, the attempt does not.
fn user_namespaces() -> bool {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "true"]).stdin(Stdio::null()).stderr(Stdio::null());
    if geteuid().is_root() {
        use std::os::unix::process::CommandExt;
        command.uid(65534).gid(65534);
    }
    command.status().is_ok_and(|status| status.success())
}

fn kernel() -> (u32, u32) {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn permitted() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = status.lines().find_map(|line| line.strip_prefix("CapPrm:"));
    field.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_kernel_is_enough_and_a_future_one_is_missing() {
        assert_eq!(missing(Need::Kernel(2, 6)), None);
        assert_eq!(missing(Need::Kernel(1000, 0)), Some("needs Linux 1000.0".into()));
    }

    #[test]
    fn releases_are_compared_number_by_number() {
        assert!(numbers("1.1.14") > numbers("1.1.5+ds1"));
        assert!(numbers("1.2.0-rc.3") >= numbers("1.2"));
    }

    #[test]
    fn the_macro_lets_a_test_run_whose_needs_are_met() {
        requires!(kernel(2, 6), program("sh"));
        assert_eq!(missing(Need::Program("sh")), None);
    }
}
