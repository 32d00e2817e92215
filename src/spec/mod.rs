//! Layer 1, pure: config.json becomes a [`Spec`], in which every field is resolved and nothing is optional that the
//! runtime-spec gives a default.
//!
//! It knows the OCI text and nothing of this host, of the kernel's answers or of what will be done.
//! What a newcomer would get wrong: a field added to `wire` that is not consumed does not compile; each is used here or
//! answered with `Kind::Unsupported` and its JSON pointer.

mod hooks;
mod mounts;
mod namespaces;
mod process;
mod resources;
mod seccomp;

pub use hooks::{Hook, HookPhase, Hooks};
pub use mounts::{FsType, IdMapped, Mount, MountAttrs, Propagation, PropagationMode};
pub use namespaces::{IdMap, IdMaps, Namespace, NamespaceKind, Namespaces, TimeOffsets};
pub use process::{CapSet, Capabilities, Privileges, Process, Rlimit, Terminal, User};
pub use resources::{
    BlockIo, CgroupPath, Cpu, DeviceAccess, DeviceKind, DeviceNode, DeviceNumber, DeviceRate,
    DeviceRule, DeviceWeight, HugePages, Limit, Memory, Network, Rdma, Resources,
};
pub use seccomp::{Action, Arch, Comparator, Condition, FilterFlag, Profile, Rule};

use crate::id::{HostPath, InnerPath};
use std::collections::BTreeMap;

/// A whole config.json, parsed and cross-checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// `ociVersion`, a semantic version of major 1.
    pub version: String,
    /// `root.path`, absolute on the host.
    pub rootfs: HostPath,
    /// `root.readonly`.
    pub rootfs_readonly: bool,
    /// `process`; `create` and `run` need one, and say so.
    pub process: Option<Process>,
    /// `hostname`, at most 64 bytes; needs a uts namespace that is not the host's.
    pub hostname: Option<String>,
    /// `domainname`, at most 64 bytes; the same.
    pub domainname: Option<String>,
    /// `mounts`, in order.
    pub mounts: Vec<Mount>,
    /// `hooks`, six lists.
    pub hooks: Hooks,
    /// `annotations`.
    pub annotations: BTreeMap<String, String>,
    /// `linux.namespaces`, total over the eight kinds.
    pub namespaces: Namespaces,
    /// `linux.uidMappings` and `linux.gidMappings`; empty without a new user namespace.
    pub id_maps: IdMaps,
    /// `linux.timeOffsets`; zero when absent.
    pub time_offsets: TimeOffsets,
    /// `linux.devices`: nodes to make besides the default ones.
    pub devices: Vec<DeviceNode>,
    /// `linux.cgroupsPath`, or `None` when the runtime chooses.
    pub cgroups_path: Option<CgroupPath>,
    /// `linux.resources`.
    pub resources: Resources,
    /// `linux.rootfsPropagation`.
    pub rootfs_propagation: Option<Propagation>,
    /// `linux.maskedPaths`.
    pub masked_paths: Vec<InnerPath>,
    /// `linux.readonlyPaths`.
    pub readonly_paths: Vec<InnerPath>,
    /// `linux.sysctl`: dotted or slashed name to value, each namespaced and its namespace not the host's.
    pub sysctl: BTreeMap<String, String>,
    /// `linux.seccomp`.
    pub seccomp: Option<Profile>,
    /// `linux.personality.domain`: `PER_LINUX` (0) or `PER_LINUX32` (8).
    pub personality: Option<u32>,
    /// What is odd but no error (an unknown capability, say): one lower-case line each, logged by `main`.
    pub warnings: Vec<String>,
}
