//! The engines' programs, unpacked from packages.
//!
//! Knows three sets: what this machine's distribution has, and what Debian 13 and sid have. Refuses to install: apt
//! resolves and downloads, dpkg-deb unpacks, maintainers' scripts do not run, and other suites are asked through an APT
//! configuration of our own. A newcomer would unpack the whole closure: a C library beside the machine's own serves no program here, and
//! sid's would not even load.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::packages::{output, target_directory};
use crate::runtime::unique;

/// What is taken of the distribution: its engines, with what they need that a minimal machine lacks.
const OWN: &[&str] = &[
    "containerd",
    "docker.io",
    "docker-compose",
    "runc",
    "tini",
    "containernetworking-plugins",
    "iptables",
    "podman",
    "conmon",
    "netavark",
    "aardvark-dns",
    "catatonit",
    "golang-github-containers-common",
    "podman-compose",
];

/// What is taken of sid, and nothing besides: these are Go programs, which ask for little more than a C library.
const NEWER: &[&str] =
    &["containerd", "docker.io", "docker-cli", "docker-compose", "docker-buildx", "tini-static"];

/// Of a closure: the beginnings of the names that the engines need at run time …
const TAKEN: &[&str] = &["lib", "python3-"];

/// … without those that every machine has, or that only serve an installation.
const LEFT_OUT: &[&str] = &[
    "libc6",
    "libc-",
    "libcrypt1",
    "libgcc",
    "libpam",
    "libperl",
    "libpython",
    "libtinfo",
    "libncurses",
    "libreadline",
    "libfile-find",
    "libnumber-compare",
    "libtext-glob",
    "python3-minimal",
    "python3-lib2to3",
];

/// What is taken of Debian 13: the last line of containerd 1.
const TRIXIES: &[&str] = &["containerd"];

const DEBIAN: &str = "http://deb.debian.org/debian";

/// Where Debian's `debian-archive-keyring` puts the keys.
const KEYS: &str = "usr/share/keyrings/debian-archive-keyring.gpg";

/// Beside the packages' files: which they are.
const CONTENTS: &str = "packages";

/// A set of engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Set {
    /// This distribution's own: containerd 1.6, docker 20.10 and docker-compose 1.29 on Debian 12.
    Own,
    /// Debian 13: containerd 1.7, beside the distribution's other programs.
    Trixie,
    /// Debian's sid: containerd 2, docker 28 and Compose 2, beside the distribution's runc and CNI plugins.
    Sid,
}

impl Set {
    /// The directory with the set's programs, made at the first call.
    ///
    /// # Errors
    /// A sentence saying what is missing: the network, apt.
    pub fn unpacked(self) -> Result<PathBuf, String> {
        let cache = target_directory()?.join("engines");
        let tree = cache.join(self.name());
        let wanted = self.wanted().join("\n");
        let whole = || fs::read_to_string(tree.join(CONTENTS)).is_ok_and(|text| text == wanted);
        if whole() {
            return Ok(tree);
        }
        let about = |why: String| format!("needs the engines of {}: {why}", self.name());
        // Tests, of this process and others, ask at once; each would fetch all of it. One lock each: sid's set asks for
        // the other. Released with the file.
        fs::create_dir_all(&cache).map_err(|e| about(e.to_string()))?;
        let lock = File::create(cache.join(format!("{}.lock", self.name())));
        let lock = lock.and_then(|file| file.lock().map(|()| file));
        let _lock = lock.map_err(|e| about(format!("lock {}: {e}", cache.display())))?;
        if whole() {
            return Ok(tree);
        }
        let partial = cache.join(unique("partial"));
        let root = partial.join("root");
        let made = fs::create_dir_all(&root).map_err(|e| format!("make {}: {e}", root.display()));
        let made = made.and_then(|()| self.unpack(&partial, &root)).and_then(|()| {
            let told = |e: std::io::Error| format!("keep the unpacked packages: {e}");
            fs::write(root.join(CONTENTS), &wanted).map_err(told)?;
            // One of an older list of packages; a rename, so that what is interrupted is never taken for a set.
            if tree.is_dir() {
                fs::rename(&tree, partial.join("old")).map_err(told)?;
            }
            fs::rename(&root, &tree).map_err(told)
        });
        drop(fs::remove_dir_all(&partial));
        made.map(|()| tree).map_err(about)
    }

    /// The names of its packages; more are unpacked with those of the distribution.
    fn wanted(self) -> &'static [&'static str] {
        match self {
            Set::Own => OWN,
            Set::Trixie => TRIXIES,
            Set::Sid => NEWER,
        }
    }

    /// The suite of Debian's that is asked; none for the distribution's own.
    fn suite(self) -> Option<&'static str> {
        match self {
            Set::Own => None,
            Set::Trixie => Some("trixie"),
            Set::Sid => Some("sid"),
        }
    }

    /// `bookworm`, `noble`, …; `trixie`; `sid`.
    #[must_use]
    pub fn name(self) -> String {
        if let Some(suite) = self.suite() {
            return suite.to_owned();
        }
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let name = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
        name.unwrap_or("own").trim_matches('"').to_owned()
    }

    /// A program of this set or, where it has none of that name, of the distribution's.
    #[must_use]
    pub fn program(self, name: &str) -> Option<PathBuf> {
        self.directories().into_iter().map(|directory| directory.join(name)).find(|at| at.is_file())
    }

    /// What `PATH` begins with for the set's programs.
    #[must_use]
    pub fn directories(self) -> Vec<PathBuf> {
        let below = |root: &PathBuf| ["usr/bin", "usr/sbin", "sbin"].map(|at| root.join(at));
        self.roots().iter().flat_map(below).collect()
    }

    /// A file or directory of this set or of the distribution's, by its path from the root.
    #[must_use]
    pub fn find(self, path: &str) -> Option<PathBuf> {
        self.roots().into_iter().map(|root| root.join(path)).find(|at| at.exists())
    }

    /// This set's root, then the distribution's; without those that cannot be had.
    fn roots(self) -> Vec<PathBuf> {
        let first = (self != Set::Own).then_some(self);
        first.into_iter().chain([Set::Own]).filter_map(|set| set.unpacked().ok()).collect()
    }

    /// The variables with which the distribution's programs find their libraries and modules.
    #[must_use]
    pub fn environment(self) -> Vec<(&'static str, OsString)> {
        let Ok(root) = Set::Own.unpacked() else { return Vec::new() };
        let mut libraries = vec![root.join("usr/lib"), root.join("lib")];
        for at in ["usr/lib", "lib"] {
            // lib/x86_64-linux-gnu and its like, whatever the machine is.
            let triplets = fs::read_dir(root.join(at)).into_iter().flatten().flatten();
            let triplets = triplets.map(|entry| entry.path());
            libraries
                .extend(triplets.filter(|path| path.to_string_lossy().ends_with("-linux-gnu")));
        }
        let xtables = libraries.iter().map(|at| at.join("xtables")).find(|at| at.is_dir());
        let joined = |paths: &[PathBuf]| std::env::join_paths(paths).unwrap_or_default();
        let mut variables = vec![
            ("LD_LIBRARY_PATH", joined(&libraries)),
            ("PYTHONPATH", root.join("usr/lib/python3/dist-packages").into()),
        ];
        variables.extend(xtables.map(|at| ("XTABLES_LIBDIR", at.into())));
        variables
    }

    fn unpack(self, partial: &Path, root: &Path) -> Result<(), String> {
        let (apt, names) = match self.suite() {
            None => {
                let apt = Apt(None);
                let names = apt.closure(self.wanted())?;
                (apt, names)
            }
            // The distribution's runc, CNI plugins and iptables serve all.
            Some(suite) => {
                let apt = Set::Own.unpacked().and_then(|_| Apt::of(suite, partial))?;
                (apt, self.wanted().iter().map(|&name| name.to_owned()).collect())
            }
        };
        eprintln!("unpacking {} packages of {}", names.len(), self.name());
        apt.unpack(&names, partial, root)
    }
}

/// apt with the machine's configuration, or with one of ours.
pub(super) struct Apt(Option<PathBuf>);

impl Apt {
    /// One that knows this suite of Debian's and nothing else, and writes to `partial` alone.
    pub(super) fn of(suite: &str, partial: &Path) -> Result<Apt, String> {
        let told = |e: std::io::Error| format!("write apt's configuration: {e}");
        let mut keys = Path::new("/").join(KEYS);
        if !keys.is_file() {
            let here = partial.join("keys");
            fs::create_dir_all(&here).map_err(told)?;
            Apt(None).unpack(&["debian-archive-keyring".into()], &here, &here)?;
            keys = here.join(KEYS);
        }
        for directory in ["lists/partial", "archives/partial"] {
            fs::create_dir_all(partial.join(directory)).map_err(told)?;
        }
        let sources = partial.join("sources.list");
        let line = format!("deb [signed-by={}] {DEBIAN} {suite} main\n", keys.display());
        fs::write(&sources, line).map_err(told)?;
        let at = partial.display();
        let configuration = partial.join("apt.conf");
        let text = format!(
            "Dir::Etc::sourcelist \"{at}/sources.list\";\nDir::Etc::sourceparts \"/nonexistent\";\n\
             Dir::Etc::preferences \"/nonexistent\";\nDir::Etc::preferencesparts \"/nonexistent\";\n\
             Dir::State \"{at}\";\nDir::State::status \"/dev/null\";\nDir::Cache \"{at}\";\n\
             Acquire::Languages \"none\";\n"
        );
        fs::write(&configuration, text).map_err(told)?;
        let apt = Apt(Some(configuration));
        output(apt.get().args(["-q", "update", "-o", "Acquire::Retries=2"]))?;
        Ok(apt)
    }

    fn get(&self) -> Command {
        let mut command = Command::new("apt-get");
        command.envs(self.0.iter().map(|path| ("APT_CONFIG", path)));
        command
    }

    /// The names of the packages that `wanted` need, as if nothing were installed.
    fn closure(&self, wanted: &[&str]) -> Result<Vec<String>, String> {
        let listed = self.listed(wanted)?;
        let starts = |name: &str, any: &[&str]| any.iter().any(|start| name.starts_with(start));
        let names = listed
            .lines()
            .filter_map(named)
            .filter(|name| wanted.contains(name) || starts(name, TAKEN) && !starts(name, LEFT_OUT));
        Ok(names.map(str::to_owned).collect())
    }

    fn listed(&self, wanted: &[&str]) -> Result<String, String> {
        let mut apt = self.get();
        apt.args(["install", "-qq", "--print-uris", "--no-install-recommends"]);
        apt.args([
            "-o",
            "Dir::State::status=/dev/null",
            "-o",
            "Dir::Cache::archives=/nonexistent/",
        ]);
        output(apt.args(["-o", "Debug::NoLocking=1"]).args(wanted))
    }

    /// The same with all that they depend on.
    pub(super) fn everything(&self, wanted: &[&str]) -> Result<Vec<String>, String> {
        let all = self.listed(wanted)?;
        Ok(all.lines().filter_map(named).map(str::to_owned).collect())
    }

    pub(super) fn unpack(
        &self,
        names: &[String],
        partial: &Path,
        root: &Path,
    ) -> Result<(), String> {
        output(self.get().args(["-q", "download"]).args(names).current_dir(partial))?;
        let entries = fs::read_dir(partial).map_err(|e| e.to_string())?;
        let files = entries.flatten().map(|entry| entry.path());
        for deb in files.filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
        {
            output(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(root))?;
        }
        Ok(())
    }
}

/// The package's name in `'URI' NAME_VERSION_ARCH.deb SIZE HASH`.
fn named(line: &str) -> Option<&str> {
    line.split(' ').nth(1)?.split('_').next()
}
