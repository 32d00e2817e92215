//! What an engine does with a runtime, as `docs/engines.md` lists it.
//!
//! Knows the lines of that table and nothing of who proves them: each case and each test says that of itself, and
//! `tests/guides/table.rs` reads what they say. A newcomer would tick a line by hand; a line is there because a case is.

/// A line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ability {
    /// A container runs; its exit code and its streams arrive.
    Run,
    /// A second process in it.
    Exec,
    /// Either of them on a terminal, which follows the size of the caller's.
    Tty,
    /// What it wrote is kept, and told later.
    Logs,
    /// Limits that are seen inside or at its cgroup.
    Limits,
    /// That the kernel killed it for want of memory is told.
    OutOfMemory,
    /// 126, 127 and 137, or the words that callers turn into them.
    ExitCodes,
    /// It starts again when it has ended.
    Restart,
    /// It stops where it is, and goes on.
    Pause,
    /// What it uses.
    Stats,
    /// Other limits while it runs.
    Update,
    /// A signal that ends it.
    Kill,
    /// Nothing is left of it.
    Delete,
    /// Several containers of one file, up and down again.
    Compose,
}

/// A test or a case by its name, and what it proves.
pub type Proof = (&'static str, &'static [Ability]);

impl Ability {
    /// All, in the table's order.
    pub const ALL: &[Ability] = &[
        Ability::Run,
        Ability::Exec,
        Ability::Tty,
        Ability::Logs,
        Ability::Limits,
        Ability::OutOfMemory,
        Ability::ExitCodes,
        Ability::Restart,
        Ability::Pause,
        Ability::Stats,
        Ability::Update,
        Ability::Kill,
        Ability::Delete,
        Ability::Compose,
    ];

    /// As the table calls it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Ability::Run => "run",
            Ability::Exec => "exec",
            Ability::Tty => "tty",
            Ability::Logs => "logs",
            Ability::Limits => "limits",
            Ability::OutOfMemory => "OOM reported",
            Ability::ExitCodes => "exit codes 126, 127, 137",
            Ability::Restart => "restart policy",
            Ability::Pause => "pause",
            Ability::Stats => "stats",
            Ability::Update => "update",
            Ability::Kill => "kill",
            Ability::Delete => "delete",
            Ability::Compose => "compose up, down",
        }
    }
}
