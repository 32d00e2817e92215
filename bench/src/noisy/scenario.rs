//! Who misbehaves, who suffers from it most, and what stands between them.
//!
//! What a newcomer would get wrong: a configuration limits the *aggressor*. A victim with limits would be slow alone.

use crate::inside::Task;
use serde_json::{Value, json};
use std::path::Path;

/// MiB that a limited aggressor may have.
pub const MEMORY_LIMIT: u64 = 64;

/// Processes that a limited aggressor may have.
pub const PROCESS_LIMIT: u64 = 32;

/// Processes of a bomb that nothing else limits.
pub const BOMB: u64 = 200;

/// Who misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggressor {
    /// Twice as many computing threads as there are processors.
    Cpu,
    /// Touches memory, past its limit if it has one.
    Memory,
    /// Starts processes that start processes.
    Bomb,
    /// Writes a file with fsync, over and over.
    Disk,
    /// Floods the bridge with datagrams.
    Flood,
}

impl Aggressor {
    /// In the order of the table.
    pub const ALL: [Self; 5] = [Self::Cpu, Self::Memory, Self::Bomb, Self::Disk, Self::Flood];

    /// As cases call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu hog",
            Self::Memory => "memory hog",
            Self::Bomb => "fork bomb",
            Self::Disk => "disk writer",
            Self::Flood => "udp flood",
        }
    }

    /// Its victim, as cases call it: the one that needs what it takes.
    #[must_use]
    pub const fn victim(self) -> &'static str {
        match self {
            Self::Cpu | Self::Bomb => "cpu work",
            Self::Memory => "memory sweep",
            Self::Disk => "append+fsync",
            Self::Flood => "tcp echo p99",
        }
    }

    /// What it takes, as /proc/pressure calls it.
    #[must_use]
    pub const fn resource(self) -> &'static str {
        match self {
            Self::Cpu | Self::Bomb | Self::Flood => "cpu",
            Self::Memory => "memory",
            Self::Disk => "io",
        }
    }

    /// What is measured of the victim.
    #[must_use]
    pub const fn interval(self) -> &'static str {
        match self {
            Self::Flood => {
                "p99 of TCP round trips of one byte beside the aggressor ÷ alone, before and after, in the same round"
            }
            _ => {
                "the victim's time for its work beside the aggressor ÷ alone, before and after, in the same round"
            }
        }
    }

    /// What it does, on a machine of so many processors. `place` is where it writes, or whom it floods.
    #[must_use]
    pub fn task(self, processors: usize, place: &str) -> Task {
        let task = Task::new("aggress").with("seconds", 60);
        match self {
            Self::Cpu => task.with("kind", "cpu").with("threads", 2 * processors),
            Self::Memory => task.with("kind", "memory").with("mib", 8 * MEMORY_LIMIT),
            Self::Bomb => task.with("kind", "bomb").with("processes", BOMB),
            Self::Disk => task.with("kind", "disk").with("file", place),
            Self::Flood => task.with("kind", "flood").with("address", place),
        }
    }

    /// What its victim does; each piece takes some 20 ms of a machine of today, `slower` times less work.
    #[must_use]
    pub fn victims_task(self, processors: usize, place: &str, slower: u64) -> Task {
        let task = Task::new("victim");
        match self {
            Self::Cpu | Self::Bomb => {
                task.with("kind", "cpu").with("threads", processors).with("steps", STEPS / slower)
            }
            Self::Memory => task.with("kind", "memory").with("passes", (6 / slower).max(1)),
            Self::Disk => task.with("kind", "append").with("file", place).with("count", 8),
            Self::Flood => task.with("kind", "echo").with("address", place).with("count", 500),
        }
    }
}

/// Of integer work.
const STEPS: u64 = 8_000_000;

/// What stands between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Configuration {
    /// Nothing: two processes of the host, in its shell's cgroup.
    Bare,
    /// A container each.
    NoLimits,
    /// A container each, the aggressor's of a tenth of the weight.
    Weight,
    /// A container each, the aggressor's with every limit that there is.
    Limits,
    /// A virtual machine each.
    Machines,
}

impl Configuration {
    /// As cases call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::NoLimits => "container, no limits",
            Self::Weight => "cpu.weight",
            Self::Limits => "limits",
            Self::Machines => "two vms",
        }
    }

    /// The aggressor's limits, as config.json has them. `disk` is the device that it writes to, if that can be limited.
    #[must_use]
    pub fn resources(self, disk: Option<(u64, u64)>) -> Value {
        match self {
            Self::Bare | Self::NoLimits | Self::Machines => json!({}),
            Self::Weight => json!({ "cpu": { "shares": 102 } }),
            Self::Limits => {
                let mut limits = json!({
                    "cpu": { "quota": 10_000, "period": 100_000 },
                    "memory": { "limit": MEMORY_LIMIT << 20 },
                    "pids": { "limit": PROCESS_LIMIT },
                });
                if let Some((major, minor)) = disk {
                    let rate = json!({ "major": major, "minor": minor, "rate": 4 << 20 });
                    limits["blockIO"] = json!({ "throttleWriteBpsDevice": [rate] });
                }
                limits
            }
        }
    }
}

/// `AGGRESSOR | CONFIGURATION | VICTIM`, as rows of M12 have it.
#[must_use]
pub fn case(aggressor: Aggressor, configuration: Configuration) -> String {
    [aggressor.name(), configuration.name(), aggressor.victim()].join(" | ")
}

/// The file below a directory.
#[must_use]
pub fn file(directory: &Path, name: &str) -> String {
    directory.join(name).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_three_names() {
        let found = case(Aggressor::Cpu, Configuration::Limits);
        assert_eq!(found, "cpu hog | limits | cpu work");
        let names = Aggressor::ALL.map(Aggressor::name).join("") + Aggressor::Cpu.victim();
        assert!(!names.contains('|'));
    }

    #[test]
    fn a_disk_that_cannot_be_limited_is_not_asked_for() {
        assert!(Configuration::Limits.resources(None).get("blockIO").is_none());
        let limits = Configuration::Limits.resources(Some((254, 0)));
        assert_eq!(limits["blockIO"]["throttleWriteBpsDevice"][0]["major"], 254);
    }

    #[test]
    fn words_survive_a_kernels_command_line() {
        for aggressor in Aggressor::ALL {
            for task in [aggressor.task(2, "/x"), aggressor.victims_task(2, "/x", 1)] {
                assert!(task.words.iter().all(|word| !word.contains([' ', '"', '\\'])), "{task:?}");
            }
        }
    }
}
