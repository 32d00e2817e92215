//! What a container left behind.
//!
//! Knows every place where a runtime leaves things: cgroups, mounts, processes, state directories, descriptors. Refuses
//! to count: it lists, so that a failed assertion names the culprit. A newcomer would compare two global snapshots in a
//! test; tests run in parallel, so a test asks [`Leftovers::of`] its own bundle, and only a program that runs alone
//! (stress runs, the benchmark) compares [`Snapshot`]s.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{Bundle, eventually};

/// Things found that should be gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftovers(pub Vec<String>);

impl Leftovers {
    /// Whatever on this machine still bears the bundle's id or path.
    #[must_use]
    pub fn of(bundle: &Bundle) -> Leftovers {
        let path = bundle.path().to_string_lossy().into_owned();
        let ours = |text: &str| text.contains(bundle.id()) || text.contains(&path);
        let mut found: Vec<String> =
            Snapshot::take().0.into_iter().filter(|line| ours(line)).collect();
        let state = bundle.runtime().root().join(bundle.id());
        if fs::symlink_metadata(&state).is_ok() {
            found.push(format!("state {}", state.display()));
        }
        Leftovers(found)
    }

    /// Asserts that nothing of the bundle is left, giving the kernel a moment to reap and unmount.
    #[track_caller]
    pub fn assert_none(bundle: &Bundle) {
        let mut last = Self::of(bundle);
        // Processes that were killed stay in /proc until they are reaped, mounts until their namespace dies.
        let clean = eventually(|| {
            last = Self::of(bundle);
            last.0.is_empty()
        });
        assert!(clean, "left behind:\n  {}", last.0.join("\n  "));
    }
}

/// Everything that could be a leftover, as lines: `cgroup PATH`, `mount LINE`, `process PID CMDLINE`, `fd N TARGET`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot(BTreeSet<String>);

impl Snapshot {
    /// Looks at the machine now.
    #[must_use]
    pub fn take() -> Snapshot {
        let mut lines = BTreeSet::new();
        cgroups(Path::new("/sys/fs/cgroup"), &mut lines);
        mounts(&mut lines);
        processes(&mut lines);
        descriptors(&mut lines);
        Snapshot(lines)
    }

    /// What is there now and was not in `before`.
    #[must_use]
    pub fn since(&self, before: &Snapshot) -> Leftovers {
        Leftovers(self.0.difference(&before.0).cloned().collect())
    }
}

fn cgroups(at: &Path, lines: &mut BTreeSet<String>) {
    // A cgroup removed while we walk is simply not there.
    let Ok(entries) = fs::read_dir(at) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            lines.insert(format!("cgroup {}", entry.path().display()));
            cgroups(&entry.path(), lines);
        }
    }
}

fn mounts(lines: &mut BTreeSet<String>) {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    lines.extend(table.lines().map(|line| format!("mount {line}")));
}

fn processes(lines: &mut BTreeSet<String>) {
    let me = std::process::id().to_string();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.bytes().all(|byte| byte.is_ascii_digit()) || name == me {
            continue;
        }
        if is_left_to_init(&entry.path()) {
            continue;
        }
        lines.insert(format!("process {name} {}", describe(&entry.path())));
    }
}

/// Whether it has ended and only the machine's init has not reaped it: nobody can do more, and some inits reap every
/// other second.
fn is_left_to_init(process: &Path) -> bool {
    let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
    // PID (NAME) STATE PPID, where the name may have parentheses.
    let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.next() == Some("Z") && fields.next() == Some("1")
}

/// The command line, the root and the cgroups of a process: one of them names the container it belongs to.
fn describe(process: &Path) -> String {
    let text = |file: &str| fs::read_to_string(process.join(file)).unwrap_or_default();
    let link =
        |file: &str| fs::read_link(process.join(file)).unwrap_or_default().display().to_string();
    let cgroup: Vec<String> = text("cgroup").lines().map(str::to_owned).collect();
    format!("{} root={} {}", text("cmdline").replace('\0', " "), link("root"), cgroup.join(" "))
}

fn descriptors(lines: &mut BTreeSet<String>) {
    for entry in fs::read_dir("/proc/self/fd").into_iter().flatten().flatten() {
        let target: PathBuf = fs::read_link(entry.path()).unwrap_or_default();
        // The listing's own descriptor is gone before anyone reads this.
        if !target.starts_with("/proc/self/fd") && !target.ends_with("fd") {
            lines.insert(format!(
                "fd {} {}",
                entry.file_name().to_string_lossy(),
                target.display()
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_file_is_a_leftover() {
        let before = Snapshot::take();
        let path = std::env::temp_dir().join(format!("rrun-leftover-{}", std::process::id()));
        let file = fs::File::create(&path);
        let found = Snapshot::take().since(&before);
        drop(file);
        assert!(found.0.iter().any(|line| line.contains("rrun-leftover")), "{found:?}");
        drop(fs::remove_file(path));
    }
}
