//! The `linux` object, taken apart: each field goes to the module that knows it.
//!
//! It knows which fields there are. It refuses to know what they mean.
//! What a newcomer would get wrong: namespaces come first, because half of the other fields only make sense in one that
//! the container does not share with the host.

use super::at::At;
use super::devices::DeviceNode;
use super::memory_policy::MemoryPolicy;
use super::mounts::Propagation;
use super::namespaces::{IdMaps, Namespaces, TimeOffsets};
use super::net_devices::NetDevice;
use super::options;
use super::rdt::IntelRdt;
use super::resources::{CgroupPath, Resources};
use super::seccomp::Profile;
use super::sysctl::{self, Sysctl};
use super::wire;
use super::wire::{Object, Text};
use crate::error::Result;
use crate::id::InnerPath;
use std::collections::BTreeMap;

/// What [`super::Spec`] takes over from it, field by field.
#[derive(Default)]
pub(super) struct Linux {
    pub namespaces: Namespaces,
    pub id_maps: IdMaps,
    pub time_offsets: TimeOffsets,
    pub devices: Vec<DeviceNode>,
    pub net_devices: Vec<NetDevice>,
    pub cgroups_path: Option<CgroupPath>,
    pub resources: Resources,
    pub rootfs_propagation: Option<Propagation>,
    pub masked_paths: Vec<InnerPath>,
    pub readonly_paths: Vec<InnerPath>,
    pub sysctl: BTreeMap<String, Sysctl>,
    pub seccomp: Option<Profile>,
    pub personality: Option<u32>,
    pub memory_policy: Option<MemoryPolicy>,
    pub mount_label: Option<String>,
    pub intel_rdt: Option<IntelRdt>,
}

impl Linux {
    pub fn read(at: At<'_>, linux: wire::Linux<'_>, warnings: &mut Vec<String>) -> Result<Self> {
        let wire::Linux {
            namespaces,
            uid_mappings,
            gid_mappings,
            time_offsets,
            devices,
            net_devices,
            cgroups_path,
            resources,
            rootfs_propagation,
            masked_paths,
            readonly_paths,
            mount_label,
            sysctl,
            seccomp,
            personality,
            intel_rdt,
            memory_policy,
        } = linux;
        let namespaces = Namespaces::read(at.key("namespaces"), namespaces)?;
        let propagation = rootfs_propagation.filter(|word| !word.is_empty());
        Ok(Self {
            id_maps: IdMaps::read(&at, uid_mappings, gid_mappings, &namespaces.user)?,
            time_offsets: TimeOffsets::read(at.key("timeOffsets"), time_offsets, &namespaces.time)?,
            devices: DeviceNode::read_all(at.key("devices"), devices, warnings)?,
            net_devices: NetDevice::read_all(at.key("netDevices"), net_devices, &namespaces)?,
            cgroups_path: CgroupPath::read(at.key("cgroupsPath"), cgroups_path)?,
            resources: match resources {
                Some(Object(resources)) => {
                    Resources::read(at.key("resources"), resources, warnings)?
                }
                None => Resources::default(),
            },
            rootfs_propagation: match propagation {
                Some(word) => Some(options::propagation(at.key("rootfsPropagation"), &word)?),
                None => None,
            },
            masked_paths: read_paths(at.key("maskedPaths"), masked_paths)?,
            readonly_paths: read_paths(at.key("readonlyPaths"), readonly_paths)?,
            sysctl: sysctl::read(at.key("sysctl"), sysctl, &namespaces)?,
            seccomp: match seccomp {
                Some(profile) => Some(Profile::read(at.key("seccomp"), profile)?),
                None => None,
            },
            personality: read_personality(at.key("personality"), personality)?,
            memory_policy: match memory_policy {
                Some(Object(policy)) => Some(MemoryPolicy::read(at.key("memoryPolicy"), policy)?),
                None => None,
            },
            mount_label: mount_label.map(Text::into_string).filter(|label| !label.is_empty()),
            intel_rdt: match intel_rdt {
                Some(Object(rdt)) => Some(IntelRdt::read(at.key("intelRdt"), rdt, warnings)?),
                None => None,
            },
            namespaces,
        })
    }
}

fn read_paths(at: At<'_>, paths: wire::Texts<'_>) -> Result<Vec<InnerPath>> {
    at.each(paths, |at, path: Text<'_>| at.absolute(&path).map(InnerPath::new))
}

/// `PER_LINUX` and `PER_LINUX32` of personality(2).
const DOMAINS: &[(&str, u32)] = &[("LINUX", 0), ("LINUX32", 8)];

fn read_personality(
    at: At<'_>,
    personality: Option<Object<wire::Personality<'_>>>,
) -> Result<Option<u32>> {
    let Some(Object(wire::Personality { domain, flags })) = personality else { return Ok(None) };
    let domain = at.required("domain", domain)?;
    let number = at.key("domain").one_of(&domain, "execution domain", DOMAINS)?;
    if flags.is_some_and(|flags| !flags.is_empty()) {
        let error = at.key("flags").unsupported("no flag of a personality is supported");
        return Err(error.hint("leave them out: the runtime-spec has none"));
    }
    Ok(Some(number))
}
