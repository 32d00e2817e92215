//! `linux.resources` as files of v1 hierarchies, for hybrid hosts.
//!
//! It knows the older spelling of each limit. It refuses to know devices and freezing, which the unified hierarchy does
//! there, too.
//! What a newcomer would get wrong: order is correctness. `memory.memsw` may never be below `memory.limit`, so in a new
//! cgroup, where both are unlimited, the limit comes first.

use super::v2::{huge_pages, nonzero, swap_without_memory};
use super::{Absent, Place, Setting, V1Place, place};
use crate::error::Result;
use crate::host::Hierarchy;
use crate::id::ContainerId;
use crate::spec::{CgroupPath, DeviceRate, Limit, Resources};
use std::path::PathBuf;

/// Hierarchies in which every container has a cgroup, for their figures: those that `stats` and `update` ask.
const ALWAYS: [&str; 5] = ["cpu", "cpuacct", "memory", "pids", "blkio"];

/// A hierarchy in which a cgroup may turn out to be wanted.
pub struct V1Candidate<'a> {
    host: &'a Hierarchy,
    path: String,
    pub settings: Vec<Setting>,
}

pub fn places<'a>(
    hosts: &'a [Hierarchy],
    path: Option<&CgroupPath>,
    id: &ContainerId,
) -> Result<Vec<V1Candidate<'a>>> {
    let candidate = |host: &'a Hierarchy| {
        let path = place::v1(path, &host.own, id)?;
        Ok(V1Candidate { host, path, settings: Vec::new() })
    };
    hosts.iter().map(candidate).collect()
}

/// The same for a container that is there: its cgroups are where they were made, and one that it was born without would
/// be at `path`.
pub fn places_of<'a>(hosts: &'a [Hierarchy], made: &[PathBuf], path: &str) -> Vec<V1Candidate<'a>> {
    let candidate = |host: &'a Hierarchy| {
        let own = made.iter().find_map(|own| own.strip_prefix(&host.mount).ok());
        let own = own.and_then(|own| own.to_str()).map(|own| format!("/{own}"));
        let path = own.unwrap_or_else(|| path.to_owned());
        V1Candidate { host, path, settings: Vec::new() }
    };
    hosts.iter().map(candidate).collect()
}

impl V1Candidate<'_> {
    pub fn has(&self, controller: &str) -> bool {
        self.host.controllers.iter().any(|name| name == controller)
    }

    pub fn is_wanted(&self) -> bool {
        !self.settings.is_empty() || ALWAYS.iter().any(|name| self.has(name))
    }

    pub fn into_place(self) -> V1Place {
        let inherits_cpuset = self.has("cpuset");
        let (mount, path, settings) = (self.host.mount.clone(), self.path, self.settings);
        V1Place {
            place: Place { mount, path, enable: Vec::new(), settings, owner: None },
            inherits_cpuset,
        }
    }
}

/// As v1 writes a limit.
fn number(limit: Limit) -> String {
    match limit {
        Limit::Max(number) => number.to_string(),
        Limit::Unlimited => "-1".to_owned(),
    }
}

pub fn cpu(resources: &Resources) -> Result<Vec<Setting>> {
    let cpu = &resources.cpu;
    let some = |file: &'static str, value: Option<String>, field: &str| {
        let pointer = format!("/linux/resources/cpu/{field}");
        value.map(|value| Setting::write(file, value, pointer))
    };
    let text = |number: Option<u64>| number.filter(|us| *us != 0).map(|us| us.to_string());
    let runtime = cpu.realtime_runtime.filter(|us| *us != 0).map(|us| us.to_string());
    // A runtime or quota must fit its period, a burst its quota.
    let settings = [
        some("cpu.rt_period_us", text(cpu.realtime_period), "realtimePeriod"),
        some("cpu.rt_runtime_us", runtime, "realtimeRuntime"),
        some("cpu.shares", text(cpu.shares), "shares"),
        some("cpu.cfs_period_us", text(cpu.period), "period"),
        some("cpu.cfs_quota_us", nonzero(cpu.quota).map(number), "quota"),
        some("cpu.cfs_burst_us", cpu.burst.map(|us| us.to_string()), "burst"),
        some("cpu.idle", cpu.idle.map(|idle| u8::from(idle).to_string()), "idle"),
    ];
    Ok(settings.into_iter().flatten().collect())
}

/// The same files as in cgroup2; a new cpuset is filled from its parent first.
pub fn cpuset(resources: &Resources) -> Result<Vec<Setting>> {
    super::v2::cpuset(resources)
}

pub fn memory(resources: &Resources) -> Result<Vec<Setting>> {
    let memory = &resources.memory;
    let mut settings = Vec::new();
    let limit = nonzero(memory.limit);
    if let (true, Some(Limit::Max(limit))) = (memory.check_before_update, limit) {
        let pointer = "/linux/resources/memory/checkBeforeUpdate".into();
        settings.push(Setting::RefuseIfUsed {
            file: "memory.usage_in_bytes".into(),
            limit,
            pointer,
        });
    }
    let mut set = |file: &'static str, value: String, field: &str| {
        settings.push(Setting::write(file, value, format!("/linux/resources/memory/{field}")));
    };
    if let Some(limit) = limit {
        set("memory.limit_in_bytes", number(limit), "limit");
    }
    match (limit, nonzero(memory.swap)) {
        (_, None) => {}
        (_, Some(Limit::Unlimited)) => set("memory.memsw.limit_in_bytes", "-1".into(), "swap"),
        (Some(Limit::Max(limit)), Some(Limit::Max(both))) if both >= limit => {
            set("memory.memsw.limit_in_bytes", both.to_string(), "swap");
        }
        (limit, Some(Limit::Max(both))) => return Err(swap_without_memory(limit, both)),
    }
    if let Some(reservation) = nonzero(memory.reservation) {
        set("memory.soft_limit_in_bytes", number(reservation), "reservation");
    }
    if let Some(swappiness) = memory.swappiness {
        set("memory.swappiness", swappiness.to_string(), "swappiness");
    }
    if memory.disable_oom_killer {
        set("memory.oom_control", "1".into(), "disableOOMKiller");
    }
    Ok(settings)
}

pub fn blkio(resources: &Resources) -> Result<Vec<Setting>> {
    let block = &resources.block_io;
    let mut settings = Vec::new();
    // The first file is BFQ's, the second CFQ's, which Linux 5.0 removed but some kernels name still.
    if let Some(weight) = block.weight.filter(|weight| *weight != 0) {
        let write = Setting::write("blkio.bfq.weight", weight, "/linux/resources/blockIO/weight");
        settings.push(write.or(Absent::Instead("blkio.weight".into(), weight.to_string())));
    }
    for (index, one) in block.weight_device.iter().enumerate() {
        let value = format!("{}:{} {}", one.major, one.minor, one.weight);
        let pointer = format!("/linux/resources/blockIO/weightDevice/{index}");
        let write = Setting::write("blkio.bfq.weight_device", &value, pointer);
        settings.push(write.or(Absent::Instead("blkio.weight_device".into(), value)));
    }
    let lists: [(&str, &str, &[DeviceRate]); 4] = [
        ("blkio.throttle.read_bps_device", "throttleReadBpsDevice", &block.read_bps),
        ("blkio.throttle.write_bps_device", "throttleWriteBpsDevice", &block.write_bps),
        ("blkio.throttle.read_iops_device", "throttleReadIOPSDevice", &block.read_iops),
        ("blkio.throttle.write_iops_device", "throttleWriteIOPSDevice", &block.write_iops),
    ];
    for (file, field, rates) in lists {
        for (index, DeviceRate { major, minor, rate }) in rates.iter().enumerate() {
            let pointer = format!("/linux/resources/blockIO/{field}/{index}");
            let value = format!("{major}:{minor} {rate}");
            settings.push(Setting::write(file.to_owned(), value, pointer));
        }
    }
    Ok(settings)
}

pub fn hugetlb(resources: &Resources) -> Result<Vec<Setting>> {
    Ok(huge_pages(resources, "limit_in_bytes"))
}

pub fn net_cls(resources: &Resources) -> Result<Vec<Setting>> {
    let id = resources.network.class_id.filter(|id| *id != 0);
    let setting =
        id.map(|id| Setting::write("net_cls.classid", id, "/linux/resources/network/classID"));
    Ok(setting.into_iter().collect())
}

pub fn net_prio(resources: &Resources) -> Result<Vec<Setting>> {
    let one = |(index, (name, priority)): (usize, &(String, u32))| {
        let pointer = format!("/linux/resources/network/priorities/{index}");
        Setting::write("net_prio.ifpriomap", format!("{name} {priority}"), pointer)
    };
    Ok(resources.network.priorities.iter().enumerate().map(one).collect())
}
