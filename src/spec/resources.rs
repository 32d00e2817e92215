//! `linux.resources`, `linux.devices` and `linux.cgroupsPath`: what the container may use.
//!
//! It knows the OCI fields' ranges; the values stay in the configuration's own (v1-shaped) units here, and
//! `plan::cgroup` converts them for the hierarchy that this host has.
//! What a newcomer would get wrong: an absent limit, a limit of 0 and `-1` are three different things.

use crate::id::InnerPath;
use std::collections::BTreeMap;

/// `linux.cgroupsPath`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CgroupPath {
    /// Below the hierarchy's mount point.
    Absolute(String),
    /// Below the runtime's own place.
    Relative(String),
}

/// A number, or no limit (`-1`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// At most this; 0 is a limit.
    Max(u64),
    /// `-1`: the kernel's `max`.
    Unlimited,
}

/// `linux.resources`. `None` and empty: not touched.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Resources {
    /// `devices`, in order; the last matching rule wins.
    pub devices: Vec<DeviceRule>,
    /// `memory`
    pub memory: Memory,
    /// `cpu`
    pub cpu: Cpu,
    /// `pids.limit`
    pub pids: Option<Limit>,
    /// `blockIO`
    pub block_io: BlockIo,
    /// `hugepageLimits`
    pub huge_pages: Vec<HugePages>,
    /// `rdma`, by device
    pub rdma: BTreeMap<String, Rdma>,
    /// `network` (v1 only)
    pub network: Network,
    /// `unified`: file name (no `/`) to value
    pub unified: BTreeMap<String, String>,
}

/// `memory`, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// `limit`
    pub limit: Option<Limit>,
    /// `reservation`
    pub reservation: Option<Limit>,
    /// `swap`: memory and swap together, as v1 counts
    pub swap: Option<Limit>,
    /// `swappiness`, 0 to 100 (v1 only)
    pub swappiness: Option<u64>,
    /// `disableOOMKiller` (v1 only)
    pub disable_oom_killer: bool,
    /// `checkBeforeUpdate`: refuse a limit below the current usage
    pub check_before_update: bool,
}

/// `cpu`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cpu {
    /// `shares`, 2 to 262144; 0 is absent
    pub shares: Option<u64>,
    /// `quota`, microseconds in a period
    pub quota: Option<Limit>,
    /// `burst`, microseconds
    pub burst: Option<u64>,
    /// `period`, microseconds
    pub period: Option<u64>,
    /// `realtimeRuntime`, microseconds (v1 only)
    pub realtime_runtime: Option<i64>,
    /// `realtimePeriod`, microseconds (v1 only)
    pub realtime_period: Option<u64>,
    /// `cpus`, a list such as `0-3,7`
    pub cpus: Option<String>,
    /// `mems`
    pub mems: Option<String>,
    /// `idle`, 0 or 1
    pub idle: Option<bool>,
}

/// `blockIO`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BlockIo {
    /// `weight`, 10 to 1000
    pub weight: Option<u16>,
    /// `weightDevice`
    pub weight_device: Vec<DeviceWeight>,
    /// `throttleReadBpsDevice`, bytes a second
    pub read_bps: Vec<DeviceRate>,
    /// `throttleWriteBpsDevice`, bytes a second
    pub write_bps: Vec<DeviceRate>,
    /// `throttleReadIOPSDevice`, operations a second
    pub read_iops: Vec<DeviceRate>,
    /// `throttleWriteIOPSDevice`, operations a second
    pub write_iops: Vec<DeviceRate>,
}

/// One of `weightDevice`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceWeight {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// 10 to 1000.
    pub weight: u16,
}

/// One of the throttle lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceRate {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Per second; 0 removes the limit.
    pub rate: u64,
}

/// One of `hugepageLimits`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HugePages {
    /// As the kernel writes it: `2MB`, `1GB`, `64KB`.
    pub page_size: String,
    /// Bytes.
    pub limit: u64,
}

/// One device of `rdma`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rdma {
    /// `hcaHandles`
    pub hca_handles: Option<u32>,
    /// `hcaObjects`
    pub hca_objects: Option<u32>,
}

/// `network`, v1 only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Network {
    /// `classID`
    pub class_id: Option<u32>,
    /// `priorities`: interface to priority
    pub priorities: Vec<(String, u32)>,
}

/// The kind of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// `c` and `u`
    Char,
    /// `b`
    Block,
}

/// A number of a rule: one, or any (absent or `-1`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceNumber {
    /// All.
    Any,
    /// This.
    Is(u32),
}

/// `access`: any of read, write, mknod; never none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceAccess {
    /// `r`
    pub read: bool,
    /// `w`
    pub write: bool,
    /// `m`
    pub mknod: bool,
}

/// One of `resources.devices`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceRule {
    /// `allow`
    pub allow: bool,
    /// `type`; `None` is `a`, all
    pub kind: Option<DeviceKind>,
    /// `major`
    pub major: DeviceNumber,
    /// `minor`
    pub minor: DeviceNumber,
    /// `access`
    pub access: DeviceAccess,
}

/// One of `linux.devices`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceNode {
    /// Where, inside.
    pub path: InnerPath,
    /// `None` is a FIFO (`p`).
    pub device: Option<(DeviceKind, u32, u32)>,
    /// Permission bits; 0o666 when absent.
    pub mode: u32,
    /// Owner in the container.
    pub uid: u32,
    /// Group in the container.
    pub gid: u32,
}
