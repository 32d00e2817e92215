//! What the host can limit and what it counts: controllers of cgroup v1 or v2, throttled devices, pressure.
//!
//! It refuses to know runtimes. What a newcomer would get wrong: on a hybrid host /sys/fs/cgroup/unified exists and has
//! no controllers; processors, memory and processes are limited in hierarchies of their own.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const ROOT: &str = "/sys/fs/cgroup";

/// A cgroup by its path, the same in every hierarchy.
#[derive(Debug, Clone)]
pub struct Group(String);

impl Group {
    /// `/name`, below the roots.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(format!("/{name}"))
    }

    /// As config.json has it.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0
    }

    /// How often the kernel has killed a process of it for its memory.
    #[must_use]
    pub fn oom_kills(&self) -> Option<f64> {
        self.count("memory", ["memory.events", "memory.oom_control"], "oom_kill")
    }

    /// How often it was refused a process.
    #[must_use]
    pub fn refused_processes(&self) -> Option<f64> {
        self.count("pids", ["pids.events", "pids.events"], "max")
    }

    /// How many processes are in it.
    #[must_use]
    pub fn processes(&self) -> usize {
        let read = |file: String| fs::read_to_string(file).ok();
        let text = read(format!("{ROOT}/pids{}/cgroup.procs", self.0))
            .or_else(|| read(format!("{ROOT}{}/cgroup.procs", self.0)));
        text.map_or(0, |text| text.lines().count())
    }

    /// Where it still is, in any hierarchy.
    #[must_use]
    pub fn left(&self) -> Vec<PathBuf> {
        let roots = fs::read_dir(ROOT).into_iter().flatten().flatten().map(|entry| entry.path());
        let places = roots.chain([PathBuf::from(ROOT)]);
        let places = places.map(|root| root.join(self.0.trim_start_matches('/')));
        places.filter(|place| place.is_dir()).collect()
    }

    fn count(&self, controller: &str, [v2, v1]: [&str; 2], key: &str) -> Option<f64> {
        let read = |file: String| fs::read_to_string(file).ok();
        let text = read(format!("{ROOT}{}/{v2}", self.0))
            .or_else(|| read(format!("{ROOT}/{controller}{}/{v1}", self.0)))?;
        field(&text, key)
    }
}

/// The number behind `key` in a file of "key number" lines.
fn field(text: &str, key: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
    line?.trim().parse().ok()
}

/// Whether this controller is to be had: in cgroup v2, or in a hierarchy of its own.
#[must_use]
pub fn has(controller: &str) -> bool {
    in_v2(controller) || Path::new(ROOT).join(controller).join("cgroup.procs").is_file()
}

/// Whether cgroup v2 has this controller.
#[must_use]
pub fn in_v2(controller: &str) -> bool {
    let v2 = fs::read_to_string(format!("{ROOT}/cgroup.controllers")).unwrap_or_default();
    v2.split_whitespace().any(|name| name == controller)
}

/// The disk below a directory, as a limit on its bytes names it: major and minor number.
///
/// # Errors
/// A sentence: writes to it can't be limited here.
pub fn throttled(directory: &Path) -> Result<(u64, u64), String> {
    let v1 = Path::new(ROOT).join("blkio/blkio.throttle.write_bps_device");
    if !in_v2("io") && !v1.is_file() {
        return Err("no controller of this host limits disks (io, or blkio of v1)".to_owned());
    }
    let told = |why: std::io::Error| format!("{}: {why}", directory.display());
    let device = fs::metadata(directory).map_err(told)?.dev();
    let numbers = (nix::sys::stat::major(device), nix::sys::stat::minor(device));
    let sysfs = PathBuf::from(format!("/sys/dev/block/{}:{}", numbers.0, numbers.1));
    let Ok(place) = fs::canonicalize(&sysfs) else {
        return Err(format!("{} lies on no disk that can be limited", directory.display()));
    };
    if !place.join("partition").is_file() {
        return Ok(numbers);
    }
    // A limit is one of the whole disk.
    let disk = place.parent().map(|disk| disk.join("dev"));
    let disk = disk.and_then(|file| fs::read_to_string(file).ok());
    let disk = disk.and_then(|text| device_numbers(&text));
    disk.ok_or_else(|| format!("{} names no disk", place.display()))
}

fn device_numbers(text: &str) -> Option<(u64, u64)> {
    let (major, minor) = text.trim().split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Microseconds in which somebody on this host waited for "cpu", "memory" or "io".
#[must_use]
pub fn pressure(resource: &str) -> Option<f64> {
    some_total(&fs::read_to_string(format!("/proc/pressure/{resource}")).ok()?)
}

fn some_total(text: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with("some "))?;
    line.split_whitespace().find_map(|word| word.strip_prefix("total="))?.parse().ok()
}

/// How often the kernel has killed a process for memory, in any cgroup or none.
#[must_use]
pub fn oom_kills() -> Option<f64> {
    field(&fs::read_to_string("/proc/vmstat").ok()?, "oom_kill")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let v1 = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        assert_eq!(field(v1, "oom_kill"), Some(3.0));
        assert_eq!(field("low 0\nmax 12\noom 1\noom_kill 1\n", "oom_kill"), Some(1.0));
        assert_eq!(field("oom_kill_disable 0\n", "oom_kill"), None);
    }

    #[test]
    fn pressure_is_the_time_in_which_somebody_waited() {
        let text = "some avg10=0.97 avg60=1.08 avg300=2.37 total=346\nfull avg10=0.00 total=9\n";
        assert_eq!(some_total(text), Some(346.0));
        assert_eq!(some_total(""), None);
    }

    #[test]
    fn a_device_is_two_numbers() {
        assert_eq!(device_numbers("254:16\n"), Some((254, 16)));
        assert_eq!(device_numbers("254"), None);
    }
}
