//! What became of a process that was started: its times, or why there are none.
//!
//! What a newcomer would get wrong: who hangs is given up and the rounds go on, who fails ends them.

use std::time::Duration;

/// Why there is no figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// It was still at it when it was given up, and has been killed.
    Hung(String),
    /// It failed, or said what can't be.
    Failed(String),
}

impl Wrong {
    /// The sentence.
    #[must_use]
    pub fn sentence(&self) -> &str {
        match self {
            Self::Hung(sentence) | Self::Failed(sentence) => sentence,
        }
    }
}

/// A process that has ended well.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// t0, by `CLOCK_MONOTONIC`.
    pub began: Duration,
    /// t3, by the same clock.
    pub ended: Duration,
    /// Of the processors, in user space and in the kernel.
    pub cpu: Duration,
    /// How often it had to leave a processor against its will.
    pub switches: u32,
}

impl Ended {
    /// t0→t3.
    #[must_use]
    pub fn wall(&self) -> Duration {
        self.ended - self.began
    }
}

/// What a payload said of its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// t1: its own clock at its first instruction.
    pub first_instruction: Duration,
    /// t2: when that arrived here.
    pub first_byte: Duration,
}
