//! `process`: what runs, as whom, with which privileges.
//!
//! It knows the fields' meaning. It refuses to know whether this host can grant them.

use crate::id::InnerPath;

/// The program of a container, or of an exec.
#[derive(Debug, Clone, PartialEq)]
pub struct Process {
    /// `args`, at least one.
    pub args: Vec<String>,
    /// `env` as given: `NAME=value`, duplicates resolved (the last wins, in the place of the first).
    pub env: Vec<String>,
    /// `cwd`, absolute.
    pub cwd: InnerPath,
    /// `terminal` and `consoleSize`.
    pub terminal: Terminal,
    /// `user`.
    pub user: User,
    /// `capabilities`; an absent object is five empty sets.
    pub capabilities: Capabilities,
    /// `noNewPrivileges`.
    pub privileges: Privileges,
    /// `rlimits`, no duplicates.
    pub rlimits: Vec<Rlimit>,
    /// `oomScoreAdj`, -1000 to 1000.
    pub oom_score_adj: Option<i32>,
    /// `apparmorProfile`.
    pub apparmor_profile: Option<String>,
}

/// `process.terminal`, with the size of the console in character cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terminal {
    /// Standard streams are inherited.
    None,
    /// A pty becomes the standard streams and `/dev/console`.
    Pty {
        /// `consoleSize`: rows and columns.
        size: Option<(u16, u16)>,
    },
}

/// `process.user`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// As seen in the container's user namespace.
    pub uid: u32,
    /// As seen in the container's user namespace.
    pub gid: u32,
    /// File mode creation mask; `None` leaves 0o022.
    pub umask: Option<u32>,
    /// Supplementary groups.
    pub additional_gids: Vec<u32>,
}

/// The five sets of `process.capabilities`. Names that no kernel knows were warned about and dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// Limits what the others can ever hold.
    pub bounding: CapSet,
    /// In force.
    pub effective: CapSet,
    /// Kept across execve of files with inheritable sets.
    pub inheritable: CapSet,
    /// May be raised.
    pub permitted: CapSet,
    /// Kept across execve of ordinary files; the kernel demands permitted and inheritable too.
    pub ambient: CapSet,
}

/// A set of capabilities: bit *n* is the capability of number *n*, as capset(2) counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CapSet(pub u64);

/// `process.noNewPrivileges`, as a name instead of a boolean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privileges {
    /// `PR_SET_NO_NEW_PRIVS` is set: set-user-id programs grant nothing.
    NoNew,
    /// They may.
    MayGain,
}

/// One of `process.rlimits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rlimit {
    /// The kernel's number (`RLIMIT_NOFILE` is 7).
    pub resource: u32,
    /// Its name in the configuration, for messages.
    pub name: &'static str,
    /// Soft limit, in the resource's own unit; `u64::MAX` is infinity.
    pub soft: u64,
    /// Hard limit.
    pub hard: u64,
}
