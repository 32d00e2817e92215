//! Resident memory of an instance's processes: proportional, so that a page of two processes is half of each.
//!
//! What a newcomer would get wrong: an instance is not only its payload. A monitor that a runtime leaves behind carries
//! the mark of its start in its environment.

use super::instance::{Instance, MARK};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// KiB of one process, from its smaps_rollup.
///
/// # Errors
/// A sentence: it has ended, or the kernel does not say.
pub fn proportional(pid: i32) -> Result<f64, String> {
    let file = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&file).map_err(|why| format!("read {file}: {why}"))?;
    pss(&text).ok_or_else(|| format!("{file} has no Pss"))
}

fn pss(rollup: &str) -> Option<f64> {
    rollup
        .lines()
        .find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB")?.parse().ok())
}

/// Processes by the mark that they carry.
#[must_use]
pub fn marked() -> BTreeMap<String, BTreeSet<i32>> {
    let mut found: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
        // A process may have ended meanwhile.
        let (Some(pid), Ok(environment)) = (pid, fs::read(entry.path().join("environ"))) else {
            continue;
        };
        if let Some(id) = mark(&environment) {
            found.entry(id).or_default().insert(pid);
        }
    }
    found
}

fn mark(environment: &[u8]) -> Option<String> {
    environment.split(|byte| *byte == 0).find_map(|variable| {
        let value = variable.strip_prefix(MARK.as_bytes())?.strip_prefix(b"=")?;
        Some(String::from_utf8_lossy(value).into_owned())
    })
}

/// KiB of all processes of an instance, and how many they are.
///
/// # Errors
/// A sentence: one has ended.
pub fn of(
    instance: &Instance,
    marked: &BTreeMap<String, BTreeSet<i32>>,
) -> Result<(f64, usize), String> {
    let mut all: BTreeSet<i32> = instance.group.processes()?.into_iter().collect();
    all.extend(marked.get(&instance.id).into_iter().flatten());
    let mut sum = 0.0;
    for pid in &all {
        sum += proportional(*pid)?;
    }
    Ok((sum, all.len()))
}

/// KiB that the kernel could hand out.
///
/// # Errors
/// A sentence.
pub fn available() -> Result<f64, String> {
    let text = fs::read_to_string("/proc/meminfo").map_err(|why| format!("read meminfo: {why}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let value = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    value.ok_or_else(|| "meminfo has no MemAvailable".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proportional_set_is_not_its_parts() {
        let text = "00400000-7ffd0000 ---p 00000000 00:00 0 [rollup]\nRss: 900 kB\nPss:  76 kB\nPss_Dirty: 12 kB\n";
        assert_eq!(pss(text), Some(76.0));
        assert_eq!(pss("Pss_Dirty: 12 kB\n"), None);
    }

    #[test]
    fn a_mark_is_a_variable_and_not_a_part_of_one() {
        assert_eq!(mark(b"A=1\0ISOBENCH_INSTANCE=x-1\0B=2\0"), Some("x-1".to_owned()));
        assert_eq!(mark(b"XISOBENCH_INSTANCE=x\0ISOBENCH_INSTANCES=y\0"), None);
    }

    #[test]
    fn this_process_has_memory_and_so_has_the_machine() {
        let us = i32::try_from(std::process::id()).expect("a pid");
        assert!(proportional(us).expect("our own") > 100.0);
        assert!(available().expect("the machine's") > 1000.0);
    }
}
