//! Where the programs are that tests need.
//!
//! Knows the layout of cargo's target directory; refuses to build anything it was not asked for.
//! A newcomer would get wrong that `cargo test --test one` does not build another package's binaries: the probe is
//! therefore (re)built on first use, unless `cargo xtask` has said that everything is there (`RRUN_PREBUILT`), as it
//! must in the guest, where there is no compiler.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use crate::Must;

/// The root of the workspace this harness was compiled in.
#[must_use]
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// A binary of this workspace, found in the same profile as the running executable: `target/…/debug/NAME` for a test
/// at `target/…/debug/deps/test-1234`.
#[must_use]
#[track_caller]
pub fn beside(name: &str) -> PathBuf {
    let exe = env::current_exe().must("find the running executable");
    let found =
        exe.ancestors().skip(1).take(2).map(|dir| dir.join(name)).find(|path| path.is_file());
    found.must(&format!(
        "find {name} beside {}: build it with `cargo build --workspace --bins`",
        exe.display()
    ))
}

/// A binary of the harness (`probe`, `guest-init`), built if need be.
#[must_use]
#[track_caller]
pub fn harness_binary(name: &str) -> PathBuf {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        let (Some(cargo), None) = (env::var_os("CARGO"), env::var_os("RRUN_PREBUILT")) else {
            return;
        };
        let mut build = Command::new(cargo);
        build.current_dir(workspace()).args(["build", "--quiet", "-p", "rrun-harness", "--bins"]);
        let exe = env::current_exe().must("find the running executable");
        if exe.ancestors().any(|dir| dir.ends_with("release")) {
            build.arg("--release");
        }
        let status = build.status().must("run cargo to build the harness's binaries");
        assert!(status.success(), "cargo could not build the harness's binaries");
    });
    beside(name)
}

/// A static busybox of the host, if there is one: a dynamic one would not run in an empty rootfs.
#[must_use]
pub fn busybox() -> Option<PathBuf> {
    let candidates = ["/bin/busybox", "/usr/bin/busybox", "/bin/busybox-static"];
    candidates.iter().map(PathBuf::from).find(|path| is_static(path))
}

/// The absolute path of a program on `PATH`, or in the sbin directories an ordinary user's `PATH` lacks.
#[must_use]
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let sbin = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(sbin).map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// Whether a 64-bit ELF file asks for no interpreter (no `PT_INTERP` program header).
#[must_use]
pub fn is_static(path: &Path) -> bool {
    const PT_INTERP: u32 = 3;
    let Ok(elf) = fs::read(path) else { return false };
    let field = |at: usize, size: usize| -> Option<usize> {
        let bytes = elf.get(at..at + size)?;
        Some(bytes.iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte)))
    };
    let headers = || -> Option<Vec<usize>> {
        let (start, size, count) = (field(0x20, 8)?, field(0x36, 2)?, field(0x38, 2)?);
        (0..count).map(|n| field(start + n * size, 4)).collect()
    };
    elf.starts_with(b"\x7fELF\x02\x01")
        && headers().is_some_and(|kinds| !kinds.contains(&(PT_INTERP as usize)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_executables_of_this_workspace_are_static() {
        assert!(is_static(&env::current_exe().must("find the running executable")));
    }

    #[test]
    fn a_script_is_not_a_static_program() {
        assert!(!is_static(&workspace().join("Cargo.toml")));
    }
}
