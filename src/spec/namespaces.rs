//! `linux.namespaces`, id maps and time offsets.
//!
//! It knows that every kind has exactly one answer, and refuses two entries of one kind. It refuses to know what is
//! behind a path.
//! What a newcomer would get wrong: a missing kind is not a private one. The container then shares the runtime's own.

use super::at::At;
use super::wire;
use super::wire::{Entries, Object};
use crate::error::Result;
use crate::id::HostPath;
use std::path::PathBuf;

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
    /// Where each kind's entry is in the list, by the kind.
    pub index: [usize; 8],
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

impl IdMap {
    /// Whether this map is `id` alone: the one that its owner may write without privileges, see user_namespaces(7).
    #[must_use]
    pub fn is_only(map: &[Self], id: u32) -> bool {
        matches!(map, [line] if line.size == 1 && line.host_id == id)
    }
}

/// `linux.uidMappings` and `linux.gidMappings`: of the user namespace that is made, or of the one that is joined.
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

/// The words of `linux.namespaces[].type`.
pub(super) const KINDS: &[(&str, NamespaceKind)] = &[
    ("cgroup", NamespaceKind::Cgroup),
    ("ipc", NamespaceKind::Ipc),
    ("mount", NamespaceKind::Mount),
    ("network", NamespaceKind::Network),
    ("pid", NamespaceKind::Pid),
    ("time", NamespaceKind::Time),
    ("user", NamespaceKind::User),
    ("uts", NamespaceKind::Uts),
];

/// The most lines that an id map may have, user_namespaces(7).
const ID_MAP_LINES: usize = 340;

/// What a map looks like.
const NEW_MAP: &str =
    "add a line such as {\"containerID\": 0, \"hostID\": 100000, \"size\": 65536}";

impl NamespaceKind {
    /// The word of the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

impl Namespace {
    /// Whether it is the container's own or a joined one, not simply the runtime's.
    #[must_use]
    pub fn is_apart(&self) -> bool {
        *self != Self::Inherit
    }
}

impl Namespaces {
    /// The answer for one kind.
    #[must_use]
    pub fn get(&self, kind: NamespaceKind) -> &Namespace {
        match kind {
            NamespaceKind::User => &self.user,
            NamespaceKind::Mount => &self.mount,
            NamespaceKind::Pid => &self.pid,
            NamespaceKind::Network => &self.network,
            NamespaceKind::Ipc => &self.ipc,
            NamespaceKind::Uts => &self.uts,
            NamespaceKind::Cgroup => &self.cgroup,
            NamespaceKind::Time => &self.time,
        }
    }

    /// Where its entry is in `linux.namespaces`; meaningless without one.
    #[must_use]
    pub fn index_of(&self, kind: NamespaceKind) -> usize {
        self.index.get(kind as usize).copied().unwrap_or_default()
    }

    fn set_index(&mut self, kind: NamespaceKind, index: usize) {
        if let Some(place) = self.index.get_mut(kind as usize) {
            *place = index;
        }
    }

    fn get_mut(&mut self, kind: NamespaceKind) -> &mut Namespace {
        match kind {
            NamespaceKind::User => &mut self.user,
            NamespaceKind::Mount => &mut self.mount,
            NamespaceKind::Pid => &mut self.pid,
            NamespaceKind::Network => &mut self.network,
            NamespaceKind::Ipc => &mut self.ipc,
            NamespaceKind::Uts => &mut self.uts,
            NamespaceKind::Cgroup => &mut self.cgroup,
            NamespaceKind::Time => &mut self.time,
        }
    }

    pub(super) fn read(at: At<'_>, list: wire::Objects<wire::Namespace<'_>>) -> Result<Self> {
        let mut this = Self::default();
        let list = list.map(|list| list.into_iter().enumerate().collect());
        at.each(list, |at, (index, Object(wire::Namespace { kind, path }))| {
            let name = at.required("type", kind)?;
            let kind = at.key("type").one_of(&name, "namespace type", KINDS)?;
            if this.get(kind).is_apart() {
                return Err(at.key("type").twice(&name));
            }
            this.set_index(kind, index);
            *this.get_mut(kind) = match path.filter(|path| !path.is_empty()) {
                None => Namespace::New,
                Some(path) => {
                    let path = at.key("path").absolute(&path)?.to_owned();
                    Namespace::Join(PathBuf::from(path).into())
                }
            };
            Ok(())
        })?;
        Ok(this)
    }

    /// An error unless the container is apart in `kind`, for a field that would otherwise change the host.
    pub(super) fn require(&self, kind: NamespaceKind, at: &At<'_>) -> Result<()> {
        if self.get(kind).is_apart() {
            return Ok(());
        }
        let name = kind.name();
        Err(at
            .wrong(format!("this would change the host: the container has no {name} namespace"))
            .hint(format!("add {{\"type\": \"{name}\"}} to linux.namespaces, or leave this out")))
    }
}

impl IdMaps {
    /// Both maps of `linux`, checked against the user namespace.
    pub(super) fn read(
        linux: &At<'_>,
        uid: wire::Objects<wire::IdMapping>,
        gid: wire::Objects<wire::IdMapping>,
        user: &Namespace,
    ) -> Result<Self> {
        let (at_uid, at_gid) = (linux.key("uidMappings"), linux.key("gidMappings"));
        let this = Self { uid: read_id_map(at_uid, uid)?, gid: read_id_map(at_gid, gid)? };
        for (at, map) in [(at_uid, &this.uid), (at_gid, &this.gid)] {
            match user {
                Namespace::Inherit if !map.is_empty() => {
                    return Err(at
                        .wrong("ids are mapped, but the container has no user namespace")
                        .hint("add {\"type\": \"user\"} to linux.namespaces, or leave this out"));
                }
                Namespace::New if map.is_empty() => {
                    return Err(at.wrong("a new user namespace needs this map").hint(NEW_MAP));
                }
                Namespace::Inherit | Namespace::New | Namespace::Join(_) => {}
            }
        }
        Ok(this)
    }
}

/// One map, under the rules by which the kernel takes it (user_namespaces(7), "Defining user and group ID mappings").
pub(super) fn read_id_map(at: At<'_>, lines: wire::Objects<wire::IdMapping>) -> Result<Vec<IdMap>> {
    let mut map: Vec<IdMap> = Vec::new();
    at.each(lines, |at, Object(wire::IdMapping { container_id, host_id, size })| {
        let line = IdMap {
            container_id: at.required("containerID", container_id)?,
            host_id: at.required("hostID", host_id)?,
            size: at.required("size", size)?,
        };
        check_line(&map, &line).map_err(|fault| {
            let error = match fault.key {
                Some(key) => at.key(key).wrong(fault.message),
                None => at.wrong(fault.message),
            };
            match fault.fix {
                Some(fix) => error.hint(fix),
                None => error,
            }
        })?;
        map.push(line);
        Ok(())
    })?;
    if map.len() > ID_MAP_LINES {
        let message = format!("{} lines; {ID_MAP_LINES} are the most", map.len());
        return Err(at.wrong(message).hint("join ranges that follow each other"));
    }
    Ok(map)
}

/// What is wrong with a line of a map.
pub(super) struct LineFault {
    /// Of its fields, the one.
    pub key: Option<&'static str>,
    pub message: String,
    pub fix: Option<&'static str>,
}

/// Whether `line` can follow `map`.
pub(super) fn check_line(map: &[IdMap], line: &IdMap) -> std::result::Result<(), LineFault> {
    let fault = |key, message: String, fix| Err(LineFault { key, message, fix });
    if line.size == 0 {
        return fault(Some("size"), "0 maps nothing".to_owned(), Some("use 1 or more"));
    }
    for (key, first) in [("containerID", line.container_id), ("hostID", line.host_id)] {
        if first.checked_add(line.size).is_none() {
            let message = format!("{first} and {} more go beyond 4294967294", line.size - 1);
            return fault(Some(key), message, Some("map fewer, or begin lower"));
        }
    }
    match map.iter().position(|other| overlap(line, other)) {
        Some(index) => {
            let message = format!("it overlaps with line {index} of the map");
            fault(
                None,
                message,
                Some("give each id inside one outside, and each outside one inside"),
            )
        }
        None => Ok(()),
    }
}

fn overlap(a: &IdMap, b: &IdMap) -> bool {
    let meets = |a_first: u32, b_first: u32| {
        a_first < b_first.saturating_add(b.size) && b_first < a_first.saturating_add(a.size)
    };
    meets(a.container_id, b.container_id) || meets(a.host_id, b.host_id)
}

impl TimeOffsets {
    pub(super) fn read(
        at: At<'_>,
        clocks: Option<Entries<Object<wire::TimeOffset>>>,
        time: &Namespace,
    ) -> Result<Self> {
        let mut this = Self::default();
        for (clock, Object(wire::TimeOffset { secs, nanosecs })) in clocks.unwrap_or_default().0 {
            let at = at.key(&clock);
            let nanoseconds = nanosecs.unwrap_or_default();
            if nanoseconds >= 1_000_000_000 {
                let message = format!("{nanoseconds} is a second or more");
                return Err(at.key("nanosecs").wrong(message).hint("use 0 to 999999999"));
            }
            let offset = Some((secs.unwrap_or_default(), nanoseconds));
            match clock.as_str() {
                "monotonic" => this.monotonic = offset,
                "boottime" => this.boottime = offset,
                _ => {
                    return Err(at
                        .wrong(format!("{clock:?} is no clock with an offset"))
                        .hint("use monotonic or boottime"));
                }
            }
        }
        // The offsets of a namespace that somebody is in already cannot be set: time_namespaces(7).
        if this != Self::default() && *time != Namespace::New {
            return Err(at
                .wrong("clocks can only be shifted in a new time namespace")
                .hint("add {\"type\": \"time\"} to linux.namespaces, or leave this out"));
        }
        Ok(this)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(u32, u32, u32)]) -> Result<Vec<IdMap>> {
        let lines = lines.iter().map(|(container, host, size)| {
            Object(wire::IdMapping {
                container_id: Some(*container),
                host_id: Some(*host),
                size: Some(*size),
            })
        });
        read_id_map(At::DOCUMENT, Some(lines.collect()))
    }

    const OVERLAP: &str = "it overlaps with line 0 of the map (at /1); give each id inside one outside, and each outside one inside";

    #[test]
    fn an_id_map_that_the_kernel_would_refuse_is_an_error() {
        for (lines, message) in [
            (&[(0, 0, 0)][..], "0 maps nothing (at /0/size); use 1 or more"),
            (
                &[(0, u32::MAX, 1)],
                "4294967295 and 0 more go beyond 4294967294 (at /0/hostID); map fewer, or begin lower",
            ),
            (&[(0, 1000, 10), (9, 2000, 1)], OVERLAP),
            (&[(0, 1000, 10), (10, 1009, 1)], OVERLAP),
        ] {
            assert_eq!(map(lines).map_err(|e| e.to_string()), Err(message.to_owned()), "{lines:?}");
        }
    }

    #[test]
    fn an_id_map_may_reach_the_last_id_and_touch_its_neighbour() {
        assert_eq!(
            map(&[(0, 1000, 10), (10, 1010, u32::MAX - 1010)]).map(|m| m.len()).ok(),
            Some(2)
        );
    }
}
