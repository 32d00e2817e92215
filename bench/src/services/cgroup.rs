//! Limits and accounts of a service's cgroup, on a machine of cgroup v1 or v2.
//!
//! Containers get theirs from their runtime; a bare process gets the same limits by [`Cgroup::make`], so that what is
//! compared is the isolation and not the limits. What a newcomer would get wrong: v1 has a directory for each
//! controller, and where a container's are, only its process knows.

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const ROOT: &str = "/sys/fs/cgroup";

/// The controllers that limits and accounts need.
const CONTROLLERS: [&str; 4] = ["cpu", "cpuacct", "memory", "pids"];

/// Microseconds in which the quota is counted.
pub const PERIOD: u64 = 100_000;

/// What a service may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Hundredths of one processor.
    pub cpu: u64,
    /// Bytes.
    pub memory: u64,
    /// Processes and threads.
    pub pids: u64,
}

impl Limits {
    /// Microseconds of each period.
    #[must_use]
    pub const fn quota(&self) -> u64 {
        self.cpu * PERIOD / 100
    }
}

/// Where a service's limits and accounts are: by controller in v1, one directory in v2.
#[derive(Debug, Clone)]
pub struct Cgroup {
    directories: BTreeMap<&'static str, PathBuf>,
    version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

fn version() -> Version {
    let two = Path::new(ROOT).join("cgroup.controllers").is_file();
    if two { Version::Two } else { Version::One }
}

/// What this machine lacks to limit services, if it does.
#[must_use]
pub fn lacking() -> Option<String> {
    let there = |name: &&&str| match version() {
        Version::One => Path::new(ROOT).join(name).join("cgroup.procs").is_file(),
        Version::Two => {
            let file = Path::new(ROOT).join("cgroup.controllers");
            let all = fs::read_to_string(file).unwrap_or_default();
            **name == "cpuacct" || all.split_whitespace().any(|word| word == **name)
        }
    };
    let missing = CONTROLLERS.iter().find(|name| !there(name))?;
    Some(format!("this machine's cgroups have no {missing} controller"))
}

/// Hides, for as long as it lives, the second tree of a hybrid machine, which has no controllers: crun 1.8 refuses to
/// see both, rrun wants them both. Only in a mount namespace of our own.
#[derive(Debug)]
pub struct Hidden(bool);

impl Hidden {
    const PLACE: &str = "/sys/fs/cgroup/unified";

    /// Where there is none, nothing is hidden.
    ///
    /// # Errors
    /// A sentence.
    pub fn new() -> Result<Self, String> {
        let there = Path::new(Self::PLACE).join("cgroup.procs").is_file();
        if there {
            let gone = umount2(Self::PLACE, MntFlags::MNT_DETACH);
            gone.map_err(|errno| format!("unmount {}: {errno}", Self::PLACE))?;
        }
        Ok(Self(there))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let (kind, flags) = (Some("cgroup2"), MsFlags::empty());
        if self.0
            && let Err(errno) = mount(kind, Self::PLACE, kind, flags, None::<&str>)
        {
            eprintln!("    mount {}: {errno}", Self::PLACE);
        }
    }
}

impl Cgroup {
    /// Makes one with these limits, with nobody in it.
    ///
    /// # Errors
    /// A sentence.
    pub fn make(name: &str, limits: &Limits) -> Result<Self, String> {
        let version = version();
        let root = Path::new(ROOT);
        if version == Version::Two {
            write(&root.join("cgroup.subtree_control"), "+cpu +memory +pids")?;
        }
        let place = |controller: &'static str| match version {
            Version::One => (controller, root.join(controller).join(name)),
            Version::Two => (controller, root.join(name)),
        };
        let cgroup = Self { directories: CONTROLLERS.map(place).into(), version };
        for directory in cgroup.directories.values() {
            let made = fs::create_dir_all(directory);
            made.map_err(|why| format!("make {}: {why}", directory.display()))?;
        }
        let (memory, pids) = match version {
            Version::One => ("memory.limit_in_bytes", "pids.max"),
            Version::Two => ("memory.max", "pids.max"),
        };
        cgroup.set("memory", memory, limits.memory)?;
        cgroup.set("pids", pids, limits.pids)?;
        cgroup.limit_cpu(limits)?;
        Ok(cgroup)
    }

    /// That of a process.
    ///
    /// # Errors
    /// A sentence: it has ended, or its cgroups are not mounted here.
    pub fn of(pid: i32) -> Result<Self, String> {
        let file = format!("/proc/{pid}/cgroup");
        let text = fs::read_to_string(&file).map_err(|why| format!("read {file}: {why}"))?;
        let version = version();
        let mut directories = BTreeMap::new();
        for name in CONTROLLERS {
            let place = place(&text, name, version);
            let place = place.ok_or_else(|| format!("process {pid} has no {name} cgroup"))?;
            directories.insert(name, place);
        }
        Ok(Self { directories, version })
    }

    /// The files that a process writes itself into to be in it.
    pub fn doors(&self) -> impl Iterator<Item = PathBuf> {
        self.directories.values().map(|directory| directory.join("cgroup.procs"))
    }

    /// Gives it another share of the processors.
    ///
    /// # Errors
    /// A sentence.
    pub fn limit_cpu(&self, limits: &Limits) -> Result<(), String> {
        match self.version {
            Version::One => {
                self.set("cpu", "cpu.cfs_period_us", PERIOD)?;
                self.set("cpu", "cpu.cfs_quota_us", limits.quota())
            }
            Version::Two => self.set("cpu", "cpu.max", format!("{} {PERIOD}", limits.quota())),
        }
    }

    /// What it has used of the processors.
    ///
    /// # Errors
    /// A sentence.
    pub fn cpu(&self) -> Result<Duration, String> {
        match self.version {
            Version::One => {
                let text = self.get("cpuacct", "cpuacct.usage")?;
                number(&text).map(Duration::from_nanos).ok_or_else(|| "no cpuacct.usage".to_owned())
            }
            Version::Two => {
                let text = self.get("cpu", "cpu.stat")?;
                let used = field(&text, "usage_usec").map(Duration::from_micros);
                used.ok_or_else(|| "no usage_usec in cpu.stat".to_owned())
            }
        }
    }

    /// What is charged to it, kernel memory and page cache included, and how much of that is anonymous; in bytes.
    ///
    /// # Errors
    /// A sentence.
    pub fn memory(&self) -> Result<(u64, u64), String> {
        let (charge, anonymous) = match self.version {
            Version::One => ("memory.usage_in_bytes", "rss"),
            Version::Two => ("memory.current", "anon"),
        };
        let charged = number(&self.get("memory", charge)?).ok_or(format!("no {charge}"))?;
        let stat = self.get("memory", "memory.stat")?;
        let anonymous = field(&stat, anonymous).ok_or(format!("no {anonymous} in memory.stat"))?;
        Ok((charged, anonymous))
    }

    /// Who is in it.
    #[must_use]
    pub fn processes(&self) -> BTreeSet<i32> {
        self.directories.values().flat_map(|directory| processes(directory)).collect()
    }

    /// Kills everyone in it, waits until they are gone, and removes it.
    ///
    /// # Errors
    /// A sentence: somebody does not go.
    pub fn end(&self, patience: Duration) -> Result<(), String> {
        let deadline = Instant::now() + patience;
        while self.directories.values().any(|directory| directory.is_dir()) {
            if Instant::now() > deadline {
                return Err(format!("{:?} does not become empty", self.directories));
            }
            for pid in self.processes() {
                let pid = nix::unistd::Pid::from_raw(pid);
                // Gone by now: that is what is wanted.
                nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).ok();
            }
            for directory in self.directories.values() {
                // Refused while somebody is in it; then there is a next time.
                fs::remove_dir(directory).ok();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn set(&self, name: &str, file: &str, value: impl ToString) -> Result<(), String> {
        write(&self.file(name, file), &value.to_string())
    }

    fn get(&self, name: &str, file: &str) -> Result<String, String> {
        let path = self.file(name, file);
        fs::read_to_string(&path).map_err(|why| format!("read {}: {why}", path.display()))
    }

    fn file(&self, name: &str, file: &str) -> PathBuf {
        self.directories.get(name).cloned().unwrap_or_default().join(file)
    }
}

fn processes(directory: &Path) -> Vec<i32> {
    let inside = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    inside.lines().filter_map(|line| line.parse().ok()).collect()
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|why| format!("write {text:?} to {}: {why}", path.display()))
}

/// The directory of a controller, of the text of /proc/PID/cgroup.
fn place(text: &str, name: &str, version: Version) -> Option<PathBuf> {
    text.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let path = path.trim_start_matches('/');
        match version {
            Version::Two => controllers.is_empty().then(|| Path::new(ROOT).join(path)),
            Version::One => {
                let ours = controllers.split(',').any(|controller| controller == name);
                ours.then(|| Path::new(ROOT).join(name).join(path))
            }
        }
    })
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| number(line.strip_prefix(name)?.strip_prefix(' ')?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_is_found_in_its_own_hierarchy_of_v1_and_in_the_only_one_of_v2() {
        let one = "5:cpu,cpuacct:/a/b\n3:memory:/c\n1:name=systemd:/d\n0::/e\n";
        let found = |name, version| place(one, name, version);
        assert_eq!(found("cpuacct", Version::One), Some("/sys/fs/cgroup/cpuacct/a/b".into()));
        assert_eq!(found("memory", Version::One), Some("/sys/fs/cgroup/memory/c".into()));
        assert_eq!(found("pids", Version::One), None);
        assert_eq!(found("memory", Version::Two), Some("/sys/fs/cgroup/e".into()));
    }

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let stat = "rss_huge 1\nrss 4096\n";
        assert_eq!(field(stat, "rss"), Some(4096));
        assert_eq!(field(stat, "anon"), None);
    }

    #[test]
    fn a_quota_is_a_share_of_the_period() {
        assert_eq!(Limits { cpu: 12, memory: 0, pids: 0 }.quota(), 12_000);
        assert_eq!(Limits { cpu: 150, memory: 0, pids: 0 }.quota(), 150_000);
    }
}
