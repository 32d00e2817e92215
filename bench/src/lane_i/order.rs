//! What the guest is asked to do, and what it answers: both are JSON.
//!
//! It refuses to let the guest decide anything: who is started how often is the host's order. What a newcomer would get
//! wrong: paths here are the guest's.

use serde::{Deserialize, Serialize};

/// Where the guest finds its order.
pub const FILE: &str = "/order.json";

/// A program and its arguments.
pub type Words = Vec<String>;

/// Everything for one boot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// How often everyone in `starts` has a turn, after one turn that is not counted.
    pub rounds: usize,
    /// Who is started.
    pub starts: Vec<Start>,
    /// Additions of the victim's fixed work; none, no victim.
    pub work: u64,
    /// Beside whom it is done, after it was done alone.
    pub neighbours: Vec<Neighbour>,
}

/// Somebody noisy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// "4 hogs | cpu.max 10 %".
    pub case: String,
    /// Who holds it: "bare", "rrun".
    pub subject: String,
    /// Done before the victim works; without a container, the noise itself.
    pub before: Vec<Words>,
    /// Its cgroup, unless it has none of its own.
    pub cgroup: Option<String>,
    /// What is looked at while it is at it.
    pub facts: Vec<Fact>,
    /// Done after: the last of it succeeds when nothing is left.
    pub after: Vec<Words>,
}

/// Something that ends with the payload's first instruction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// "run", "exec".
    pub case: String,
    /// Who.
    pub subject: String,
    /// How often it is done in each of the rounds.
    pub times: usize,
    /// Done first, not counted.
    pub before: Vec<Words>,
    /// Counted, from before the first one's birth to the payload's first instruction.
    pub counted: Vec<Words>,
    /// Done after, not counted.
    pub after: Vec<Words>,
}

/// Whether the noise stays where it is, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// Whether a process can be started outside.
    Outside,
    /// Forks refused to it.
    Refused,
    /// Processes of it that were killed for memory.
    KilledInside,
    /// Processes of anybody else that were.
    KilledOutside,
}

impl Fact {
    /// As a row's case ends.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Outside => "a process can be started outside",
            Self::Refused => "forks refused inside",
            Self::KilledInside => "killed for memory inside",
            Self::KilledOutside => "killed for memory outside",
        }
    }
}

/// A line of the guest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// One sample of a row of this metric ("M1i"), case and subject.
    Sample(String, String, String, f64),
    /// It did not finish: metric, case, subject, and a sentence.
    DidNotFinish(String, String, String, String),
    /// It can't go on: a sentence.
    Failed(String),
    /// All is done.
    Done,
}
