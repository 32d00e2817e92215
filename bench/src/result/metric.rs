//! The metrics, by the names that the report uses.
//!
//! What a newcomer would get wrong: a lane is not a precision but a kind of truth. Wall clock is what a user waits, on
//! this machine, today; instructions are the same everywhere, and no time at all; reach is counted, not measured.

use serde::{Deserialize, Serialize};

/// What a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Metric {
    /// Cold start: from before the runtime's (or QEMU's) birth to the payload's first instruction.
    M1,
    /// A whole life: to the end of the process that was started, deletion included.
    M1c,
    /// Guest instructions from before the start to the payload's first.
    M1i,
    /// Provisioning: from an image to what can be started.
    M1p,
    /// Starts and ends per second, one after the other in each worker.
    M2,
    /// K starts at once.
    M3,
    /// Memory of an instance that waits.
    M4,
    /// How many of them fit.
    M5,
    /// Computation, and how exact a limit on it is.
    M6,
    /// System calls.
    M7,
    /// Communication between processes.
    M8,
    /// Files.
    M9,
    /// Memory bandwidth and page faults.
    M10,
    /// Network.
    M11,
    /// Noisy neighbours.
    M12,
    /// Reach: what a process could touch.
    M13,
    /// Services.
    M14,
    /// Starts through engines' shims.
    M15,
    /// Memory of shims that wait.
    M16,
    /// Many pods at once.
    M17,
    /// Probes: many short `exec`s.
    M18,
}

impl Metric {
    /// All, in the report's order.
    pub const ALL: [Self; 21] = [
        Self::M1,
        Self::M1c,
        Self::M1i,
        Self::M1p,
        Self::M2,
        Self::M3,
        Self::M4,
        Self::M5,
        Self::M6,
        Self::M7,
        Self::M8,
        Self::M9,
        Self::M10,
        Self::M11,
        Self::M12,
        Self::M13,
        Self::M14,
        Self::M15,
        Self::M16,
        Self::M17,
        Self::M18,
    ];

    /// A heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::M1 => "Cold start",
            Self::M1c => "Whole life",
            Self::M1i => "Cold start in instructions",
            Self::M1p => "Provisioning",
            Self::M2 => "Throughput of starts",
            Self::M3 => "Starts in parallel",
            Self::M4 => "Memory per idle instance",
            Self::M5 => "Density",
            Self::M6 => "Computation and the accuracy of limits",
            Self::M7 => "System calls",
            Self::M8 => "Communication between processes",
            Self::M9 => "File I/O",
            Self::M10 => "Memory bandwidth and page faults",
            Self::M11 => "Network",
            Self::M12 => "Noisy neighbours",
            Self::M13 => "Reach",
            Self::M14 => "Services",
            Self::M15 => "Starts through engines",
            Self::M16 => "Memory per idle shim",
            Self::M17 => "Pods at once",
            Self::M18 => "Probes",
        }
    }
}

/// What kind of truth a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Lane {
    /// Wall clock, and what else a machine's state moves.
    W,
    /// Guest instructions in an emulated machine that counts them.
    I,
    /// Counted things.
    R,
}

/// What a number is a number of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Milliseconds.
    #[serde(rename = "ms")]
    Milliseconds,
    /// Microseconds.
    #[serde(rename = "µs")]
    Microseconds,
    /// Nanoseconds.
    #[serde(rename = "ns")]
    Nanoseconds,
    /// Instructions of the guest.
    #[serde(rename = "instr")]
    Instructions,
    /// Events a second; more is better.
    #[serde(rename = "1/s")]
    PerSecond,
    /// 1024 bytes.
    #[serde(rename = "KiB")]
    Kibibytes,
    /// 2^20 bytes a second; more is better.
    #[serde(rename = "MiB/s")]
    MebibytesPerSecond,
    /// How many.
    #[serde(rename = "count")]
    Count,
    /// One thing divided by another of the same unit.
    #[serde(rename = "×")]
    Ratio,
    /// Hundredths.
    #[serde(rename = "%")]
    Percent,
}

impl Unit {
    /// As it stands behind a number.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Microseconds => "µs",
            Self::Nanoseconds => "ns",
            Self::Instructions => "instr",
            Self::PerSecond => "1/s",
            Self::Kibibytes => "KiB",
            Self::MebibytesPerSecond => "MiB/s",
            Self::Count => "",
            Self::Ratio => "×",
            Self::Percent => "%",
        }
    }

    /// Whether more is better.
    #[must_use]
    pub const fn more_is_better(self) -> bool {
        matches!(self, Self::PerSecond | Self::MebibytesPerSecond)
    }
}
