//! The programs that are compared: ours as `cargo build --release` makes them, the references as the machine has them.
//!
//! It refuses to measure a build that is not of these sources: it asks cargo each time. What a newcomer would get wrong:
//! a file as the linker leaves it lies in the page cache in single pages, a file that was copied or read from disk in
//! larger pieces, which is worth 0.3 ms of a start. So ours are copied first, as an installation would.

use rrun_harness::{Must, on_path, workspace};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where they are.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The least that the kernel can be asked for.
    pub floor: PathBuf,
    /// /bin/true of every container.
    pub payload: PathBuf,
    /// What works and says how long it took: a process, a container's process, a guest's /init.
    pub workload: PathBuf,
    /// Ours; `RRUN_BENCH_RRUN` names another build of it.
    pub rrun: PathBuf,
    /// runc of the machine.
    pub runc: Option<PathBuf>,
    /// crun of the machine.
    pub crun: Option<PathBuf>,
    /// youki of the machine.
    pub youki: Option<PathBuf>,
}

impl Programs {
    /// Builds ours and finds the others.
    #[must_use]
    pub fn ready() -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let named = std::env::var_os("RRUN_BENCH_RRUN").map(PathBuf::from);
        let mut build = Command::new(cargo);
        build.current_dir(workspace()).args(["build", "--release", "--quiet", "-p", "rrun-bench"]);
        build.args(["--bin", "floor", "--bin", "payload", "--bin", "workload"]);
        if named.is_none() {
            build.args(["-p", "rrun", "--bin", "rrun"]);
        }
        assert!(build.status().must("start cargo").success(), "cargo could not build rrun");
        let release = release_directory();
        let installed = release.join("installed");
        fs::create_dir_all(&installed).must("make a directory for what is measured");
        let install = |built: &Path, name: &str| {
            let (draft, place) = (installed.join(".draft"), installed.join(name));
            let copied = fs::copy(built, &draft).and_then(|_| fs::rename(&draft, &place));
            copied.must(&format!("copy {}", built.display()));
            place
        };
        let rrun = named.unwrap_or_else(|| release.join("rrun"));
        Self {
            floor: install(&release.join("floor"), "floor"),
            payload: install(&release.join("payload"), "payload"),
            workload: install(&release.join("workload"), "workload"),
            rrun: install(&rrun, "rrun"),
            runc: on_path("runc"),
            crun: on_path("crun"),
            youki: on_path("youki"),
        }
    }
}

/// The API of the services, as cargo makes it; the first time this takes a minute.
///
/// # Errors
/// A sentence.
pub fn api() -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // Built by itself: together with others, its libraries' features would become theirs.
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "--quiet", "-p", "rrun-fixture-api", "--bin", "api"]);
    let built = build.current_dir(workspace()).status();
    let built = built.map_err(|why| format!("start cargo: {why}"))?;
    if !built.success() {
        return Err("cargo could not build the API".to_owned());
    }
    Ok(release_directory().join("api"))
}

/// `release` beside the profile's directory that we run from: `target/<triple>/{debug,release}[/deps]/us`.
fn release_directory() -> PathBuf {
    let us = std::env::current_exe().must("find the running executable");
    let profile = us.ancestors().find(|dir| dir.ends_with("debug") || dir.ends_with("release"));
    profile.and_then(Path::parent).must("find cargo's target directory").join("release")
}
