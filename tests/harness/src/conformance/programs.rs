//! The validation programs: upstream's sources, compiled with the distribution's Go and Go libraries.
//!
//! Knows git, apt and dpkg-deb, which need no privileges for this, and Go's way of building without modules. Refuses Go's
//! module proxy, and to keep a copy of the sources: they are others', and no Debian package has these programs.
//! What a newcomer would get wrong: Go 1.19 and later raise the soft limit of open files of every program that they
//! compile, and `runtimetest` then reports its own doing as the runtime's. That one file of Go's library is left out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::busybox;
use crate::packages::output;

/// Errors are sentences for a person.
type Result<T> = std::result::Result<T, String>;

/// What is compiled with: the compiler, and the libraries of which the programs are a part.
const PACKAGES: &[&str] = &[
    "golang-go",
    "golang-github-opencontainers-runtime-tools-dev",
    "golang-github-google-uuid-dev",
];

/// Names a directory with checkouts called as in [`SOURCES`], for machines that do not reach GitHub.
const CHECKOUTS: &str = "RRUN_RUNTIME_TOOLS";

/// The checkout, its owner, and the commit: runtime-tools as Debian 12 packages its library, and what that asks for.
const SOURCES: &[(&str, &str, &str)] = &[
    ("runtime-tools", "opencontainers", "0105384f68e16803891d0a17d9067b1def6a2778"),
    ("tap-go", "mndrix", "629fa407e90b"),
];

/// What of the checkouts is compiled, and its import path.
const IMPORTS: &[(&str, &str)] = &[
    ("runtime-tools/validation", "github.com/opencontainers/runtime-tools/validation"),
    ("runtime-tools/cmd/runtimetest", "github.com/opencontainers/runtime-tools/cmd/runtimetest"),
    ("tap-go", "github.com/mndrix/tap-go"),
];

/// Compiled programs and what each needs beside it.
#[derive(Debug, Clone)]
pub struct Programs {
    /// One executable for each validation program.
    pub all: Vec<PathBuf>,
    /// What runs inside the containers.
    pub runtimetest: PathBuf,
    /// The root file system they unpack.
    pub rootfs: PathBuf,
}

impl Programs {
    /// What was compiled earlier in `cache`, or a fresh download and build; `None` where the sources can't be had.
    ///
    /// # Errors
    /// What failed; without apt, that it needs Debian or Ubuntu.
    pub fn obtain(cache: &Path) -> Result<Option<Programs>> {
        let made = cache.join("programs");
        if !made.is_dir() {
            let partial = cache.join(crate::runtime::unique("partial"));
            fs::create_dir_all(&partial).map_err(|e| format!("make {}: {e}", partial.display()))?;
            let built = match checkouts(&partial) {
                // A rename, so that an interrupted build is never taken for the programs.
                Some(sources) => build(&partial, &sources).and_then(|built| {
                    let told = |e| format!("rename {}: {e}", built.display());
                    fs::rename(&built, &made).map(|()| true).map_err(told)
                }),
                None => Ok(false),
            };
            drop(fs::remove_dir_all(&partial));
            if !built.map_err(|why| format!("runtime-tools' programs: {why}"))? {
                return Ok(None);
            }
        }
        let mut all: Vec<PathBuf> = files(&made.join("validation")).collect();
        all.sort();
        let runtimetest = made.join("runtimetest");
        Ok(Some(Programs { all, runtimetest, rootfs: made.join("rootfs.tar.gz") }))
    }

    /// What to do where they can't be had.
    #[must_use]
    pub fn missing() -> String {
        let names: Vec<_> = SOURCES.iter().map(|(name, ..)| *name).collect();
        format!(
            "GitHub can't be reached for runtime-tools' programs; set {CHECKOUTS} to a directory with checkouts of {}",
            names.join(" and ")
        )
    }
}

/// The directory with the sources: the one that was named, or clones of the pinned commits in `partial`.
fn checkouts(partial: &Path) -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(CHECKOUTS) {
        return Some(named.into());
    }
    let clones = partial.join("sources");
    let cloned = SOURCES.iter().all(|(name, owner, commit)| {
        let to = clones.join(name);
        let mut clone = Command::new("git");
        clone.args(["clone", "--quiet", "--filter=blob:none", "--no-checkout"]);
        clone.arg(format!("https://github.com/{owner}/{name}")).arg(&to);
        clone.env("GIT_TERMINAL_PROMPT", "0");
        let mut checkout = Command::new("git");
        checkout.arg("-C").arg(&to).args(["checkout", "--quiet", commit]);
        output(&mut clone).is_ok() && output(&mut checkout).is_ok()
    });
    cloned.then_some(clones)
}

fn build(partial: &Path, sources: &Path) -> Result<PathBuf> {
    let root = partial.join("root");
    unpack(partial, &root)?;
    let path = root.join("usr/share/gocode");
    for (directory, import) in IMPORTS {
        let from = sources.join(directory);
        let to = path.join("src").join(import);
        fs::create_dir_all(&to).map_err(|e| format!("make {}: {e}", to.display()))?;
        output(Command::new("cp").arg("-rT").arg(&from).arg(&to))?;
    }
    let go_root = go_root(&root)?;
    let built = partial.join("built");
    let programs = built.join("validation");
    fs::create_dir_all(&programs).map_err(|e| format!("make {}: {e}", programs.display()))?;
    let overlay = partial.join("overlay.json");
    let replaced = go_root.join("src/os/rlimit.go");
    fs::write(partial.join("rlimit.go"), "package os\n").map_err(|e| e.to_string())?;
    let text = serde_json::json!({"Replace": {
        replaced.to_string_lossy(): partial.join("rlimit.go"),
    }});
    fs::write(&overlay, text.to_string()).map_err(|e| e.to_string())?;
    for (into, what) in [(built.join("runtimetest"), IMPORTS[1].1), (programs, "./validation/...")]
    {
        let mut go = Command::new(go_root.join("bin/go"));
        go.current_dir(path.join("src/github.com/opencontainers/runtime-tools"));
        go.args(["build", "-trimpath", "-ldflags", "-s -w", "-overlay"]).arg(&overlay);
        go.arg("-o").arg(&into).arg(what);
        go.env("GOROOT", &go_root).env("GOPATH", &path).env("GOCACHE", partial.join("cache"));
        go.env("GO111MODULE", "off").env("CGO_ENABLED", "0").env("GOFLAGS", "");
        output(&mut go)?;
    }
    // A library, not a program.
    drop(fs::remove_file(built.join("validation/util")));
    rootfs(&partial.join("rootfs"), &built.join("rootfs.tar.gz"))?;
    Ok(built)
}

/// Downloads the packages with all the Go packages they depend on, and unpacks them.
fn unpack(partial: &Path, root: &Path) -> Result<()> {
    let mut apt = Command::new("apt-get");
    apt.args(["install", "-qq", "--print-uris", "--no-install-recommends"]);
    apt.args(["-o", "Dir::State::status=/dev/null", "-o", "Dir::Cache::archives=/nonexistent/"]);
    let listed = output(apt.args(["-o", "Debug::NoLocking=1"]).args(PACKAGES))?;
    let names = listed.lines().filter_map(|line| line.split(' ').nth(1)?.split('_').next());
    let names: Vec<_> = names.filter(|name| name.starts_with("golang")).collect();
    eprintln!("unpacking {} packages of Go", names.len());
    output(Command::new("apt-get").args(["-q", "download"]).args(names).current_dir(partial))?;
    for deb in files(partial).filter(|path| path.extension().is_some_and(|it| it == "deb")) {
        output(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(root))?;
    }
    Ok(())
}

/// `usr/lib/go-1.19`, whichever version it is.
fn go_root(root: &Path) -> Result<PathBuf> {
    let entries =
        fs::read_dir(root.join("usr/lib")).map_err(|e| format!("the unpacked Go: {e}"))?;
    let mut found = entries.flatten().map(|entry| entry.path()).filter(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("go-"))
            && path.join("bin/go").is_file()
    });
    found.next().ok_or_else(|| "the packages have no Go".into())
}

/// What upstream commits as an archive: a busybox with its names, mount points, users.
fn rootfs(tree: &Path, archive: &Path) -> Result<()> {
    let told = |e: std::io::Error| e.to_string();
    let shell = busybox().ok_or("there is no static busybox (package busybox-static)")?;
    for directory in ["bin", "dev", "etc", "proc", "sys"] {
        fs::create_dir_all(tree.join(directory)).map_err(told)?;
    }
    fs::copy(&shell, tree.join("bin/busybox")).map_err(told)?;
    for name in output(Command::new(&shell).arg("--list"))?.lines().filter(|it| *it != "busybox") {
        std::os::unix::fs::symlink("busybox", tree.join("bin").join(name)).map_err(told)?;
    }
    fs::write(tree.join("etc/passwd"), "root:x:0:0:root:/:/bin/sh\n").map_err(told)?;
    fs::write(tree.join("etc/group"), "root:x:0:\n").map_err(told)?;
    output(Command::new("tar").arg("-czf").arg(archive).arg("-C").arg(tree).arg(".")).map(drop)
}

fn files(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_file())
}
