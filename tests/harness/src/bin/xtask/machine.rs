//! What the tasks need of the machine, and how to get it on Debian and Ubuntu.
//!
//! Knows programs and the packages that have them. Refuses to install anything when not root, or on another
//! distribution: then it says what to install. A newcomer would list `busybox`: Debian's is static only in
//! `busybox-static`, and nothing else runs in an empty rootfs.

use std::process::{Command, Stdio};

use nix::unistd::geteuid;
use rrun_harness::{busybox, on_path};

use crate::Result;

/// A program and the Debian package it comes from.
pub(crate) type Tool = (&'static str, &'static str);

/// What the guest needs.
pub(crate) const GUEST: &[Tool] = &[
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("depmod", "kmod"),
    ("/lib/systemd/systemd", "systemd"),
    ("dbus-daemon", "dbus"),
    ("setpriv", "util-linux"),
    ("xz", "xz-utils"),
    ("zstd", "zstd"),
];

/// What the tests need beside the guest: the reference runtimes and the tools whose images rrun unpacks.
pub(crate) const TESTS: &[Tool] = &[
    ("newuidmap", "uidmap"),
    ("runc", "runc"),
    ("skopeo", "skopeo"),
    ("umoci", "umoci"),
    ("ip", "iproute2"),
    ("setpriv", "util-linux"),
];

/// What the tests with engines need beside: the engines themselves are unpacked, not installed.
pub(crate) const ENGINES: &[Tool] = &[
    ("busybox", "busybox-static"),
    ("curl", "curl"),
    ("openssl", "openssl"),
    ("strace", "strace"),
    ("nsenter", "util-linux"),
    ("mount", "mount"),
    ("ps", "procps"),
    ("modprobe", "kmod"),
    // The one that Debian's docker-compose and podman-compose have their modules for.
    ("/usr/bin/python3", "python3"),
];

/// What the benchmarks compare rrun with, and what they are made with, beside the guest.
pub(crate) const BENCHMARKS: &[Tool] = &[
    ("runc", "runc"),
    ("crun", "crun"),
    ("ip", "iproute2"),
    ("mke2fs", "e2fsprogs"),
    ("nsenter", "util-linux"),
];

/// What the demonstration needs.
pub(crate) const DEMO: &[Tool] =
    &[("dpkg-deb", "dpkg"), ("tar", "tar"), ("sha256sum", "coreutils")];

/// Makes sure that these tools are there, installing their packages where that is possible.
pub(crate) fn need(tools: &[Tool]) -> Result<()> {
    let missing = missing(tools);
    let may_install = geteuid().is_root() && on_path("apt-get").is_some();
    // Kernels and services are downloaded later, by names that an old list no longer has.
    if may_install && (!missing.is_empty() || !lists_are_fresh()) {
        let updated = apt(&["update", "-q"]);
        if !missing.is_empty() {
            updated?;
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    if !may_install {
        return Err(format!(
            "packages are missing; install them with:\n  sudo apt-get install {packages}"
        ));
    }
    eprintln!("installing {packages}");
    let mut install = vec!["install", "-y", "-q", "--no-install-recommends"];
    install.extend(&missing);
    apt(&install)
}

fn apt(args: &[&str]) -> Result<()> {
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive").args(args).stdout(Stdio::null());
    let status = apt.status().map_err(|e| format!("apt-get: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("apt-get {}: {status}", args.join(" "))) }
}

/// Whether apt has asked its archives within a day. The lists themselves have the archives' dates; what it downloads to
/// has its own.
fn lists_are_fresh() -> bool {
    let asked = std::fs::metadata("/var/lib/apt/lists/partial").and_then(|found| found.modified());
    let age = asked.ok().and_then(|asked| asked.elapsed().ok());
    age.is_some_and(|age| age.as_secs() < 24 * 60 * 60)
}

fn missing(tools: &[Tool]) -> Vec<&'static str> {
    let there = |program: &str| match program {
        "busybox" => busybox().is_some(),
        other => on_path(other).is_some(),
    };
    tools.iter().filter(|(program, _)| !there(program)).map(|(_, package)| *package).collect()
}
