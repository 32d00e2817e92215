//! How long the way through a seccomp filter is, in steps, for the calls that it allows.
//!
//! It refuses to time a system call: the kernel skips the filter for what it has proved to be always allowed, and walks
//! it for the rest, and once for each number when it is loaded. Steps are exact.

use rrun::plan::seccomp::{self, Program, emulate};
use rrun::spec::{Profile, Spec};
use rrun_harness::{Must, default_config, workspace};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// The profiles of the field that are compiled.
pub const PROFILES: [&str; 4] = ["docker-28.5", "docker-20.10", "podman-4.3", "containerd-1.6"];

/// `AUDIT_ARCH_*` of this build.
pub const ARCH: u32 = if cfg!(target_arch = "x86_64") { 0xc000_003e } else { 0xc000_00b7 };

/// The system calls that are counted over: Linux 6.12 has these numbers on x86_64.
pub const NUMBERS: std::ops::Range<u32> = 0..463;

/// A profile of `rootfs-fixtures/seccomp` as rrun understands it.
#[must_use]
pub fn profile(name: &str) -> Profile {
    let file = workspace().join(format!("rootfs-fixtures/seccomp/{name}.json"));
    let text = fs::read(&file).must("read the profile");
    let mut config = default_config();
    config["linux"]["seccomp"] = serde_json::from_slice::<Value>(&text).must("parse the profile");
    let spec = Spec::parse(config.to_string().as_bytes(), Path::new("/bundle"));
    spec.must("understand the profile").seccomp.must("find the profile")
}

/// The profile's filter.
#[must_use]
pub fn compiled(profile: &Profile) -> Program {
    seccomp::compile(profile, false).must("compile the profile")
}

/// One line for each profile.
#[must_use]
pub fn table() -> String {
    let line = |name: &str| {
        let program = compiled(&profile(name)).instructions;
        let steps = emulate::mean_steps(&program, ARCH, NUMBERS).unwrap_or(f64::NAN);
        let always =
            NUMBERS.filter(|number| emulate::is_always_allowed(&program, ARCH, *number)).count();
        format!("{name:<16}{:>14}{steps:>28.1}{always:>22}\n", program.len())
    };
    let heads = ("instructions", "mean steps of an allowed call", "always allowed");
    format!("{:<16}{:>14}{:>30}{:>20}\n", "filter", heads.0, heads.1, heads.2)
        + &PROFILES.map(line).concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_of_the_table_is_searched_and_not_walked() {
        for name in PROFILES {
            let program = compiled(&profile(name)).instructions;
            let steps = emulate::mean_steps(&program, ARCH, NUMBERS).must("count the steps");
            assert!(steps < 40.0, "{name}: {steps}");
        }
    }
}
