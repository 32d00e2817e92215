//! The suite: its parts, in order, each measured in a process of its own.
//!
//! ```text
//! rrun-bench report ──► rrun-bench part start --pace quick --out FILE      rows, or the sentence of what went wrong
//!                  ──► rrun-bench part lane-i …                           deadline: three times what it should take
//!                      …
//!                  ──► isobench.json ──► report.md, report.html
//! ```
//!
//! A process for each, because each enters rooms (mount and network namespaces) that can't be left again, and because a
//! part that panics or hangs is then one [`Problem`] and not the end of the run. What a newcomer would get wrong: a
//! missing tool is no error here; it is a row with the reason.

mod run;

pub use run::{Outcome, run};

use crate::programs::Programs;
use crate::result::Row;
use std::time::Duration;

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// All parts in three minutes: fewer rounds, fewer cases.
    Quick,
    /// All parts in half an hour.
    Full,
}

impl Pace {
    /// As it is called on the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Full => "full",
        }
    }

    /// The pace of this word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::Quick, Self::Full].into_iter().find(|pace| pace.word() == word)
    }

    /// One of two, for instance a number of rounds.
    #[must_use]
    pub fn pick<T>(self, quick: T, full: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Full => full,
        }
    }
}

/// What a part is given.
#[derive(Debug)]
pub struct Context {
    /// What is measured: built and installed already.
    pub programs: Programs,
    /// How much.
    pub pace: Pace,
}

impl Context {
    /// Tells the person who waits what is being done.
    pub fn progress(&self, what: &str) {
        eprintln!("    {what}");
    }
}

/// A part of the suite: rows of one or more metrics that are measured together.
#[derive(Debug)]
pub struct Part {
    /// As `--only` calls it.
    pub name: &'static str,
    /// One line for the person who waits.
    pub about: &'static str,
    /// What it should take, quick and full; three times as long is a hang.
    pub takes: [Duration; 2],
    /// Measures. An error is a sentence: a measurement went wrong, and the run fails.
    pub measure: fn(&Context) -> Result<Vec<Row>, String>,
}

/// All parts, in the order in which they run.
pub const PARTS: &[Part] = &[
    Part {
        name: "start",
        about: "cold starts, one after the other, and provisioning (M1, M1c, M1p)",
        takes: [Duration::from_secs(30), Duration::from_secs(300)],
        measure: crate::start::measure,
    },
    Part {
        name: "parallel",
        about: "starts a second, and many at once (M2, M3)",
        takes: [Duration::from_secs(12), Duration::from_secs(150)],
        measure: crate::parallel::measure,
    },
    Part {
        name: "files",
        about: "reads, flushes and names on a disk, an overlay and a tmpfs (M9)",
        takes: [Duration::from_secs(10), Duration::from_secs(90)],
        measure: crate::files::measure,
    },
    Part {
        name: "network",
        about: "a byte to and fro, and a stream, over a bridge and the loopback (M11)",
        takes: [Duration::from_secs(8), Duration::from_secs(90)],
        measure: crate::network::measure,
    },
    Part {
        name: "memory",
        about: "memory of instances that wait, and how many fit (M4, M5)",
        takes: [Duration::from_secs(15), Duration::from_secs(90)],
        measure: crate::memory::measure,
    },
    Part {
        name: "reach",
        about: "what a process could touch (M13)",
        takes: [Duration::from_secs(10), Duration::from_secs(30)],
        measure: crate::reach::measure,
    },
    Part {
        name: "micro",
        about: "computation, system calls, communication, memory (M6, M7, M8, M10)",
        takes: [Duration::from_secs(18), Duration::from_secs(150)],
        measure: crate::micro::measure,
    },
    Part {
        name: "lane-i",
        about: "instructions of starts, system calls and noisy neighbours (M1i, M7, M12)",
        takes: [Duration::from_secs(35), Duration::from_secs(180)],
        measure: crate::lane_i::measure,
    },
    Part {
        name: "noisy",
        about: "noisy neighbours, and how exact limits are (M12, M6)",
        takes: [Duration::from_secs(15), Duration::from_secs(240)],
        measure: crate::noisy::measure,
    },
    Part {
        name: "services",
        about: "nginx, an API and PostgreSQL, with replicas (M14)",
        takes: [Duration::from_secs(20), Duration::from_secs(240)],
        measure: crate::services::measure,
    },
    Part {
        name: "engines",
        about: "containerd's shims: starts, idle memory, pods at once, probes (M15 to M18)",
        takes: [Duration::from_secs(30), Duration::from_secs(480)],
        measure: crate::engines::measure,
    },
];

/// The part of this name.
///
/// # Errors
/// A sentence that lists the names.
pub fn part(name: &str) -> Result<&'static Part, String> {
    let names = || PARTS.iter().map(|part| part.name).collect::<Vec<_>>().join(", ");
    let found = PARTS.iter().find(|part| part.name == name);
    found.ok_or_else(|| format!("there is no part {name:?}; there are {}", names()))
}
