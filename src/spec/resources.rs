//! `linux.resources` and `linux.cgroupsPath`: what the container may use.
//!
//! It knows the OCI fields; the values stay in the configuration's own (v1-shaped) units here, and `plan::cgroup`
//! converts them for the hierarchy that this host has. Their ranges are in [`super::limits`].
//! What a newcomer would get wrong: an absent limit, a limit of 0 and `-1` are three different things.

use super::at::At;
use super::devices::DeviceRule;
use super::wire;
use super::wire::{Object, Text};
use crate::error::Result;
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
    /// `unified`: file name (one component) to value
    pub unified: BTreeMap<String, String>,
}

/// `memory`, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// `limit`; never 0
    pub limit: Option<Limit>,
    /// `reservation`
    pub reservation: Option<Limit>,
    /// `swap`: memory and swap together, as v1 counts; never 0, never below `limit`
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
    /// `quota`, microseconds in a period; at least 1000
    pub quota: Option<Limit>,
    /// `burst`, microseconds; never above a `quota`
    pub burst: Option<u64>,
    /// `period`, microseconds; 1000 to 1000000
    pub period: Option<u64>,
    /// `realtimeRuntime`, microseconds (v1 only)
    pub realtime_runtime: Option<i64>,
    /// `realtimePeriod`, microseconds (v1 only)
    pub realtime_period: Option<u64>,
    /// `cpus`, a list such as `0-3,7`, its syntax checked
    pub cpus: Option<String>,
    /// `mems`, the same
    pub mems: Option<String>,
    /// `idle`, 0 or 1
    pub idle: Option<bool>,
}

/// `blockIO`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BlockIo {
    /// `weight`, 10 to 1000; 0 is absent
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

impl CgroupPath {
    pub(super) fn read(at: At<'_>, path: Option<Text<'_>>) -> Result<Option<Self>> {
        let Some(path) = path.filter(|path| !path.is_empty()) else { return Ok(None) };
        if path.split('/').any(|part| part == "..") {
            return Err(at
                .wrong(format!("{:?} climbs with \"..\"", &*path))
                .hint("write where it leads to"));
        }
        let path = path.into_string();
        Ok(Some(if path.starts_with('/') { Self::Absolute(path) } else { Self::Relative(path) }))
    }
}

impl Resources {
    /// Parses a `linux.resources` object of its own, as `update --resources` takes it; the second value are warnings.
    ///
    /// # Errors
    /// [`Kind::Spec`](crate::error::Kind::Spec), with the JSON pointer of the field.
    pub fn parse(json: &[u8]) -> Result<(Self, Vec<String>)> {
        let mut warnings = Vec::new();
        let resources = Self::read(At::DOCUMENT, wire::parse(json)?, &mut warnings)?;
        Ok((resources, warnings))
    }

    pub(super) fn read(
        at: At<'_>,
        resources: wire::Resources<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Self> {
        let wire::Resources {
            devices,
            memory,
            cpu,
            pids,
            block_io,
            hugepage_limits,
            network,
            rdma,
            unified,
        } = resources;
        Ok(Self {
            devices: at.key("devices").each(devices, DeviceRule::read)?,
            memory: match memory {
                Some(Object(memory)) => Memory::read(at.key("memory"), memory, warnings)?,
                None => Memory::default(),
            },
            cpu: match cpu {
                Some(Object(cpu)) => Cpu::read(at.key("cpu"), cpu, warnings)?,
                None => Cpu::default(),
            },
            pids: match pids {
                Some(Object(wire::Pids { limit })) => {
                    Limit::read(at.key("pids").key("limit"), limit)?
                }
                None => None,
            },
            block_io: match block_io {
                Some(Object(block_io)) => BlockIo::read(at.key("blockIO"), block_io, warnings)?,
                None => BlockIo::default(),
            },
            huge_pages: HugePages::read(at.key("hugepageLimits"), hugepage_limits)?,
            rdma: Rdma::read(at.key("rdma"), rdma)?,
            network: match network {
                Some(Object(network)) => Network::read(at.key("network"), network)?,
                None => Network::default(),
            },
            unified: super::limits::read_unified(at.key("unified"), unified)?,
        })
    }
}
