//! The programs that are compared: ours as `cargo build --release` makes them, the references as the machine has them.
//!
//! It refuses to measure a build that is not of these sources: it asks cargo each time. What a newcomer would get wrong:
//! a file as the linker leaves it lies in the page cache in single pages, a file that was copied or read from disk in
//! larger pieces, which is worth 0.3 ms of a start. So ours are copied first, as an installation would.

use rrun_harness::{Must, on_path, workspace};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Set for the parts of a report, whose programs have been built and installed once for all of them.
pub const BUILT: &str = "RRUN_BENCH_BUILT";

/// containerd's shim of ours, by the name that containerd looks for.
const SHIM: &str = "containerd-shim-rrun-v2";

/// Where they are.
#[derive(Debug, Clone, Default)]
pub struct Programs {
    /// The least that the kernel can be asked for.
    pub floor: PathBuf,
    /// /bin/true of every container.
    pub payload: PathBuf,
    /// What works and says how long it took: a process, a container's process, a guest's /init.
    pub workload: PathBuf,
    /// The first process of lane I's guest.
    pub lane_i_guest: PathBuf,
    /// What looks around as a container's process.
    pub look: PathBuf,
    /// Ours; `RRUN_BENCH_RRUN` names another build of it.
    pub rrun: PathBuf,
    /// containerd's shim of ours; `RRUN_BENCH_SHIM` names another build of it.
    pub shim: PathBuf,
    /// runc of the machine.
    pub runc: Option<PathBuf>,
    /// crun of the machine.
    pub crun: Option<PathBuf>,
    /// youki of the machine.
    pub youki: Option<PathBuf>,
}

/// What is built of this package to be measured, or to measure inside.
const BINARIES: [&str; 5] = ["floor", "payload", "workload", "lane-i-guest", "look"];

impl Programs {
    /// Builds ours and finds the others.
    #[must_use]
    pub fn ready() -> Self {
        let release = release_directory();
        let installed = release.join("installed");
        if std::env::var_os(BUILT).is_none() {
            let ours = [("RRUN_BENCH_RRUN", "rrun"), ("RRUN_BENCH_SHIM", SHIM)];
            let named =
                ours.map(|(variable, name)| (std::env::var_os(variable).map(PathBuf::from), name));
            build(named.iter().filter(|(at, _)| at.is_none()).map(|(_, name)| *name));
            fs::create_dir_all(&installed).must("make a directory for what is measured");
            for name in BINARIES {
                install(&release.join(name), &installed, name);
            }
            for (at, name) in named {
                install(&at.unwrap_or_else(|| release.join(name)), &installed, name);
            }
        }
        Self {
            floor: installed.join("floor"),
            payload: installed.join("payload"),
            workload: installed.join("workload"),
            lane_i_guest: installed.join("lane-i-guest"),
            look: installed.join("look"),
            rrun: installed.join("rrun"),
            shim: installed.join(SHIM),
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
    of_package("rrun-fixture-api", "api")
}

/// The client of the container runtime interface, likewise.
///
/// # Errors
/// A sentence.
pub fn cri() -> Result<PathBuf, String> {
    of_package("rrun-cri", "rrun-cri")
}

fn of_package(package: &str, name: &str) -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // Built by itself: together with others, its libraries' features would become theirs.
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "--quiet", "-p", package, "--bin", name]);
    let built = build.current_dir(workspace()).status();
    let built = built.map_err(|why| format!("start cargo: {why}"))?;
    if !built.success() {
        return Err(format!("cargo could not build {name}"));
    }
    Ok(release_directory().join(name))
}

/// Of the project itself, those of `ours` that are built here.
fn build<'a>(ours: impl Iterator<Item = &'a str>) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.current_dir(workspace()).args(["build", "--release", "--quiet", "-p", "rrun-bench"]);
    for name in BINARIES {
        build.args(["--bin", name]);
    }
    for name in ours {
        build.args(["-p", "rrun", "--bin", name]);
    }
    assert!(build.status().must("start cargo").success(), "cargo could not build what is measured");
}

/// By a rename: whoever runs the old file goes on with it.
fn install(built: &Path, installed: &Path, name: &str) {
    let (draft, place) = (installed.join(".draft"), installed.join(name));
    let copied = fs::copy(built, &draft).and_then(|_| fs::rename(&draft, &place));
    copied.must(&format!("copy {}", built.display()));
}

/// `release` beside the profile's directory that we run from: `target/<triple>/{debug,release}[/deps]/us`.
fn release_directory() -> PathBuf {
    let us = std::env::current_exe().must("find the running executable");
    let profile = us.ancestors().find(|dir| dir.ends_with("debug") || dir.ends_with("release"));
    profile.and_then(Path::parent).must("find cargo's target directory").join("release")
}
