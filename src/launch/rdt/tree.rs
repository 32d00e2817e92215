//! resctrl as a tree of files: where it is mounted, what a class has in it, and what its lines mean.
//!
//! It knows names, lines and errnos of one directory, whichever that is, so tests give it a plain one that looks the same.
//! What a newcomer would get wrong: the kernel says why it refused a line, but not to the caller of write(2): the words are
//! in `info/last_cmd_status`, until the next one.

use crate::error::{Error, Kind, Result};
use crate::host::cgroup::unescape;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The mounted tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    pub root: PathBuf,
}

impl Tree {
    /// The one that this mount namespace has.
    pub fn find() -> Result<Self> {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        if let Some(root) = mount_of(&read("/proc/self/mountinfo")) {
            return Ok(Self { root });
        }
        let known =
            read("/proc/filesystems").lines().any(|line| line.trim_end().ends_with("\tresctrl"));
        let (message, hint) = match known {
            true => {
                ("resctrl is not mounted", "mount it: mount -t resctrl resctrl /sys/fs/resctrl")
            }
            false => (
                "this kernel or processor has no resctrl",
                "leave linux.intelRdt out, or use a processor with Intel RDT or AMD QoS and a kernel with \
                 CONFIG_X86_CPU_RESCTRL",
            ),
        };
        Err(Error::new(Kind::Host, message).at("/linux/intelRdt").hint(hint))
    }

    /// Writes one line, or one pid, in one write(2).
    pub fn write(&self, file: &Path, text: &str) -> Result<()> {
        let open = fs::OpenOptions::new().append(true).open(file);
        let written = open.and_then(|mut file| file.write_all(format!("{text}\n").as_bytes()));
        written.map_err(|error| {
            let errno = error.raw_os_error().unwrap_or(libc::EIO);
            let error = Error::kernel(format!("write({}, {text:?})", file.display()), errno);
            match self.last_status() {
                Some(words) => error.hint(format!("the kernel says: {words}")),
                None => error,
            }
        })
    }

    /// Makes a directory.
    pub fn make(&self, path: &Path) -> Result<()> {
        create(path).map_err(|error| {
            let errno = error.raw_os_error().unwrap_or(libc::EIO);
            let error = Error::kernel(format!("mkdir({path:?})"), errno);
            match errno {
                libc::ENOSPC => error.with_kind(Kind::Host).hint(
                    "the processor has no more classes or monitoring ids: remove those that nobody uses, or name a \
                     closID that exists",
                ),
                libc::EEXIST => error.with_kind(Kind::Exists).hint("remove it, if nobody uses it: rmdir"),
                _ => match self.last_status() {
                    Some(words) => error.hint(format!("the kernel says: {words}")),
                    None => error,
                },
            }
        })
    }

    /// The kernel's words for its last refusal.
    fn last_status(&self) -> Option<String> {
        let words = fs::read_to_string(self.root.join("info/last_cmd_status")).ok()?;
        let words = words.trim();
        (!words.is_empty() && words != "ok").then(|| words.to_owned())
    }

    /// What the kernel makes of a percentage of bandwidth: a multiple of this. `None` where it is told in MB/s.
    fn bandwidth_step(&self) -> Option<u64> {
        let text = fs::read_to_string(self.root.join("info/MB/bandwidth_gran")).ok()?;
        text.trim().parse().ok().filter(|step| *step > 0)
    }

    /// Whether `schemata` holds what `line` asks for; a cache that it does not name may have anything.
    pub fn holds(&self, schemata: &str, line: &str) -> bool {
        let Some((resource, wanted)) = parse(line) else { return false };
        let Some((_, has)) = schemata.lines().filter_map(parse).find(|(name, _)| *name == resource)
        else {
            return false;
        };
        let step = if resource == "MB" { self.bandwidth_step() } else { None };
        wanted.iter().all(|(cache, value)| {
            has.iter().any(|(other, set)| other == cache && same(resource, value, set, step))
        })
    }
}

/// mkdir(2); the kernel furnishes what it makes.
#[cfg(not(test))]
fn create(path: &Path) -> std::io::Result<()> {
    fs::create_dir(path)
}

/// rmdir(2); the kernel's own files do not count.
#[cfg(not(test))]
pub fn remove(path: &Path) -> std::io::Result<()> {
    fs::remove_dir(path)
}

#[cfg(test)]
pub use super::tests::{create, remove};

/// `  L3:0=7f0;1=1f` as the resource and its values by cache.
fn parse(line: &str) -> Option<(&str, Vec<(&str, &str)>)> {
    let (resource, values) = line.split_once(':')?;
    let pairs = values
        .split(';')
        .map(|pair| pair.split_once('=').map(|(cache, value)| (cache.trim(), value.trim())));
    Some((resource.trim(), pairs.collect::<Option<_>>()?))
}

/// Masks are hexadecimal, bandwidth is decimal and rounded up.
fn same(resource: &str, wanted: &str, set: &str, step: Option<u64>) -> bool {
    if resource == "MB" {
        return match (wanted.parse::<u64>(), set.parse::<u64>()) {
            (Ok(wanted), Ok(set)) => {
                wanted == set || step.is_some_and(|step| wanted.next_multiple_of(step) == set)
            }
            _ => wanted == set,
        };
    }
    match (u64::from_str_radix(wanted, 16), u64::from_str_radix(set, 16)) {
        (Ok(wanted), Ok(set)) => wanted == set,
        _ => wanted == set,
    }
}

/// The first mount of it in a mountinfo.
fn mount_of(mountinfo: &str) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (fields, after) = line.split_once(" - ")?;
        let is_it = after.split(' ').next() == Some("resctrl");
        let mut fields = fields.split(' ');
        // One that shows a part of the tree only is no place for a class.
        let (root, point) = (fields.nth(3)?, fields.next()?);
        (is_it && root == "/").then(|| PathBuf::from(unescape(point)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_is_found_wherever_it_is() {
        let table = "22 1 0:20 / /sys rw - sysfs sysfs rw\n\
                     30 22 0:27 /web /mnt/part rw - resctrl resctrl rw\n\
                     31 22 0:27 / /mnt/res\\040ctrl rw,nosuid - resctrl resctrl rw,cdp\n";
        assert_eq!(mount_of(table), Some("/mnt/res ctrl".into()));
        assert_eq!(mount_of("22 1 0:20 / /sys/fs/resctrl rw - sysfs sysfs rw\n"), None);
    }

    #[test]
    fn lines_are_compared_by_what_they_mean() {
        let tree = Tree { root: "/nonexistent".into() };
        let schemata = "    MB:0=30;1=100\n    L3:0=007f0;1=1f\n    L2:0=ff\n";
        for (line, holds) in [
            ("L3:0=7f0;1=1f", true),
            ("L3:1=1F", true),
            ("L3: 0 = 07f0", true),
            ("L3:0=7f1", false),
            ("L3:2=1", false),
            ("L4:0=1", false),
            ("MB:0=30", true),
            ("MB:0=25", false),
            ("MB:0=030", true),
            ("L3", false),
            ("L3:0", false),
        ] {
            assert_eq!(tree.holds(schemata, line), holds, "{line}");
        }
    }
}
