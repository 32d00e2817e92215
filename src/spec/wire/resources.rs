//! `linux.resources` as JSON.
//!
//! It knows names and JSON types only.
//! What a newcomer would get wrong: limits are signed, because `-1` is a word here; which numbers are allowed is not
//! decided in this file.

use super::{Entries, Object, Objects, Text};
use serde::Deserialize;

/// `linux.resources`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub struct Resources<'a> {
    pub devices: Objects<DeviceRule<'a>>,
    pub memory: Option<Object<Memory>>,
    pub cpu: Option<Object<Cpu<'a>>>,
    pub pids: Option<Object<Pids>>,
    #[serde(rename = "blockIO")]
    pub block_io: Option<Object<BlockIo>>,
    pub hugepage_limits: Objects<HugePageLimit<'a>>,
    pub network: Option<Object<Network<'a>>>,
    pub rdma: Option<Entries<Object<Rdma>>>,
    pub unified: Option<Entries<Text<'a>>>,
}

/// One of `devices`
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct DeviceRule<'a> {
    pub allow: Option<bool>,
    #[serde(rename = "type")]
    pub kind: Option<Text<'a>>,
    pub major: Option<i64>,
    pub minor: Option<i64>,
    pub access: Option<Text<'a>>,
}

/// `memory`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    pub limit: Option<i64>,
    pub reservation: Option<i64>,
    pub swap: Option<i64>,
    pub kernel: Option<i64>,
    #[serde(rename = "kernelTCP")]
    pub kernel_tcp: Option<i64>,
    pub swappiness: Option<u64>,
    #[serde(rename = "disableOOMKiller")]
    pub disable_oom_killer: Option<bool>,
    pub use_hierarchy: Option<bool>,
    pub check_before_update: Option<bool>,
}

/// `cpu`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub struct Cpu<'a> {
    pub shares: Option<u64>,
    pub quota: Option<i64>,
    pub burst: Option<u64>,
    pub period: Option<u64>,
    pub realtime_runtime: Option<i64>,
    pub realtime_period: Option<u64>,
    pub cpus: Option<Text<'a>>,
    pub mems: Option<Text<'a>>,
    pub idle: Option<i64>,
}

/// `pids`
#[derive(Deserialize)]
pub struct Pids {
    pub limit: Option<i64>,
}

/// `blockIO`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockIo {
    pub weight: Option<u16>,
    pub leaf_weight: Option<u16>,
    pub weight_device: Objects<WeightDevice>,
    pub throttle_read_bps_device: Objects<ThrottleDevice>,
    pub throttle_write_bps_device: Objects<ThrottleDevice>,
    #[serde(rename = "throttleReadIOPSDevice")]
    pub throttle_read_iops_device: Objects<ThrottleDevice>,
    #[serde(rename = "throttleWriteIOPSDevice")]
    pub throttle_write_iops_device: Objects<ThrottleDevice>,
}

/// One of `weightDevice`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WeightDevice {
    pub major: Option<i64>,
    pub minor: Option<i64>,
    pub weight: Option<u16>,
    pub leaf_weight: Option<u16>,
}

/// One of the throttle lists
#[derive(Deserialize)]
pub struct ThrottleDevice {
    pub major: Option<i64>,
    pub minor: Option<i64>,
    pub rate: Option<u64>,
}

/// One of `hugepageLimits`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub struct HugePageLimit<'a> {
    pub page_size: Option<Text<'a>>,
    pub limit: Option<u64>,
}

/// `network`
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct Network<'a> {
    #[serde(rename = "classID")]
    pub class_id: Option<u32>,
    pub priorities: Objects<InterfacePriority<'a>>,
}

/// One of `network.priorities`
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct InterfacePriority<'a> {
    pub name: Option<Text<'a>>,
    pub priority: Option<u32>,
}

/// One device of `rdma`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rdma {
    pub hca_handles: Option<u32>,
    pub hca_objects: Option<u32>,
}
