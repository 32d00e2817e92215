//! `linux` as JSON, but for its two big children, `resources` and `seccomp`.
//!
//! It knows names and JSON types only.
//! What a newcomer would get wrong: `netDevices: {}` asks for nothing, and so does `eth0: {}` of it: that one keeps its name.

use super::{Entries, MemoryPolicy, Object, Objects, Resources, Seccomp, Text, Texts};
use serde::Deserialize;

/// `linux`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub struct Linux<'a> {
    pub namespaces: Objects<Namespace<'a>>,
    pub uid_mappings: Objects<IdMapping>,
    pub gid_mappings: Objects<IdMapping>,
    pub time_offsets: Option<Entries<Object<TimeOffset>>>,
    pub devices: Objects<Device<'a>>,
    pub net_devices: Option<Entries<Object<NetDevice<'a>>>>,
    pub cgroups_path: Option<Text<'a>>,
    pub resources: Option<Object<Resources<'a>>>,
    pub rootfs_propagation: Option<Text<'a>>,
    pub masked_paths: Texts<'a>,
    pub readonly_paths: Texts<'a>,
    pub mount_label: Option<Text<'a>>,
    pub sysctl: Option<Entries<Text<'a>>>,
    pub seccomp: Option<Object<Seccomp<'a>>>,
    pub personality: Option<Object<Personality<'a>>>,
    pub intel_rdt: Option<Object<IntelRdt<'a>>>,
    pub memory_policy: Option<Object<MemoryPolicy<'a>>>,
}

/// One of `linux.namespaces`
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct Namespace<'a> {
    #[serde(rename = "type")]
    pub kind: Option<Text<'a>>,
    pub path: Option<Text<'a>>,
}

/// One line of an id map
#[derive(Deserialize)]
pub struct IdMapping {
    #[serde(rename = "containerID")]
    pub container_id: Option<u32>,
    #[serde(rename = "hostID")]
    pub host_id: Option<u32>,
    pub size: Option<u32>,
}

/// One clock of `linux.timeOffsets`
#[derive(Deserialize)]
pub struct TimeOffset {
    pub secs: Option<i64>,
    pub nanosecs: Option<u32>,
}

/// One of `linux.devices`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub struct Device<'a> {
    pub path: Option<Text<'a>>,
    #[serde(rename = "type")]
    pub kind: Option<Text<'a>>,
    pub major: Option<i64>,
    pub minor: Option<i64>,
    pub file_mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
}

/// One of `linux.netDevices`
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct NetDevice<'a> {
    pub name: Option<Text<'a>>,
}

/// `linux.intelRdt`; the two last were replaced by `enableMonitoring` in 1.3.0
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub struct IntelRdt<'a> {
    #[serde(rename = "closID")]
    pub clos_id: Option<Text<'a>>,
    pub schemata: Texts<'a>,
    pub l3_cache_schema: Option<Text<'a>>,
    pub mem_bw_schema: Option<Text<'a>>,
    pub enable_monitoring: Option<bool>,
    #[serde(rename = "enableCMT")]
    pub enable_cmt: Option<bool>,
    #[serde(rename = "enableMBM")]
    pub enable_mbm: Option<bool>,
}

/// `linux.personality`
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct Personality<'a> {
    pub domain: Option<Text<'a>>,
    pub flags: Texts<'a>,
}
