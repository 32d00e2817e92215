//! Layer 1, pure: config.json becomes a [`Spec`], in which every field is resolved and nothing is optional that the
//! runtime-spec gives a default.
//!
//! It knows the OCI text and nothing of this host, of the kernel's answers or of what will be done.
//! What a newcomer would get wrong: a field added to `wire` that is not consumed does not compile; each is used here or
//! answered with `Kind::Unsupported` and its JSON pointer.

mod at;
mod capabilities;
mod crun;
mod devices;
mod fs_options;
mod hardening;
mod hooks;
mod idmapped;
mod limits;
mod linux;
mod memory_policy;
mod mounts;
mod namespaces;
mod net_devices;
mod number_set;
mod options;
mod process;
mod raw_filter;
mod rdt;
mod resources;
mod scheduling;
mod seccomp;
mod sysctl;
mod wire;
pub mod words;

pub use capabilities::{CapSet, Capabilities};
pub use crun::{Crun, PREFIX as CRUNS_ANNOTATIONS};
pub use devices::{DeviceAccess, DeviceKind, DeviceNode, DeviceNumber, DeviceRule};
pub use hardening::{Hardening, Landlock, PREFIX as OUR_ANNOTATIONS};
pub use hooks::{Hook, HookPhase, Hooks};
pub use memory_policy::MemoryPolicy;
pub(crate) use memory_policy::flag_names as memory_flag_names;
pub use mounts::{FsType, IdMapped, Links, Mount, MountAttrs, Propagation, PropagationMode};
pub use namespaces::{IdMap, IdMaps, Namespace, NamespaceKind, Namespaces, TimeOffsets};
pub use net_devices::NetDevice;
pub use number_set::NumberSet;
pub use process::{Privileges, Process, Rlimit, Terminal, User};
pub use raw_filter::RawFilter;
pub use rdt::{Clos, IntelRdt};
pub use resources::{
    BlockIo, CgroupPath, Cpu, DeviceRate, DeviceWeight, HugePages, Limit, Memory, Network, Rdma,
    Resources,
};
pub(crate) use scheduling::flag_names as scheduler_flag_names;
pub use scheduling::{ExecAffinity, IoPriority, Scheduler};
pub use seccomp::{Action, Arch, Comparator, Condition, FilterFlag, Profile, Rule};
pub use sysctl::Sysctl;

#[cfg(doc)]
use crate::error::Kind;
use crate::error::{Error, Result};
use crate::id::{HostPath, InnerPath};
use at::At;
use linux::Linux;
use mounts::Surroundings;
use std::collections::BTreeMap;
use std::path::Path;
use wire::{Object, Text};

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
    /// What annotations of ours take away.
    pub hardening: Hardening,
    /// What annotations of crun's ask for.
    pub crun: Crun,
    /// `linux.namespaces`, total over the eight kinds. Without `mount` there are no mounts, and nothing is masked or
    /// read-only.
    pub namespaces: Namespaces,
    /// `linux.uidMappings` and `linux.gidMappings`; empty without a user namespace, and maybe with a joined one.
    pub id_maps: IdMaps,
    /// `linux.timeOffsets`; zero when absent.
    pub time_offsets: TimeOffsets,
    /// `linux.devices`: nodes to make besides the default ones.
    pub devices: Vec<DeviceNode>,
    /// `linux.netDevices`: devices to move into the network namespace, which is not the host's; by name.
    pub net_devices: Vec<NetDevice>,
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
    /// `linux.sysctl`: path below `/proc/sys` (`net/ipv4/ip_forward`) to value, each namespaced and its namespace not
    /// the host's.
    pub sysctl: BTreeMap<String, Sysctl>,
    /// `linux.seccomp`.
    pub seccomp: Option<Profile>,
    /// `linux.personality.domain`: `PER_LINUX` (0) or `PER_LINUX32` (8).
    pub personality: Option<u32>,
    /// `linux.memoryPolicy`.
    pub memory_policy: Option<MemoryPolicy>,
    /// `linux.mountLabel`: the SELinux context of what is mounted.
    pub mount_label: Option<String>,
    /// `linux.intelRdt`.
    pub intel_rdt: Option<IntelRdt>,
    /// What is odd but no error (an unknown capability, say): one lower-case line each, logged by `main`.
    pub warnings: Vec<String>,
}

/// The longest name that sethostname(2) takes.
const NAME_MAX: usize = 64;

impl Spec {
    /// Parses a config.json whose bundle is the (absolute) directory `bundle`. Reads nothing but `json`.
    ///
    /// # Errors
    /// [`Kind::Spec`] when the configuration is wrong, [`Kind::Unsupported`] when it asks for what this version does not
    /// do; either with the JSON pointer of the field, unless the text is no JSON at all.
    pub fn parse(json: &[u8], bundle: &Path) -> Result<Self> {
        let mut config = wire::parse(json)?;
        crun::place_receiver(&At::DOCUMENT, &mut config)?;
        let mut spec = Self::read(At::DOCUMENT, config, bundle)?;
        let Self { annotations, mounts, warnings, hardening, seccomp, .. } = &mut spec;
        let at = At::DOCUMENT.key("annotations");
        *hardening = Hardening::read(&at, annotations, mounts, warnings)?;
        hardening.filter = RawFilter::read(&at, annotations, seccomp.is_some())?;
        crun::read(&at, &mut spec)?;
        check_mounts(At::DOCUMENT, &spec)?;
        Ok(spec)
    }

    /// Whether anything in it is a label of a security module.
    #[must_use]
    pub fn has_labels(&self) -> bool {
        self.mount_label.is_some() || self.process.as_ref().is_some_and(Process::has_labels)
    }

    #[allow(clippy::too_many_lines, reason = "one line for each field: a table")]
    fn read(at: At<'_>, config: wire::Config<'_>, bundle: &Path) -> Result<Self> {
        let mut warnings = Vec::new();
        let wire::Config {
            oci_version,
            root,
            process,
            hostname,
            domainname,
            mounts,
            hooks,
            annotations,
            linux,
            vm,
            windows,
            solaris,
            freebsd,
            zos,
        } = config;
        let version = read_version(at.key("ociVersion"), &at.required("ociVersion", oci_version)?)?;
        let others = [
            ("windows", windows.is_some()),
            ("solaris", solaris.is_some()),
            ("freebsd", freebsd.is_some()),
            ("zos", zos.is_some()),
        ];
        read_platforms(at, vm.is_some(), &others, &mut warnings)?;
        let Object(wire::Root { path, readonly }) = at.required("root", root)?;
        let rootfs = read_rootfs(at.key("root"), path, bundle)?;
        let process = process
            .map(|Object(process)| Process::read(at.key("process"), process, &mut warnings))
            .transpose()?;
        let linux = linux
            .map(|Object(linux)| Linux::read(at.key("linux"), linux, &mut warnings))
            .transpose()?
            .unwrap_or_default();
        let user = &linux.namespaces.user;
        let around = Surroundings { bundle, user, maps: &linux.id_maps };
        Ok(Self {
            version,
            rootfs,
            rootfs_readonly: readonly.unwrap_or_default(),
            process,
            hostname: read_name(at.key("hostname"), hostname, &linux.namespaces)?,
            domainname: read_name(at.key("domainname"), domainname, &linux.namespaces)?,
            mounts: Mount::read_all(at.key("mounts"), mounts, around, &mut warnings)?,
            hooks: Hooks::read(at.key("hooks"), hooks)?,
            annotations: read_annotations(at.key("annotations"), annotations)?,
            hardening: Hardening::default(),
            crun: Crun::default(),
            namespaces: linux.namespaces,
            id_maps: linux.id_maps,
            time_offsets: linux.time_offsets,
            devices: linux.devices,
            net_devices: linux.net_devices,
            cgroups_path: linux.cgroups_path,
            resources: linux.resources,
            rootfs_propagation: linux.rootfs_propagation,
            masked_paths: linux.masked_paths,
            readonly_paths: linux.readonly_paths,
            sysctl: linux.sysctl,
            seccomp: linux.seccomp,
            personality: linux.personality,
            memory_policy: linux.memory_policy,
            mount_label: linux.mount_label,
            intel_rdt: linux.intel_rdt,
            warnings,
        })
    }
}

/// A semantic version of major 1, the only one there is; a later minor one only adds, says the runtime-spec.
fn read_version(at: At<'_>, version: &str) -> Result<String> {
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<&str> = core.split('.').collect();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if numbers.len() != 3 || !numbers.iter().all(is_number) {
        return Err(at.wrong(format!("{version:?} is no version")).hint("write it as 1.3.0"));
    }
    if numbers.first() != Some(&"1") {
        let message = format!("{version:?} is not a version of the runtime-spec that rrun knows");
        return Err(at.wrong(message).hint("use 1.0.0 to 1.3.0"));
    }
    Ok(version.to_owned())
}

/// The objects of other platforms, and whether each is there. A container is no stand-in for the virtual machine that `vm`
/// asks for, so that one is refused.
fn read_platforms(
    at: At<'_>,
    vm: bool,
    others: &[(&str, bool)],
    warnings: &mut Vec<String>,
) -> Result<()> {
    if vm {
        return Err(at
            .key("vm")
            .unsupported("rrun runs no virtual machines")
            .hint("leave this out, or use a runtime that does"));
    }
    for (key, _) in others.iter().filter(|(_, present)| *present) {
        warnings.push(at.key(key).warning("ignored: this is a Linux runtime"));
    }
    Ok(())
}

/// Without a mount namespace of its own, a container is given its mounts in one that it leaves: they are its own all the
/// same, but nothing is propagated to or from them, and a user namespace would not let it go back.
fn check_mounts(at: At<'_>, spec: &Spec) -> Result<()> {
    if spec.namespaces.mount.is_apart() {
        return Ok(());
    }
    let (root, linux) = (at.key("root"), at.key("linux"));
    if spec.rootfs_propagation.is_some() {
        spec.namespaces.require(NamespaceKind::Mount, &linux.key("rootfsPropagation"))?;
    }
    let private =
        |mount: &&Mount| mount.propagation.is_none_or(|it| it.mode == PropagationMode::Private);
    let says = "without a mount namespace of the container's own,";
    let hint = "add {\"type\": \"mount\"} to linux.namespaces, or leave this out";
    if let Some(mount) = spec.mounts.iter().find(|mount| !private(mount)) {
        let options = format!("/mounts/{}/options", mount.index);
        return Err(Error::spec(options, format!("{says} mounts can only be private")).hint(hint));
    }
    let apart = spec.namespaces.user.is_apart();
    for (place, mounts) in [
        (at.key("mounts"), !spec.mounts.is_empty()),
        (root.key("readonly"), spec.rootfs_readonly),
        (linux.key("maskedPaths"), !spec.masked_paths.is_empty()),
        (linux.key("readonlyPaths"), !spec.readonly_paths.is_empty()),
    ] {
        if apart && mounts {
            return Err(place.wrong(format!("{says} a user namespace can't mount")).hint(hint));
        }
    }
    Ok(())
}

fn read_rootfs(at: At<'_>, path: Option<Text<'_>>, bundle: &Path) -> Result<HostPath> {
    let path = at.required("path", path)?;
    if path.is_empty() {
        return Err(at.key("path").wrong("the path is empty").hint("name a directory"));
    }
    Ok(HostPath::below(bundle, &path))
}

/// A host or domain name: of a namespace that the container does not share with the host.
fn read_name(
    at: At<'_>,
    name: Option<Text<'_>>,
    namespaces: &Namespaces,
) -> Result<Option<String>> {
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(None) };
    if name.len() > NAME_MAX {
        let message = format!("{:?} has {} bytes; {NAME_MAX} are the most", &*name, name.len());
        return Err(at.wrong(message).hint("shorten it"));
    }
    namespaces.require(NamespaceKind::Uts, &at)?;
    Ok(Some(name.into_string()))
}

fn read_annotations(
    at: At<'_>,
    annotations: Option<wire::Entries<String>>,
) -> Result<BTreeMap<String, String>> {
    let annotations = annotations.unwrap_or_default().0;
    if annotations.contains_key("") {
        return Err(at.key("").wrong("the key of an annotation is empty").hint("name it"));
    }
    Ok(annotations)
}
