//! "Do this work as that subject, and tell me its samples": the program `workload` as a bare process, in a container of
//! a runtime, in a guest.
//!
//! ```text
//! Subject::start(Task) ──► Running ── line ──► "hog started"         the work goes on until it is dropped
//!                                  ── answer ► Answer: name → samples   until "done" and its end
//! ```
//!
//! It refuses an answer that is not whole: a subject that never says `done`, that dies, or that says anything else than
//! samples is an error that names the subject and the op. What a newcomer would get wrong: a container outlives the
//! killed `runtime run` that started it; dropping a [`Running`] ends the container first.

mod answer;
mod container;
mod guest;
mod running;

pub use answer::{Answer, Said};
pub use container::{Container, containers, rootfs};
pub use guest::Guest;
pub use running::Running;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// An op of `workload` and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its name.
    pub op: String,
    /// `key=value`, without spaces and quotes.
    pub words: Vec<String>,
}

impl Task {
    /// This op with its defaults.
    #[must_use]
    pub fn new(op: &str) -> Self {
        Self { op: op.to_owned(), words: Vec::new() }
    }

    /// With this argument.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        self.words.push(format!("{key}={value}"));
        self
    }
}

/// A process of this machine.
#[derive(Debug, Clone)]
pub struct Bare {
    /// As rows call it: `bare`, `bare, one cgroup`.
    pub name: String,
    /// What comes before the program: `ip netns exec NAME`, or a shell that enters a cgroup.
    pub before: Vec<String>,
    /// The program, with `workload`'s arguments and voice.
    pub program: PathBuf,
}

impl Bare {
    /// The program without anything before it.
    #[must_use]
    pub fn new(program: PathBuf) -> Self {
        Self { name: "bare".to_owned(), before: Vec::new(), program }
    }

    fn command(&self, task: &Task) -> Command {
        let mut words = self.before.iter().map(PathBuf::from).chain([self.program.clone()]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).arg(&task.op).args(&task.words);
        command
    }
}

/// Who works.
#[derive(Debug, Clone)]
pub enum Subject {
    /// A process of this machine.
    Bare(Bare),
    /// The process of a container.
    Container(Container),
    /// /init of a guest.
    Guest(Box<Guest>),
}

impl Subject {
    /// As rows call it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Bare(bare) => &bare.name,
            Self::Container(container) => &container.name,
            Self::Guest(guest) => &guest.name,
        }
    }

    /// Starts the work.
    ///
    /// # Errors
    /// A sentence that names the subject and the op.
    pub fn start(&self, task: &Task) -> Result<Running, String> {
        let who = format!("{}: {}", self.name(), task.op);
        let started = match self {
            Self::Bare(bare) => Running::process(&who, bare.command(task), None),
            Self::Container(container) => container.start(&who, task),
            Self::Guest(guest) => guest.start(&who, task),
        };
        started.map_err(|why| format!("{who}: {why}"))
    }

    /// Does the work and waits for its end, at most this long.
    ///
    /// # Errors
    /// A sentence that names the subject and the op.
    pub fn run(&self, task: &Task, patience: Duration) -> Result<Answer, String> {
        self.start(task)?.answer(Instant::now() + patience)
    }
}
