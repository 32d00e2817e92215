//! What a shim holds: memory, threads, descriptors, processes below it.
//!
//! What a newcomer would get wrong: a shim is not always one process. What it keeps besides, a logger, a helper, is a
//! descendant, and so are its containers, which are not its cost.

use crate::memory::resident::proportional;
use crate::process::Wrong;
use std::collections::BTreeSet;
use std::fs;

/// Of a shim and what it started, containers left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Held {
    /// KiB, proportional.
    pub proportional: f64,
    /// KiB that no other process maps.
    pub private: f64,
    /// Threads.
    pub threads: f64,
    /// Open descriptors.
    pub descriptors: f64,
    /// Processes.
    pub processes: f64,
}

/// What the shim holds now; `containers` are the first processes of its containers.
///
/// # Errors
/// [`Wrong::Failed`]: it is gone.
pub fn held(shim: i32, containers: &[i32]) -> Result<Held, Wrong> {
    let mut sum =
        Held { proportional: 0.0, private: 0.0, threads: 0.0, descriptors: 0.0, processes: 0.0 };
    for pid in below(shim, containers) {
        let read = |file: &str| {
            let path = format!("/proc/{pid}/{file}");
            fs::read_to_string(&path).map_err(|why| Wrong::Failed(format!("{path}: {why}")))
        };
        sum.proportional += proportional(pid).map_err(Wrong::Failed)?;
        let rollup = read("smaps_rollup")?;
        sum.private += field(&rollup, "Private_Clean:") + field(&rollup, "Private_Dirty:");
        sum.threads += field(&read("status")?, "Threads:");
        sum.descriptors +=
            count(fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().count());
        sum.processes += 1.0;
    }
    Ok(sum)
}

/// The shim and its descendants without those of `containers`.
fn below(shim: i32, containers: &[i32]) -> BTreeSet<i32> {
    let (mut found, mut next) = (BTreeSet::new(), vec![shim]);
    while let Some(pid) = next.pop() {
        if containers.contains(&pid) || !found.insert(pid) {
            continue;
        }
        let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        for thread in threads {
            let text = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            next.extend(text.split_whitespace().filter_map(|child| child.parse::<i32>().ok()));
        }
    }
    found
}

/// The number behind a name.
fn field(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
}

#[allow(clippy::cast_precision_loss, reason = "a few hundred")]
fn count(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use rrun_harness::Must;
    use std::process::Command;

    #[test]
    fn a_field_is_a_number_whatever_its_unit() {
        let text = "Pss:  70 kB\nPrivate_Clean:       12 kB\nThreads:\t3\n";
        assert_eq!([field(text, "Private_Clean:"), field(text, "Threads:")], [12.0, 3.0]);
        assert_eq!(field(text, "Swap:"), 0.0);
    }

    #[test]
    fn a_container_is_not_its_shims_cost_and_a_helper_is() {
        let mut child = Command::new("sleep").arg("60").spawn().must("start a sleeper");
        let (us, pid) = (std::process::id().cast_signed(), child.id().cast_signed());
        let found = [below(us, &[]).contains(&pid), below(us, &[pid]).contains(&pid)];
        child.kill().must("end it");
        child.wait().must("reap it");
        assert_eq!(found, [true, false]);
        assert!(held(us, &[]).is_ok_and(|held| held.threads >= 1.0 && held.descriptors >= 3.0));
    }
}
