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
type Tool = (&'static str, &'static str);

/// What the guest needs.
pub(crate) const GUEST: &[Tool] = &[
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("depmod", "kmod"),
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

/// What the demonstration needs.
pub(crate) const DEMO: &[Tool] =
    &[("dpkg-deb", "dpkg"), ("tar", "tar"), ("sha256sum", "coreutils")];

/// Makes sure that these tools are there, installing their packages where that is possible.
pub(crate) fn need(tools: &[Tool]) -> Result<()> {
    let missing = missing(tools);
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    if !geteuid().is_root() || on_path("apt-get").is_none() {
        return Err(format!(
            "packages are missing; install them with:\n  sudo apt-get install {packages}"
        ));
    }
    eprintln!("installing {packages}");
    let apt = |args: &[&str]| -> Result<()> {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").args(args).stdout(Stdio::null());
        let status = apt.status().map_err(|e| format!("apt-get: {e}"))?;
        if status.success() { Ok(()) } else { Err(format!("apt-get {}: {status}", args.join(" "))) }
    };
    apt(&["update", "-q"])?;
    let mut install = vec!["install", "-y", "-q", "--no-install-recommends"];
    install.extend(&missing);
    apt(&install)
}

fn missing(tools: &[Tool]) -> Vec<&'static str> {
    let there = |program: &str| match program {
        "busybox" => busybox().is_some(),
        other => on_path(other).is_some(),
    };
    tools.iter().filter(|(program, _)| !there(program)).map(|(_, package)| *package).collect()
}
