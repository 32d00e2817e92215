//! `linux.namespaces`, id maps and time offsets.
//!
//! It knows that every kind has exactly one answer, and refuses two entries of one kind.

use crate::id::HostPath;

/// The eight kinds, in the order in which rrun prints them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NamespaceKind {
    /// `user`
    User,
    /// `mount`
    Mount,
    /// `pid`
    Pid,
    /// `network`
    Network,
    /// `ipc`
    Ipc,
    /// `uts`
    Uts,
    /// `cgroup`
    Cgroup,
    /// `time`
    Time,
}

/// What the container gets of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Namespace {
    /// The runtime's own: no entry in `linux.namespaces`.
    #[default]
    Inherit,
    /// A new one: an entry without `path`.
    New,
    /// The one at this path (an absolute path of the host).
    Join(HostPath),
}

/// Total over the kinds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Namespaces {
    /// `user`
    pub user: Namespace,
    /// `mount`
    pub mount: Namespace,
    /// `pid`
    pub pid: Namespace,
    /// `network`
    pub network: Namespace,
    /// `ipc`
    pub ipc: Namespace,
    /// `uts`
    pub uts: Namespace,
    /// `cgroup`
    pub cgroup: Namespace,
    /// `time`
    pub time: Namespace,
}

/// One line of an id map: `size` ids from `container_id` inside are those from `host_id` outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdMap {
    /// First id inside.
    pub container_id: u32,
    /// First id outside.
    pub host_id: u32,
    /// How many, at least 1.
    pub size: u32,
}

/// `linux.uidMappings` and `linux.gidMappings`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IdMaps {
    /// Users.
    pub uid: Vec<IdMap>,
    /// Groups.
    pub gid: Vec<IdMap>,
}

/// `linux.timeOffsets`: seconds and nanoseconds to add to each clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimeOffsets {
    /// `CLOCK_MONOTONIC`.
    pub monotonic: Option<(i64, u32)>,
    /// `CLOCK_BOOTTIME`.
    pub boottime: Option<(i64, u32)>,
}
