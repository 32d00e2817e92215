//! The ranges of `linux.resources`, and what 0 means in each.
//!
//! It knows the runtime-spec's sentences, the kernel's bounds that hold on every host, and where engines write 0 for
//! "not set". It refuses to know which hierarchy and controllers this host has.
//! What a newcomer would get wrong: 0 is *not* uniform. No pids is a limit; no memory, no quota, no shares and no weight
//! are Go's way of leaving a field out, and docker does leave them so.

use super::at::At;
use super::devices::{MAX_MAJOR, MAX_MINOR, read_number};
use super::resources::{
    BlockIo, Cpu, DeviceRate, DeviceWeight, HugePages, Limit, Memory, Network, Rdma,
};
use super::wire;
use super::wire::{Entries, Object, Text};
use crate::error::Result;
use std::collections::BTreeMap;

impl Limit {
    pub(super) fn read(at: At<'_>, value: Option<i64>) -> Result<Option<Self>> {
        match value {
            None => Ok(None),
            Some(-1) => Ok(Some(Self::Unlimited)),
            Some(value) => match u64::try_from(value) {
                Ok(most) => Ok(Some(Self::Max(most))),
                Err(_) => Err(at
                    .wrong(format!("{value} is no limit"))
                    .hint("use -1 for no limit, or a number that is not negative")),
            },
        }
    }

    /// For a field where 0 is "not set".
    fn read_nonzero(at: At<'_>, value: Option<i64>) -> Result<Option<Self>> {
        Self::read(at, value.filter(|value| *value != 0))
    }
}

impl Memory {
    pub(super) fn read(
        at: At<'_>,
        memory: wire::Memory,
        warnings: &mut Vec<String>,
    ) -> Result<Self> {
        let wire::Memory {
            limit,
            reservation,
            swap,
            kernel,
            kernel_tcp,
            swappiness,
            disable_oom_killer,
            use_hierarchy,
            check_before_update,
        } = memory;
        // -1 asks for what happens anyway.
        for (key, value) in [("kernel", kernel), ("kernelTCP", kernel_tcp)] {
            if value.is_some_and(|value| value > 0) {
                let message = "ignored: Linux 5.16 and later do not limit kernel memory apart";
                warnings.push(at.key(key).warning(message));
            }
        }
        if use_hierarchy == Some(false) {
            let message = "ignored: memory is always accounted with that of child cgroups";
            warnings.push(at.key("useHierarchy").warning(message));
        }
        if let Some(percent) = swappiness.filter(|percent| *percent > 100) {
            return Err(at
                .key("swappiness")
                .wrong(format!("{percent} is out of range"))
                .hint("use 0 to 100"));
        }
        let limit = Limit::read_nonzero(at.key("limit"), limit)?;
        let swap = Limit::read_nonzero(at.key("swap"), swap)?;
        if let (Some(Limit::Max(memory)), Some(Limit::Max(both))) = (limit, swap)
            && both < memory
        {
            let message = format!("{both} for memory and swap is less than the limit {memory}");
            return Err(at
                .key("swap")
                .wrong(message)
                .hint("raise it: it counts memory and swap together"));
        }
        Ok(Self {
            limit,
            reservation: Limit::read(at.key("reservation"), reservation)?,
            swap,
            swappiness,
            disable_oom_killer: disable_oom_killer.unwrap_or_default(),
            check_before_update: check_before_update.unwrap_or_default(),
        })
    }
}

/// The kernel's bounds of `cpu.shares`.
const SHARES: std::ops::RangeInclusive<u64> = 2..=262_144;

/// The kernel's bounds of a period, and the least quota: `kernel/sched/core.c`, microseconds.
const PERIOD: std::ops::RangeInclusive<u64> = 1000..=1_000_000;
const LEAST_QUOTA: u64 = 1000;

impl Cpu {
    pub(super) fn read(at: At<'_>, cpu: wire::Cpu<'_>, warnings: &mut Vec<String>) -> Result<Self> {
        let wire::Cpu {
            shares,
            quota,
            burst,
            period,
            realtime_runtime,
            realtime_period,
            cpus,
            mems,
            idle,
        } = cpu;
        let period = period.filter(|period| *period != 0);
        if let Some(period) = period.filter(|period| !PERIOD.contains(period)) {
            return Err(at
                .key("period")
                .wrong(format!("{period} us is out of range"))
                .hint("use 1000 to 1000000"));
        }
        let quota = Limit::read_nonzero(at.key("quota"), quota)?;
        if let Some(Limit::Max(quota)) = quota {
            if quota < LEAST_QUOTA {
                return Err(at
                    .key("quota")
                    .wrong(format!("{quota} us is too little"))
                    .hint("use 1000 or more, or -1 for no limit"));
            }
            if let Some(burst) = burst.filter(|burst| *burst > quota) {
                let message = format!("{burst} is more than the quota {quota}");
                return Err(at.key("burst").wrong(message).hint("lower it, or raise the quota"));
            }
        }
        if let Some(runtime) = realtime_runtime.filter(|runtime| *runtime < -1) {
            return Err(at
                .key("realtimeRuntime")
                .wrong(format!("{runtime} is out of range"))
                .hint("use -1 for no limit, or a number that is not negative"));
        }
        let idle = match idle {
            None => None,
            Some(0) => Some(false),
            Some(1) => Some(true),
            Some(other) => {
                return Err(at
                    .key("idle")
                    .wrong(format!("{other} is out of range"))
                    .hint("use 0 or 1"));
            }
        };
        Ok(Self {
            shares: read_shares(at.key("shares"), shares, warnings),
            quota,
            burst,
            period,
            realtime_runtime,
            realtime_period,
            cpus: read_list(at.key("cpus"), cpus)?,
            mems: read_list(at.key("mems"), mems)?,
            idle,
        })
    }
}

/// The kernel would bring it into range without a word.
fn read_shares(at: At<'_>, shares: Option<u64>, warnings: &mut Vec<String>) -> Option<u64> {
    let shares = shares.filter(|shares| *shares != 0)?;
    let fits = shares.clamp(*SHARES.start(), *SHARES.end());
    if fits != shares {
        warnings.push(at.warning(format!("{shares} taken as {fits}: shares are 2 to 262144")));
    }
    Some(fits)
}

/// A list of numbers and ranges, such as `0-3,7`.
fn read_list(at: At<'_>, list: Option<Text<'_>>) -> Result<Option<String>> {
    let Some(list) = list.filter(|list| !list.is_empty()) else { return Ok(None) };
    let number = |text: &str| {
        text.parse::<u32>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let fits = list.split(',').all(|part| match part.split_once('-') {
        None => number(part).is_some(),
        Some((first, last)) => match (number(first), number(last)) {
            (Some(first), Some(last)) => first <= last,
            _ => false,
        },
    });
    if !fits {
        return Err(at
            .wrong(format!("{:?} is no list of numbers", &*list))
            .hint("write it as 0-3,7"));
    }
    Ok(Some(list.into_string()))
}

/// The kernel's bounds of `blkio.weight`.
const WEIGHT: std::ops::RangeInclusive<u16> = 10..=1000;

fn read_weight(at: At<'_>, weight: Option<u16>) -> Result<Option<u16>> {
    match weight.filter(|weight| *weight != 0) {
        Some(weight) if !WEIGHT.contains(&weight) => {
            Err(at.wrong(format!("{weight} is out of range")).hint("use 10 to 1000"))
        }
        fits => Ok(fits),
    }
}

fn warn_of_leaf_weight(at: At<'_>, weight: Option<u16>, warnings: &mut Vec<String>) {
    if weight.is_some_and(|weight| weight != 0) {
        warnings.push(at.warning("ignored: Linux 5.0 and later have no leaf weights"));
    }
}

impl BlockIo {
    pub(super) fn read(
        at: At<'_>,
        block_io: wire::BlockIo,
        warnings: &mut Vec<String>,
    ) -> Result<Self> {
        let wire::BlockIo {
            weight,
            leaf_weight,
            weight_device,
            throttle_read_bps_device,
            throttle_write_bps_device,
            throttle_read_iops_device,
            throttle_write_iops_device,
        } = block_io;
        warn_of_leaf_weight(at.key("leafWeight"), leaf_weight, warnings);
        let devices = at.key("weightDevice").each(weight_device, |at, Object(device)| {
            let wire::WeightDevice { major, minor, weight, leaf_weight } = device;
            if weight.is_none() && leaf_weight.is_none() {
                let error = at.wrong("neither weight nor leafWeight is given");
                return Err(error.hint("add a weight, or remove the device"));
            }
            warn_of_leaf_weight(at.key("leafWeight"), leaf_weight, warnings);
            let (major, minor) = read_device(&at, major, minor)?;
            let weight = read_weight(at.key("weight"), weight)?;
            Ok(weight.map(|weight| DeviceWeight { major, minor, weight }))
        })?;
        let rates = |key: &str, list| at.key(key).each(list, DeviceRate::read);
        Ok(Self {
            weight: read_weight(at.key("weight"), weight)?,
            weight_device: devices.into_iter().flatten().collect(),
            read_bps: rates("throttleReadBpsDevice", throttle_read_bps_device)?,
            write_bps: rates("throttleWriteBpsDevice", throttle_write_bps_device)?,
            read_iops: rates("throttleReadIOPSDevice", throttle_read_iops_device)?,
            write_iops: rates("throttleWriteIOPSDevice", throttle_write_iops_device)?,
        })
    }
}

impl DeviceRate {
    fn read(at: At<'_>, Object(device): Object<wire::ThrottleDevice>) -> Result<Self> {
        let wire::ThrottleDevice { major, minor, rate } = device;
        let (major, minor) = read_device(&at, major, minor)?;
        Ok(Self { major, minor, rate: at.required("rate", rate)? })
    }
}

fn read_device(at: &At<'_>, major: Option<i64>, minor: Option<i64>) -> Result<(u32, u32)> {
    Ok((
        read_number(at.key("major"), at.required("major", major)?, MAX_MAJOR)?,
        read_number(at.key("minor"), at.required("minor", minor)?, MAX_MINOR)?,
    ))
}

impl HugePages {
    pub(super) fn read(
        at: At<'_>,
        list: wire::Objects<wire::HugePageLimit<'_>>,
    ) -> Result<Vec<Self>> {
        let mut sizes: Vec<String> = Vec::new();
        at.each(list, |at, Object(wire::HugePageLimit { page_size, limit })| {
            let page_size = at.required("pageSize", page_size)?;
            let digits = page_size.strip_suffix("KB").or_else(|| page_size.strip_suffix("MB"));
            let digits = digits.or_else(|| page_size.strip_suffix("GB")).unwrap_or_default();
            if !digits.bytes().all(|b| b.is_ascii_digit())
                || digits.is_empty()
                || digits.starts_with('0')
            {
                let message = format!("{:?} is no size of huge pages", &*page_size);
                return Err(at.key("pageSize").wrong(message).hint("write it as 64KB, 2MB or 1GB"));
            }
            if sizes.iter().any(|earlier| *earlier == *page_size) {
                return Err(at.key("pageSize").twice(&page_size));
            }
            sizes.push(page_size.to_string());
            let limit = at.required("limit", limit)?;
            Ok(Self { page_size: page_size.into_string(), limit })
        })
    }
}

/// Names of interfaces and of RDMA devices go into a line of words.
fn read_word(at: At<'_>, what: &str, name: &str) -> Result<()> {
    if name.is_empty() || name.chars().any(|c| c.is_whitespace() || c.is_control()) {
        let message = format!("{name:?} is no name of {what}");
        return Err(at.wrong(message).hint("write it without blanks"));
    }
    Ok(())
}

impl Rdma {
    pub(super) fn read(
        at: At<'_>,
        devices: Option<Entries<Object<wire::Rdma>>>,
    ) -> Result<BTreeMap<String, Self>> {
        let mut result = BTreeMap::new();
        for (name, Object(wire::Rdma { hca_handles, hca_objects })) in devices.unwrap_or_default().0
        {
            read_word(at.key(&name), "an RDMA device", &name)?;
            if hca_handles.is_none() && hca_objects.is_none() {
                let error = at.key(&name).wrong("neither hcaHandles nor hcaObjects is given");
                return Err(error.hint("add one of them, or remove the device"));
            }
            result.insert(name, Self { hca_handles, hca_objects });
        }
        Ok(result)
    }
}

impl Network {
    pub(super) fn read(at: At<'_>, network: wire::Network<'_>) -> Result<Self> {
        let wire::Network { class_id, priorities } = network;
        let priorities = at.key("priorities").each(priorities, |at, Object(entry)| {
            let wire::InterfacePriority { name, priority } = entry;
            let name = at.required("name", name)?;
            read_word(at.key("name"), "an interface", &name)?;
            Ok((name.into_string(), at.required("priority", priority)?))
        })?;
        Ok(Self { class_id, priorities })
    }
}

/// Each key is one file of the container's cgroup: a path would lead out of it.
pub(super) fn read_unified(
    at: At<'_>,
    files: Option<Entries<Text<'_>>>,
) -> Result<BTreeMap<String, String>> {
    let mut result = BTreeMap::new();
    for (name, value) in files.unwrap_or_default().0 {
        if matches!(name.as_str(), "" | "." | "..") || name.contains(['/', '\0']) {
            return Err(at
                .key(&name)
                .wrong(format!("{name:?} is no file of a cgroup"))
                .hint("name one file, such as memory.high"));
        }
        result.insert(name, value.into_string());
    }
    Ok(result)
}
