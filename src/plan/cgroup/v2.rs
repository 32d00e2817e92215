//! `linux.resources` as cgroup2 files.
//!
//! It knows each field's file, unit and order; whether the controller is there is its caller's question.
//! What a newcomer would get wrong: the fields are v1-shaped. `memory.swap` counts memory *and* swap, cgroup2's
//! `memory.swap.max` swap alone, so the second is a difference and needs the first.

use super::{Absent, Enable, Setting, io_weight, weight_of_shares};
use crate::error::{Error, Kind, Result};
use crate::host::Unified;
use crate::spec::{DeviceRate, Limit, Resources};
use std::fmt::Write as _;

/// A limit in which zero was sent by a caller that cannot leave a number out, and is none.
pub fn nonzero(limit: Option<Limit>) -> Option<Limit> {
    limit.filter(|limit| *limit != Limit::Max(0))
}

/// As cgroup2 writes a limit.
fn max(limit: Limit) -> String {
    match limit {
        Limit::Max(number) => number.to_string(),
        Limit::Unlimited => "max".to_owned(),
    }
}

pub fn cpu(resources: &Resources) -> Result<Vec<Setting>> {
    let cpu = &resources.cpu;
    only_v1(cpu.realtime_runtime.is_some_and(|us| us != 0), "cpu/realtimeRuntime")?;
    only_v1(cpu.realtime_period.is_some_and(|us| us != 0), "cpu/realtimePeriod")?;
    let mut settings = Vec::new();
    if let Some(shares) = cpu.shares.filter(|shares| *shares != 0) {
        let weight = weight_of_shares(shares);
        settings.push(Setting::write("cpu.weight", weight, "/linux/resources/cpu/shares"));
    }
    let (quota, period) = (nonzero(cpu.quota), cpu.period.filter(|us| *us != 0));
    if quota.is_some() || period.is_some() {
        let field = if quota.is_some() { "quota" } else { "period" };
        let value =
            format!("{} {}", max(quota.unwrap_or(Limit::Unlimited)), period.unwrap_or(100_000));
        settings.push(Setting::write("cpu.max", value, format!("/linux/resources/cpu/{field}")));
    }
    // After the quota, which it must not exceed.
    if let Some(burst) = cpu.burst {
        settings.push(Setting::write("cpu.max.burst", burst, "/linux/resources/cpu/burst"));
    }
    // After the weight, which the kernel refuses to an idle cgroup.
    if let Some(idle) = cpu.idle {
        settings.push(Setting::write("cpu.idle", u8::from(idle), "/linux/resources/cpu/idle"));
    }
    Ok(settings)
}

pub fn cpuset(resources: &Resources) -> Result<Vec<Setting>> {
    let one = |file: &'static str, list: &Option<String>, pointer: &'static str| {
        let list = list.as_ref().filter(|list| !list.is_empty());
        list.map(|list| Setting::write(file, list, pointer))
    };
    let cpu = &resources.cpu;
    let cpus = one("cpuset.cpus", &cpu.cpus, "/linux/resources/cpu/cpus");
    Ok(cpus.into_iter().chain(one("cpuset.mems", &cpu.mems, "/linux/resources/cpu/mems")).collect())
}

pub fn memory(resources: &Resources) -> Result<Vec<Setting>> {
    let memory = &resources.memory;
    only_v1(memory.swappiness.is_some(), "memory/swappiness")?;
    only_v1(memory.disable_oom_killer, "memory/disableOOMKiller")?;
    let mut settings = Vec::new();
    let limit = nonzero(memory.limit);
    if let (true, Some(Limit::Max(limit))) = (memory.check_before_update, limit) {
        let pointer = "/linux/resources/memory/checkBeforeUpdate".into();
        settings.push(Setting::RefuseIfUsed { file: "memory.current".into(), limit, pointer });
    }
    if let Some(swap) = swap_alone(limit, nonzero(memory.swap))? {
        let write = Setting::write("memory.swap.max", max(swap), "/linux/resources/memory/swap");
        // A kernel without swap has no such file, and no swap is all that "0" asks for; "max" asks for nothing.
        let vain = matches!(swap, Limit::Max(0) | Limit::Unlimited);
        settings.push(write.or(if vain { Absent::Ignored } else { Absent::Fails }));
    }
    if let Some(limit) = limit {
        settings.push(Setting::write("memory.max", max(limit), "/linux/resources/memory/limit"));
    }
    if let Some(low) = nonzero(memory.reservation) {
        settings.push(Setting::write(
            "memory.low",
            max(low),
            "/linux/resources/memory/reservation",
        ));
    }
    Ok(settings)
}

/// `memory.swap.max` from memory and memory-with-swap. Unlimited memory with swap unset means unlimited swap, too.
fn swap_alone(limit: Option<Limit>, swap: Option<Limit>) -> Result<Option<Limit>> {
    match (limit, swap) {
        (Some(Limit::Unlimited), None) => Ok(Some(Limit::Unlimited)),
        (_, None | Some(Limit::Unlimited)) => Ok(swap),
        (Some(Limit::Max(limit)), Some(Limit::Max(both))) if both >= limit => {
            Ok(Some(Limit::Max(both - limit)))
        }
        (limit, Some(Limit::Max(both))) => Err(swap_without_memory(limit, both)),
    }
}

/// The one mistake both hierarchies know: memory and swap together limited to less than memory alone.
pub fn swap_without_memory(limit: Option<Limit>, both: u64) -> Error {
    let message = match limit {
        Some(Limit::Max(limit)) => format!("swap {both} is less than memory.limit {limit}"),
        _ => format!("swap {both} without a memory.limit"),
    };
    Error::spec("/linux/resources/memory/swap", message)
        .hint("swap counts memory and swap together: set it to at least memory.limit, or to -1 for no limit")
}

/// The same file in both hierarchies. Zero is a limit: no process can be started.
pub fn pids(resources: &Resources) -> Result<Vec<Setting>> {
    let limit = resources.pids.map(max);
    let setting =
        limit.map(|value| Setting::write("pids.max", value, "/linux/resources/pids/limit"));
    Ok(setting.into_iter().collect())
}

pub fn io(resources: &Resources) -> Result<Vec<Setting>> {
    let block = &resources.block_io;
    let mut settings = Vec::new();
    // Only the BFQ scheduler has the first file, only iocost the second; OCI's weights are BFQ's.
    let weigh = |subject: &str, weight: u16, pointer: String| {
        let converted = format!("{subject}{}", io_weight(weight));
        Setting::write("io.bfq.weight", format!("{subject}{weight}"), pointer)
            .or(Absent::Instead("io.weight".into(), converted))
    };
    if let Some(weight) = block.weight.filter(|weight| *weight != 0) {
        settings.push(weigh("", weight, "/linux/resources/blockIO/weight".to_owned()));
    }
    for (index, one) in block.weight_device.iter().enumerate() {
        let device = format!("{}:{} ", one.major, one.minor);
        let pointer = format!("/linux/resources/blockIO/weightDevice/{index}");
        settings.push(weigh(&device, one.weight, pointer));
    }
    let lists: [(&str, &str, &[DeviceRate]); 4] = [
        ("rbps", "throttleReadBpsDevice", &block.read_bps),
        ("wbps", "throttleWriteBpsDevice", &block.write_bps),
        ("riops", "throttleReadIOPSDevice", &block.read_iops),
        ("wiops", "throttleWriteIOPSDevice", &block.write_iops),
    ];
    for (key, field, rates) in lists {
        for (index, DeviceRate { major, minor, rate }) in rates.iter().enumerate() {
            let rate = if *rate == 0 { "max".to_owned() } else { rate.to_string() };
            let pointer = format!("/linux/resources/blockIO/{field}/{index}");
            settings.push(Setting::write(
                "io.max",
                format!("{major}:{minor} {key}={rate}"),
                pointer,
            ));
        }
    }
    Ok(settings)
}

pub fn hugetlb(resources: &Resources) -> Result<Vec<Setting>> {
    Ok(huge_pages(resources, "max"))
}

/// Each page size is limited twice: in use, and reserved, since a reservation alone already takes pages from the others.
pub fn huge_pages(resources: &Resources, suffix: &str) -> Vec<Setting> {
    let mut settings = Vec::new();
    for (index, pages) in resources.huge_pages.iter().enumerate() {
        let pointer = format!("/linux/resources/hugepageLimits/{index}");
        for kind in ["", "rsvd."] {
            let file = format!("hugetlb.{}.{kind}{suffix}", pages.page_size);
            settings.push(Setting::write(file, pages.limit, pointer.clone()));
        }
    }
    settings
}

/// The same file in both hierarchies.
pub fn rdma(resources: &Resources) -> Result<Vec<Setting>> {
    let one = |(device, limits): (&String, &crate::spec::Rdma)| {
        let mut value = device.clone();
        for (key, number) in
            [("hca_handle", limits.hca_handles), ("hca_object", limits.hca_objects)]
        {
            if let Some(number) = number {
                // Writing to a String cannot fail.
                let Ok(()) = write!(value, " {key}={number}") else { continue };
            }
        }
        let pointer = format!("/linux/resources/rdma/{}", escape(device));
        (value.len() > device.len()).then(|| Setting::write("rdma.max", value, pointer))
    };
    Ok(resources.rdma.iter().filter_map(one).collect())
}

pub fn no_class_id(resources: &Resources) -> Result<Vec<Setting>> {
    only_v1(resources.network.class_id.is_some_and(|id| id != 0), "network/classID")
        .map(|()| vec![])
}

pub fn no_priorities(resources: &Resources) -> Result<Vec<Setting>> {
    only_v1(!resources.network.priorities.is_empty(), "network/priorities").map(|()| vec![])
}

fn only_v1(asked: bool, field: &str) -> Result<()> {
    if !asked {
        return Ok(());
    }
    let message = format!("{} exists on cgroup v1 only", field.replace('/', "."));
    Err(Error::unsupported(format!("/linux/resources/{field}"), message).hint("remove the field"))
}

/// `unified`: files by name, the last to be written, so that they overrule. The files that move, kill or freeze
/// processes are ours.
pub fn unified_map(
    resources: &Resources,
    host: &Unified,
    enable: &mut Vec<Enable>,
) -> Result<Vec<Setting>> {
    let mut settings = Vec::new();
    for (key, value) in &resources.unified {
        let pointer = unified_pointer(key);
        let (controller, rest) = key.split_once('.').unwrap_or((key, ""));
        if key.contains(['/', '\0']) || rest.is_empty() {
            return Err(Error::spec(pointer, format!("{key:?} is not the name of a cgroup file"))
                .hint("use a file of the cgroup itself, such as \"memory.high\""));
        }
        if controller == "cgroup" {
            if !["cgroup.max.depth", "cgroup.max.descendants", "cgroup.pressure"].contains(&&**key)
            {
                return Err(Error::spec(pointer, format!("{key} is the runtime's own"))
                    .hint("remove the entry"));
            }
        } else if !host.has(controller) {
            let message =
                format!("{key} can't be written: cgroup v2 has no {controller} controller here");
            let hint = "remove the entry, or make the controller available to cgroup v2";
            return Err(Error::new(Kind::Host, message).at(pointer).hint(hint));
        } else if let Some(one) = enable.iter_mut().find(|one| one.controller == controller) {
            one.pointer.get_or_insert_with(|| pointer.clone().into());
        } else {
            let pointer = Some(pointer.clone().into());
            enable.push(Enable { controller: controller.to_owned(), pointer });
        }
        settings.push(Setting::write(key.clone(), value, pointer));
    }
    Ok(settings)
}

/// The pointer of an entry of `unified`.
pub fn unified_pointer(key: &str) -> String {
    format!("/linux/resources/unified/{}", escape(key))
}

/// RFC 6901.
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
