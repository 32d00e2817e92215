//! How the child comes into its namespaces: by the clone, by joining, or by a second clone.
//!
//! What a newcomer would get wrong: a namespace belongs to the user namespace in force when it is made. New ones beside a
//! *joined* user namespace must therefore be made after joining it, and a new pid namespace takes a child: that is the
//! one case with two clones (`Hop`).

use crate::error::{Error, Kind, Result};
use crate::host::Host;
use crate::id::{ContainerId, HostPath};
use crate::plan::cgroup::CgroupPlan;
use crate::plan::identity::Privileges;
use crate::plan::step::{Act, ParentFd, Phase, Step, Steps};
use crate::plan::{Request, labels, text};
use crate::spec::{
    IdMaps, Namespace, NamespaceKind, Namespaces, Propagation, PropagationMode, Spec, Sysctl,
    TimeOffsets,
};
use rrun_sys::script::Checkpoint;

/// A namespace that the parent opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// Its file.
    pub path: HostPath,
    /// `CLONE_NEW*`: one kind for a namespace file, any for a pidfd.
    pub kinds: u32,
    /// The field that names it.
    pub pointer: String,
}

/// What `enter` decided.
pub struct Entry {
    pub steps: Vec<Step>,
    pub clone: u64,
    pub joins: Vec<Join>,
    pub parent_joins_pid: Option<usize>,
    pub id_maps: Option<IdMaps>,
}

/// The order in which namespaces are joined: the user namespace gives the right to the others, the mount namespace comes
/// last because paths change with it.
const JOIN_ORDER: [NamespaceKind; 8] = [
    NamespaceKind::User,
    NamespaceKind::Pid,
    NamespaceKind::Network,
    NamespaceKind::Ipc,
    NamespaceKind::Uts,
    NamespaceKind::Time,
    NamespaceKind::Cgroup,
    NamespaceKind::Mount,
];

/// `CLONE_NEW*` of a kind.
pub fn flag(kind: NamespaceKind) -> u32 {
    let flag = match kind {
        NamespaceKind::User => libc::CLONE_NEWUSER,
        NamespaceKind::Mount => libc::CLONE_NEWNS,
        NamespaceKind::Pid => libc::CLONE_NEWPID,
        NamespaceKind::Network => libc::CLONE_NEWNET,
        NamespaceKind::Ipc => libc::CLONE_NEWIPC,
        NamespaceKind::Uts => libc::CLONE_NEWUTS,
        NamespaceKind::Cgroup => libc::CLONE_NEWCGROUP,
        NamespaceKind::Time => libc::CLONE_NEWTIME,
    };
    flag.unsigned_abs()
}

/// Which new namespaces the clone makes. The cgroup namespace's root is the cgroup of whoever makes it: the child, once it
/// is in its own. Time offsets can only be written before anybody enters.
fn by_the_clone(namespaces: &Namespaces, has_offsets: bool) -> u32 {
    let by_child =
        |kind| kind == NamespaceKind::Cgroup || (kind == NamespaceKind::Time && has_offsets);
    let new = |kind: &NamespaceKind| *namespaces.get(*kind) == Namespace::New && !by_child(*kind);
    JOIN_ORDER.into_iter().filter(new).fold(0, |kinds, kind| kinds | flag(kind))
}

/// From the clone to a process in all its namespaces, root of its user namespace, with its rootfs opened.
pub fn enter(
    spec: &Spec,
    host: &Host,
    request: &Request,
    cgroup: &CgroupPlan,
    id: &ContainerId,
) -> Result<Entry> {
    let namespaces = &spec.namespaces;
    refuse_unprivileged(spec, host)?;
    let mut steps = Steps::default();
    let mut joins = joins(spec);
    let new_user = namespaces.user == Namespace::New;
    let joined_user = matches!(namespaces.user, Namespace::Join(_));
    let offsets = timens_offsets(spec.time_offsets);

    let mut kinds = by_the_clone(namespaces, offsets.is_some());
    if borrows_mounts(spec) {
        kinds |= flag(NamespaceKind::Mount);
    }
    let hop = joined_user && kinds != 0;
    let parent_joins_pid = (!hop)
        .then(|| joins.iter().position(|join| join.kinds == flag(NamespaceKind::Pid)))
        .flatten();

    steps.push(Phase::Enter, Act::CloseFrom(3 + request.preserve_fds));
    // A controller of a v1 hierarchy wants the child's pid.
    let joins_cgroups = !cgroup.v1.is_empty();
    if joins_cgroups {
        steps.push(Phase::Enter, Act::JoinCgroups);
    }
    // So does systemd, before the child makes its cgroup the root of a namespace.
    if new_user || joins_cgroups || cgroup.scope.is_some() {
        steps.push(Phase::Enter, Act::Reach(Checkpoint::Cloned));
    }
    steps.push(Phase::Enter, Act::Affinity(None));
    for (index, join) in joins.iter().enumerate() {
        if parent_joins_pid != Some(index) {
            let act = Act::Join { fd: ParentFd::Join(index), kinds: join.kinds };
            steps.push_at(Phase::Enter, act, join.pointer.clone());
        }
    }
    if hop {
        steps.push(Phase::Enter, Act::Hop { kinds });
    }
    if namespaces.cgroup == Namespace::New {
        steps.push(Phase::Enter, Act::Unshare { kinds: flag(NamespaceKind::Cgroup) });
    }
    if let Some(offsets) = offsets {
        steps.push_at(Phase::Enter, Act::TimeNamespace { offsets }, "/linux/timeOffsets");
    }
    open_rootfs(spec, &mut steps)?;
    if new_user || joined_user {
        let set_groups = Privileges::of(spec, host).set_groups;
        steps.push(Phase::Enter, Act::BecomeRoot { set_groups });
    }
    labels::session(id, spec.process.as_ref(), request, &mut steps)?;
    if namespaces.network == Namespace::New {
        steps.push(Phase::Enter, Act::LoopbackUp);
    }
    // Modes of what is made from here on are exact.
    steps.push(Phase::Enter, Act::Umask(0));
    if borrows_mounts(spec) {
        joins.push(ours());
    }
    Ok(Entry {
        steps: steps.list,
        clone: if hop { 0 } else { kinds.into() },
        joins,
        parent_joins_pid,
        id_maps: new_user.then(|| spec.id_maps.clone()),
    })
}

/// Whether the container shares the host's mounts and is to have some of its own: they are made in a mount namespace that
/// it leaves again.
pub fn borrows_mounts(spec: &Spec) -> bool {
    let has_any = !spec.mounts.is_empty()
        || spec.rootfs_readonly
        || !spec.masked_paths.is_empty()
        || !spec.readonly_paths.is_empty();
    spec.namespaces.mount == Namespace::Inherit && has_any
}

/// Whether nothing is mounted at all.
pub fn only_chroots(spec: &Spec) -> bool {
    spec.namespaces.mount == Namespace::Inherit && !borrows_mounts(spec)
}

/// The mount namespace that the container goes back to: the last of the joins, and the last to be joined.
fn ours() -> Join {
    Join {
        path: std::path::PathBuf::from("/proc/self/ns/mnt").into(),
        kinds: flag(NamespaceKind::Mount),
        pointer: "/linux/namespaces".to_owned(),
    }
}

/// Back to the host's mounts, with the rootfs as root.
pub fn withdraw(spec: &Spec) -> Act {
    Act::Withdraw { namespace: ParentFd::Join(joins(spec).len()) }
}

/// Without root, everything needs a user namespace: say so before the kernel says EPERM.
fn refuse_unprivileged(spec: &Spec, host: &Host) -> Result<()> {
    let makes_any = JOIN_ORDER.iter().any(|kind| *spec.namespaces.get(*kind) == Namespace::New);
    if spec.namespaces.user == Namespace::Inherit
        && makes_any
        && host.permitted_caps & (1 << 21) == 0
    {
        return Err(Error::new(
            Kind::Denied,
            "namespaces need CAP_SYS_ADMIN, or a user namespace of their own",
        )
        .at("/linux/namespaces")
        .hint("run as root, or add a namespace of type user with uidMappings and gidMappings (rrun spec --rootless)"));
    }
    Ok(())
}

fn joins(spec: &Spec) -> Vec<Join> {
    JOIN_ORDER
        .into_iter()
        .filter_map(|kind| match spec.namespaces.get(kind) {
            Namespace::Join(path) => Some(Join {
                path: path.clone(),
                kinds: flag(kind),
                pointer: format!("/linux/namespaces/{}/path", spec.namespaces.index_of(kind)),
            }),
            _ => None,
        })
        .collect()
}

/// As `/proc/PID/timens_offsets` takes them: clock, seconds, nanoseconds, a line each (time_namespaces(7)).
fn timens_offsets(offsets: TimeOffsets) -> Option<Vec<u8>> {
    let line = |clock: &str, value: Option<(i64, u32)>| {
        value.map(|(seconds, nanoseconds)| format!("{clock} {seconds} {nanoseconds}\n"))
    };
    let lines: String = [line("monotonic", offsets.monotonic), line("boottime", offsets.boottime)]
        .into_iter()
        .flatten()
        .collect();
    (!lines.is_empty()).then(|| lines.into_bytes())
}

/// The rootfs is opened before the child becomes root of a user namespace: the path to it may be open to the caller only.
fn open_rootfs(spec: &Spec, steps: &mut Steps) -> Result<()> {
    let path = text("/root/path", &spec.rootfs.to_string())?;
    if only_chroots(spec) {
        steps.push_at(Phase::Enter, Act::OpenDirectory { path }, "/root/path");
        return Ok(());
    }
    let from_host = propagation_from_host(spec);
    if let (Namespace::New | Namespace::Inherit, Some(mode)) = (&spec.namespaces.mount, from_host) {
        let act = Act::RootPropagation { mode, recursive: true };
        steps.push_at(Phase::Enter, act, pointer_of(spec.rootfs_propagation));
    }
    let act = Act::OpenRootfs { path, isolate_parent: from_host.is_none() };
    steps.push_at(Phase::Enter, act, "/root/path");
    Ok(())
}

/// What cuts the container's mounts off, so that nothing mounted from here on reaches the host; `None` where the root is
/// asked to stay shared with it.
pub fn propagation_from_host(spec: &Spec) -> Option<u64> {
    match spec.rootfs_propagation.map(|propagation| propagation.mode) {
        Some(PropagationMode::Shared) => None,
        Some(PropagationMode::Private | PropagationMode::Unbindable) => Some(libc::MS_PRIVATE),
        Some(PropagationMode::Slave) | None => Some(libc::MS_SLAVE),
    }
}

fn pointer_of(propagation: Option<Propagation>) -> &'static str {
    if propagation.is_some() { "/linux/rootfsPropagation" } else { "" }
}

/// What is set inside the namespaces.
pub fn settings(spec: &Spec, steps: &mut Steps) -> Result<()> {
    if let Some(name) = &spec.hostname {
        let act = Act::Hostname(text("/hostname", name)?);
        steps.push_at(Phase::Prepare, act, "/hostname");
    }
    if let Some(name) = &spec.domainname {
        let act = Act::Domainname(text("/domainname", name)?);
        steps.push_at(Phase::Prepare, act, "/domainname");
    }
    for (path, Sysctl { pointer, value }) in &spec.sysctl {
        let pointer = pointer.clone();
        let path = text(&pointer, &format!("sys/{path}"))?;
        let value = text(&pointer, value)?;
        steps.push_at(Phase::Prepare, Act::Sysctl { path, value }, pointer);
    }
    Ok(())
}

/// A mount attribute change that only sets propagation, for the new root.
pub fn root_propagation_after_pivot(spec: &Spec) -> Option<u64> {
    match spec.rootfs_propagation?.mode {
        PropagationMode::Shared => Some(libc::MS_SHARED),
        PropagationMode::Unbindable => Some(libc::MS_UNBINDABLE),
        PropagationMode::Slave | PropagationMode::Private => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_written_one_clock_a_line_and_not_at_all_when_none_is_given() {
        assert_eq!(timens_offsets(TimeOffsets::default()), None);
        let both = TimeOffsets { monotonic: Some((-10, 5)), boottime: Some((1, 0)) };
        assert_eq!(timens_offsets(both), Some(b"monotonic -10 5\nboottime 1 0\n".to_vec()));
    }
}
