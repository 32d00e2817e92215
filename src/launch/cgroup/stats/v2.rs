//! The figures of cgroup2.
//!
//! It knows its files. What a newcomer would get wrong: microseconds. `cpu.stat` counts in them, v1 and every reader in
//! nanoseconds. And `cpu.stat` is there without the controller, which alone adds the lines of quota; on a hybrid host that
//! is half the truth, so it is left to v1.

use super::text::{flat, io_cost, limit, misc, number, page_size, pressure, rdma, v2_io};
use super::{Count, Cpu, Files, Layout, Memory, MemoryEvents, Stats};
use crate::error::{Error, Result};
use std::collections::BTreeMap;

pub fn read(files: &Files, stats: &mut Stats) -> Result<()> {
    if stats.layout == Layout::Unified {
        stats.cpu = cpu(files)?;
    }
    stats.cpu.pressure = files.v2("cpu.pressure")?.as_deref().map(pressure);
    stats.memory = memory(files)?;
    if let Some(text) = files.v2("pids.current")? {
        stats.pids.current = number(&text);
        stats.pids.limit = files.v2("pids.max")?.as_deref().and_then(limit);
    }
    let io = files.v2("io.stat")?.unwrap_or_default();
    (stats.io.service_bytes, stats.io.serviced) = v2_io(&io);
    stats.io.cost = io_cost(&io);
    stats.io.pressure = files.v2("io.pressure")?.as_deref().map(pressure);
    stats.huge_pages = huge_pages(files)?;
    stats.rdma.current = files.v2("rdma.current")?.as_deref().map(rdma).unwrap_or_default();
    stats.rdma.limit = files.v2("rdma.max")?.as_deref().map(rdma).unwrap_or_default();
    let of = |file| Ok::<_, Error>(files.v2(file)?.unwrap_or_default());
    stats.misc =
        misc([&of("misc.current")?, &of("misc.max")?, &of("misc.peak")?, &of("misc.events")?]);
    Ok(())
}

fn cpu(files: &Files) -> Result<Cpu> {
    let stat = flat(&files.v2("cpu.stat")?.unwrap_or_default());
    let count = |key: &str| stat.get(key).copied().unwrap_or_default();
    let nanoseconds = |key: &str| count(key).saturating_mul(1000);
    Ok(Cpu {
        usage: nanoseconds("usage_usec"),
        user: nanoseconds("user_usec"),
        system: nanoseconds("system_usec"),
        periods: count("nr_periods"),
        throttled_periods: count("nr_throttled"),
        throttled: nanoseconds("throttled_usec"),
        bursts: count("nr_bursts"),
        burst: nanoseconds("burst_usec"),
        ..Cpu::default()
    })
}

fn memory(files: &Files) -> Result<Memory> {
    let events = flat(&files.v2("memory.events")?.unwrap_or_default());
    let swap = flat(&files.v2("memory.swap.events")?.unwrap_or_default());
    let event = |key: &str| events.get(key).copied().unwrap_or_default();
    let mut usage = count(files, "memory")?;
    usage.failures = event("max");
    let swapped = count(files, "memory.swap")?;
    Ok(Memory {
        usage,
        swap: Count { failures: swap.get("fail").copied().unwrap_or_default(), ..swapped },
        stat: flat(&files.v2("memory.stat")?.unwrap_or_default()),
        events: MemoryEvents {
            low: event("low"),
            high: event("high"),
            max: event("max"),
            oom: event("oom"),
            oom_kill: event("oom_kill"),
            ..MemoryEvents::default()
        },
        pressure: files.v2("memory.pressure")?.as_deref().map(pressure),
        ..Memory::default()
    })
}

fn count(files: &Files, prefix: &str) -> Result<Count> {
    let file = |suffix: &str| files.v2(&format!("{prefix}.{suffix}"));
    let Some(current) = file("current")? else { return Ok(Count::default()) };
    Ok(Count {
        usage: number(&current),
        limit: file("max")?.as_deref().and_then(limit),
        peak: file("peak")?.as_deref().map(number).unwrap_or_default(),
        failures: 0,
    })
}

fn huge_pages(files: &Files) -> Result<BTreeMap<String, Count>> {
    let mut found = BTreeMap::new();
    for size in page_sizes() {
        let prefix = format!("hugetlb.{size}");
        if files.v2(&format!("{prefix}.current"))?.is_none() {
            continue;
        }
        let events = flat(&files.v2(&format!("{prefix}.events"))?.unwrap_or_default());
        let failures = events.get("max").copied().unwrap_or_default();
        found.insert(size, Count { failures, ..count(files, &prefix)? });
    }
    Ok(found)
}

/// The sizes of this kernel.
pub fn page_sizes() -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/sys/kernel/mm/hugepages") else { return Vec::new() };
    let size = |entry: std::fs::DirEntry| {
        let name = entry.file_name();
        let kilobytes = name.to_str()?.strip_prefix("hugepages-")?.strip_suffix("kB")?;
        Some(page_size(kilobytes.parse().ok()?))
    };
    entries.flatten().filter_map(size).collect()
}
