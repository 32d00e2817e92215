//! A cgroup of the memory controller, as this machine has it: of version 2, or of version 1 on a hybrid one.
//!
//! | | version 1 | version 2 |
//! | --- | --- | --- |
//! | user | `rss` + `cache` of memory.stat | `anon` + `file` of memory.stat |
//! | kernel | memory.kmem.usage_in_bytes | `kernel` of memory.stat |
//! | counter | memory.usage_in_bytes | memory.current |
//!
//! What a newcomer would get wrong: the counter is not what is used. The kernel charges 64 pages ahead on each processor
//! (`MEMCG_CHARGE_BATCH`), so the counter of an idle container of 100 KiB says 232 or 488 KiB until another cgroup has
//! pushed that stock out. And memory stays charged to whoever made it: what a parent clones is the *parent's*.

use std::fs;
use std::path::{Path, PathBuf};

/// The hierarchy that counts memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Where it is mounted.
    pub root: PathBuf,
    /// Of which version.
    pub version: Version,
}

/// Of cgroups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// A hierarchy for the memory controller.
    V1,
    /// One for all.
    V2,
}

/// What is charged to a cgroup, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Charge {
    /// Memory of programs, files in the page cache, and files in memory.
    pub user: u64,
    /// Stacks, page tables, structures, sockets.
    pub kernel: u64,
    /// What the kernel's counter says: the two, and what it has charged ahead.
    pub counter: u64,
}

impl Charge {
    /// The two that are used.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.user + self.kernel
    }
}

impl Hierarchy {
    /// Of this machine.
    ///
    /// # Errors
    /// A sentence: nobody counts memory here.
    pub fn find() -> Result<Self, String> {
        let mounts = read(Path::new("/proc/self/mountinfo"))?;
        let found = Self::among(&mounts).ok_or("no cgroup hierarchy is mounted")?;
        let counts = match found.version {
            Version::V1 => true,
            Version::V2 => read(&found.root.join("cgroup.controllers"))?
                .split_whitespace()
                .any(|controller| controller == "memory"),
        };
        counts.then_some(found).ok_or_else(|| {
            "the memory controller is in no cgroup hierarchy of this machine: boot it without \
             cgroup_disable=memory"
                .to_owned()
        })
    }

    /// The hierarchy in the text of mountinfo: version 1's if there is one, because the controller is then there.
    fn among(mounts: &str) -> Option<Self> {
        let mut unified = None;
        for line in mounts.lines() {
            let Some((left, right)) = line.split_once(" - ") else { continue };
            let root = PathBuf::from(left.split(' ').nth(4)?);
            let mut right = right.split(' ');
            let (kind, options) = (right.next()?, right.nth(1).unwrap_or_default());
            if kind == "cgroup" && options.split(',').any(|option| option == "memory") {
                return Some(Self { root, version: Version::V1 });
            }
            // The last mount on a place is the one that is seen.
            if kind == "cgroup2" && root.ends_with("cgroup") {
                unified = Some(Self { root, version: Version::V2 });
            }
        }
        unified
    }

    /// A cgroup by its path in the hierarchy.
    #[must_use]
    pub fn group(&self, path: &str) -> Memcg {
        Memcg { path: self.root.join(path.trim_start_matches('/')), version: self.version }
    }

    /// Makes a cgroup at the root. Of version 2, the root passes the controller on if it does not yet.
    ///
    /// # Errors
    /// A sentence.
    pub fn make(&self, name: &str) -> Result<Memcg, String> {
        self.pass_on()?;
        let group = self.group(name);
        fs::create_dir(&group.path)
            .map_err(|why| format!("make {}: {why}", group.path.display()))?;
        Ok(group)
    }

    /// Lets cgroups at the root have the controller. On a machine of systemd they do.
    ///
    /// # Errors
    /// A sentence.
    pub fn pass_on(&self) -> Result<(), String> {
        if self.version == Version::V1 {
            return Ok(());
        }
        let file = self.root.join("cgroup.subtree_control");
        if read(&file)?.split_whitespace().any(|controller| controller == "memory") {
            return Ok(());
        }
        fs::write(&file, "+memory").map_err(|why| format!("+memory to {}: {why}", file.display()))
    }

    /// Where this process is.
    ///
    /// # Errors
    /// A sentence.
    pub fn ours(&self) -> Result<Memcg, String> {
        let text = read(Path::new("/proc/self/cgroup"))?;
        let path = match self.version {
            Version::V1 => text.lines().find_map(|line| {
                let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
                controllers.split(',').any(|name| name == "memory").then_some(path)
            }),
            Version::V2 => text.lines().find_map(|line| line.strip_prefix("0::")),
        };
        path.map(|path| self.group(path)).ok_or_else(|| "we are in no cgroup of memory".to_owned())
    }
}

/// A cgroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memcg {
    path: PathBuf,
    version: Version,
}

impl Memcg {
    /// What is charged to it.
    ///
    /// # Errors
    /// A sentence: it is gone, or the kernel does not count kernel memory.
    pub fn charge(&self) -> Result<Charge, String> {
        let stat = read(&self.path.join("memory.stat"))?;
        let number = |file: &str| {
            let text = read(&self.path.join(file))?;
            text.trim().parse().map_err(|_| format!("{file} is no number: {text:?}"))
        };
        match self.version {
            Version::V1 => Ok(Charge {
                user: field(&stat, "rss")? + field(&stat, "cache")?,
                kernel: number("memory.kmem.usage_in_bytes")?,
                counter: number("memory.usage_in_bytes")?,
            }),
            Version::V2 => Ok(Charge {
                user: field(&stat, "anon")? + field(&stat, "file")?,
                kernel: field(&stat, "kernel")?,
                counter: number("memory.current")?,
            }),
        }
    }

    /// The processes in it.
    ///
    /// # Errors
    /// A sentence: it is gone.
    pub fn processes(&self) -> Result<Vec<i32>, String> {
        let text = read(&self.path.join("cgroup.procs"))?;
        Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
    }

    /// Moves this process into it. What it has used until now stays charged where it was.
    ///
    /// # Errors
    /// A sentence.
    pub fn enter(&self) -> Result<(), String> {
        let file = self.path.join("cgroup.procs");
        fs::write(&file, "0").map_err(|why| format!("enter {}: {why}", self.path.display()))
    }

    /// Removes it; who was killed in it may still be on the way out.
    ///
    /// # Errors
    /// A sentence.
    pub fn remove(&self) -> Result<(), String> {
        let gone = rrun_harness::eventually(|| match fs::remove_dir(&self.path) {
            Ok(()) => true,
            Err(why) => why.kind() == std::io::ErrorKind::NotFound,
        });
        gone.then_some(()).ok_or_else(|| format!("{} can't be removed", self.path.display()))
    }
}

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|why| format!("read {}: {why}", file.display()))
}

/// A field of memory.stat.
fn field(stat: &str, name: &str) -> Result<u64, String> {
    let value = stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let value = value.and_then(|value| value.trim().parse().ok());
    value.ok_or_else(|| format!("memory.stat has no {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hybrid_machine_counts_memory_in_its_own_hierarchy() {
        let mounts = "\
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw
32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
";
        let found = Hierarchy::among(mounts).expect("a hierarchy");
        assert_eq!(found.root, Path::new("/sys/fs/cgroup/memory"));
        assert_eq!(found.version, Version::V1);
    }

    #[test]
    fn a_machine_of_today_has_one_hierarchy() {
        let mounts =
            "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        let found = Hierarchy::among(mounts).expect("a hierarchy");
        assert_eq!(
            (found.root.as_path(), found.version),
            (Path::new("/sys/fs/cgroup"), Version::V2)
        );
        assert_eq!(Hierarchy::among("22 1 0:2 / /proc rw - proc proc rw\n"), None);
    }

    #[test]
    fn a_field_is_not_another_that_begins_alike() {
        let stat = "rss_huge 4096\nrss 8192\ncache 0\n";
        assert_eq!(field(stat, "rss"), Ok(8192));
        assert_eq!(field(stat, "cache"), Ok(0));
        assert_eq!(field(stat, "kernel"), Err("memory.stat has no kernel".to_owned()));
    }

    #[test]
    fn what_was_charged_ahead_is_not_used() {
        let charge = Charge { user: 12 << 10, kernel: 92 << 10, counter: 232 << 10 };
        assert_eq!(charge.used(), 104 << 10);
    }
}
