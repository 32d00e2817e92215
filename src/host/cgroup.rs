//! Which cgroup hierarchies this machine has, and where in them we are.
//!
//! It knows three arrangements: *unified* (cgroup2 on /sys/fs/cgroup), *hybrid* (a tmpfs there, cgroup2 on `unified` and
//! v1 controllers beside it), and whatever /proc/self/mountinfo says otherwise.
//! What a newcomer would get wrong: a controller mounted on v1 is missing from cgroup2's `cgroup.controllers`, so "has
//! cgroup v2" says nothing about which limits it can set.

use super::pseudo;
use crate::error::{Error, Result};
use nix::fcntl::AT_FDCWD;
use nix::sys::statfs::{CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, FsType, TMPFS_MAGIC, statfs};
use nix::unistd::{AccessFlags, faccessat};
use std::path::{Path, PathBuf};

const ROOT: &str = "/sys/fs/cgroup";

/// The hierarchies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CgroupHost {
    /// The cgroup2 hierarchy.
    pub unified: Option<Unified>,
    /// The v1 hierarchies with controllers; empty on a pure cgroup2 machine.
    pub v1: Vec<Hierarchy>,
}

/// Whether something will be placed beside our own cgroup. Where that is, costs as much as half the other facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnCgroup {
    /// A relative `linux.cgroupsPath`, or none.
    Wanted,
    /// An absolute one, or nothing at all is placed. Asked all the same where other facts hang on it.
    Unwanted,
}

/// The cgroup2 hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unified {
    /// Where it is mounted.
    pub mount: PathBuf,
    /// Our cgroup in it, `/` or `/a/b`; `/` also where nothing is placed by it ([`OwnCgroup::Unwanted`]).
    pub own: String,
    /// The controllers we can enable: those of the root, or, when we are not the machine's root, those that reach the
    /// parent of our cgroup.
    pub controllers: Vec<String>,
    /// Whether we may make cgroups beside our own. Asked only when we are not the machine's root.
    pub delegated: bool,
}

/// A v1 hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Where it is mounted.
    pub mount: PathBuf,
    /// Its controllers, usually one.
    pub controllers: Vec<String>,
    /// Our cgroup in it.
    pub own: String,
}

impl Unified {
    /// The cgroup that holds ours, which is where the kernel lets controllers be enabled: ours has processes.
    #[must_use]
    pub fn parent(&self) -> &str {
        parent(&self.own)
    }

    /// Whether `controller` can be enabled.
    #[must_use]
    pub fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|name| name == controller)
    }
}

impl CgroupHost {
    /// Asks this machine; `unprivileged` when we are not its root, and what we may write is a question too.
    ///
    /// # Errors
    /// [`Kind::Kernel`](crate::error::Kind::Kernel) when /proc/self/cgroup cannot be read.
    pub fn probe(unprivileged: bool, own_cgroup: OwnCgroup) -> Result<Self> {
        let kind = kind_of(Path::new(ROOT));
        let is_pure = kind == Some(CGROUP2_SUPER_MAGIC);
        let own = match own_cgroup {
            OwnCgroup::Unwanted if is_pure && !unprivileged => String::new(),
            OwnCgroup::Wanted | OwnCgroup::Unwanted => read("/proc/self/cgroup")?,
        };
        let (mount, v1) = match kind {
            Some(CGROUP2_SUPER_MAGIC) => (Some(PathBuf::from(ROOT)), Vec::new()),
            Some(TMPFS_MAGIC) => {
                let unified = Path::new(ROOT).join("unified");
                match kind_of(&unified) {
                    Some(CGROUP2_SUPER_MAGIC) => (Some(unified), conventional_v1(&own)),
                    _ => from_mountinfo(&read("/proc/self/mountinfo")?, &own),
                }
            }
            _ => from_mountinfo(&read("/proc/self/mountinfo")?, &own),
        };
        let unified = mount.map(|mount| Unified::probe(mount, &own, unprivileged));
        Ok(Self { unified, v1 })
    }

    /// The v1 hierarchy that has `controller`.
    #[must_use]
    pub fn v1_with(&self, controller: &str) -> Option<&Hierarchy> {
        self.v1.iter().find(|hierarchy| hierarchy.controllers.iter().any(|name| name == controller))
    }

    pub(super) fn fixture() -> Self {
        let controllers = ["cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc"];
        let unified = Unified {
            mount: ROOT.into(),
            own: "/system.slice/rrun.service".into(),
            controllers: controllers.map(String::from).into(),
            delegated: false,
        };
        Self { unified: Some(unified), v1: Vec::new() }
    }

    pub(super) fn hybrid_fixture() -> Self {
        let hierarchy = |name: &str| Hierarchy {
            mount: Path::new(ROOT).join(name),
            controllers: vec![name.to_owned()],
            own: "/".into(),
        };
        let unified = Unified {
            mount: Path::new(ROOT).join("unified"),
            own: "/".into(),
            controllers: vec!["hugetlb".into()],
            delegated: false,
        };
        let names = ["cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids"];
        Self { unified: Some(unified), v1: names.map(hierarchy).into() }
    }

    pub(super) fn rootless_fixture(controllers: &[&str]) -> Self {
        let session = "/user.slice/user-1000.slice";
        let own = if controllers.is_empty() {
            format!("{session}/session-1.scope")
        } else {
            format!("{session}/user@1000.service/app.slice/shell.scope")
        };
        let unified = Unified {
            mount: ROOT.into(),
            own,
            controllers: controllers.iter().map(ToString::to_string).collect(),
            delegated: !controllers.is_empty(),
        };
        Self { unified: Some(unified), v1: Vec::new() }
    }
}

impl Unified {
    fn probe(mount: PathBuf, proc_self_cgroup: &str, unprivileged: bool) -> Self {
        let own = lines(proc_self_cgroup).find(|(names, _)| names.is_empty());
        let own = own.map_or_else(|| "/".to_owned(), |(_, path)| clean(path));
        let level = if unprivileged { below(&mount, parent(&own)) } else { mount.clone() };
        // Unreadable: none can be enabled, which is said where one is needed.
        let controllers = pseudo::read_text(&level.join("cgroup.controllers")).unwrap_or_default();
        let controllers = controllers.split_whitespace().map(str::to_owned).collect();
        Self { delegated: unprivileged && may_fill(&level), mount, own, controllers }
    }
}

/// Whether we may make a cgroup in `level` and start processes there: clone3 into a cgroup asks for write permission on
/// the `cgroup.procs` of the nearest common ancestor, which is `level`, besides that of the new one.
fn may_fill(level: &Path) -> bool {
    [level, &level.join("cgroup.procs")].into_iter().all(|path| {
        faccessat(AT_FDCWD, path, AccessFlags::W_OK, nix::fcntl::AtFlags::AT_EACCESS).is_ok()
    })
}

fn kind_of(path: &Path) -> Option<FsType> {
    statfs(path).ok().map(|facts| facts.filesystem_type())
}

fn read(path: &str) -> Result<String> {
    // The list of mounts comes in as many pieces as there are pages of it.
    let text = match path {
        "/proc/self/mountinfo" => std::fs::read_to_string(path),
        _ => pseudo::read_text(Path::new(path)),
    };
    text.map_err(|error| {
        Error::kernel(format!("open({path:?})"), error.raw_os_error().unwrap_or(libc::EIO))
    })
}

/// The lines of /proc/self/cgroup, `4:memory:/a`, as controllers and path. The unified one has no controllers; named
/// hierarchies (`name=systemd`) are nobody's limits and are left out.
fn lines(proc_self_cgroup: &str) -> impl Iterator<Item = (&str, &str)> {
    proc_self_cgroup.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (names, path) = rest.split_once(':')?;
        (!names.starts_with("name=")).then_some((names, path))
    })
}

/// The v1 hierarchies at their conventional places: `/sys/fs/cgroup/cpu,cpuacct`.
fn conventional_v1(proc_self_cgroup: &str) -> Vec<Hierarchy> {
    let hierarchies = lines(proc_self_cgroup).filter(|(names, _)| !names.is_empty());
    let hierarchies = hierarchies.map(|(names, path)| hierarchy(ROOT, names, path));
    hierarchies.filter(|found| kind_of(&found.mount) == Some(CGROUP_SUPER_MAGIC)).collect()
}

fn hierarchy(root: &str, names: &str, path: &str) -> Hierarchy {
    Hierarchy {
        mount: Path::new(root).join(names),
        controllers: names.split(',').map(str::to_owned).collect(),
        own: clean(path),
    }
}

/// The cgroup2 mount and the v1 hierarchies by /proc/self/mountinfo; the first mount of each counts.
fn from_mountinfo(mountinfo: &str, proc_self_cgroup: &str) -> (Option<PathBuf>, Vec<Hierarchy>) {
    let mut unified = None;
    let mut v1: Vec<Hierarchy> = Vec::new();
    for line in mountinfo.lines() {
        let Some((fields, after)) = line.split_once(" - ") else { continue };
        let (Some(point), Some(kind)) = (fields.split(' ').nth(4), after.split(' ').next()) else {
            continue;
        };
        let options = after.rsplit(' ').next().unwrap_or_default();
        if kind == "cgroup2" && unified.is_none() {
            unified = Some(PathBuf::from(unescape(point)));
        } else if kind == "cgroup" {
            let has = |names: &str| {
                !names.is_empty()
                    && names.split(',').all(|name| options.split(',').any(|option| option == name))
            };
            let found = lines(proc_self_cgroup).find(|(names, _)| has(names));
            let known = |names: &str| v1.iter().any(|one| one.controllers.join(",") == names);
            if let Some((names, path)) = found.filter(|(names, _)| !known(names)) {
                v1.push(Hierarchy {
                    mount: PathBuf::from(unescape(point)),
                    ..hierarchy("", names, path)
                });
            }
        }
    }
    (unified, v1)
}

/// A mount point as mountinfo writes it, with `\040` for a space.
#[must_use]
pub fn unescape(field: &str) -> String {
    let mut parts = field.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..3).map(|octal| u8::from_str_radix(octal, 8)) {
            Some(Ok(byte)) => {
                plain.push(char::from(byte));
                plain.push_str(&part[3..]);
            }
            _ => {
                plain.push('\\');
                plain.push_str(part);
            }
        }
    }
    plain
}

/// `path` below `base`, both as cgroup paths or mounts; `path` starts with a slash.
#[must_use]
pub fn below(base: &Path, path: &str) -> PathBuf {
    match path.trim_start_matches('/') {
        "" => base.to_owned(),
        relative => base.join(relative),
    }
}

/// Cleans a cgroup path lexically: `..` stops at the root, so nothing escapes the hierarchy. /proc/self/cgroup itself
/// says `/../x` to whoever sits above the root of its cgroup namespace.
#[must_use]
pub fn clean(path: &str) -> String {
    crate::id::InnerPath::new(path).as_str().to_owned()
}

fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((parent, _)) => parent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SELF: &str = "9:name=systemd:/\n4:memory:/a/b\n2:cpu,cpuacct:/\n0::/a\n";

    #[test]
    fn mountinfo_finds_hierarchies_at_odd_places() {
        let mountinfo = "\
            31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
            32 31 0:29 / /cg/my\\040cpu rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
            35 31 0:32 / /cg/memory rw,relatime - cgroup cgroup rw,memory\n\
            36 31 0:32 / /again/memory rw,relatime - cgroup cgroup rw,memory\n\
            40 31 0:37 / /cg/systemd rw - cgroup cgroup rw,name=systemd\n\
            41 31 0:38 / /cg/two rw - cgroup2 cgroup2 rw\n";
        let (unified, v1) = from_mountinfo(mountinfo, SELF);
        assert_eq!(unified, Some("/cg/two".into()));
        let found: Vec<_> =
            v1.iter().map(|one| (one.mount.to_str(), one.controllers.len(), &*one.own)).collect();
        assert_eq!(found, [(Some("/cg/my cpu"), 2, "/"), (Some("/cg/memory"), 1, "/a/b")]);
    }

    #[test]
    fn parent_of_a_cgroup_is_the_root_at_the_top() {
        for (path, expected) in [("/", "/"), ("/a", "/"), ("/a/b", "/a")] {
            assert_eq!(parent(path), expected);
        }
    }

    #[test]
    fn this_machine_has_a_place_for_us_in_every_hierarchy_found() {
        let host = CgroupHost::probe(false, OwnCgroup::Wanted).expect("probe");
        if let Some(unified) = &host.unified {
            assert!(below(&unified.mount, &unified.own).join("cgroup.procs").is_file());
        }
        for hierarchy in &host.v1 {
            assert!(below(&hierarchy.mount, &hierarchy.own).join("tasks").is_file());
        }
    }
}
