//! The figures of v1 hierarchies, for hybrid hosts.
//!
//! It knows their files. What a newcomer would get wrong: `cpuacct.stat` counts in ticks of a hundredth of a second, and
//! `cpuacct.usage_user` beside it in nanoseconds; and files without `_recursive` leave the cgroups below out.

use super::text::{flat, limit, number, numbers, rdma, v1_io};
use super::{Count, Files, Memory, Stats, V1, v2};
use crate::error::Result;

pub fn read(files: &Files, stats: &mut Stats) -> Result<()> {
    cpu(files, stats)?;
    if let Some((directory, usage)) = files.v1("memory.usage_in_bytes")? {
        stats.memory = memory(&directory, &usage, stats.memory.pressure)?;
    }
    if let Some((directory, current)) = files.v1("pids.current")? {
        stats.pids.current = number(&current);
        stats.pids.limit = directory.read("pids.max")?.as_deref().and_then(limit);
    }
    io(files, stats)?;
    for size in v2::page_sizes() {
        let prefix = format!("hugetlb.{size}");
        if let Some((directory, usage)) = files.v1(&format!("{prefix}.usage_in_bytes"))? {
            stats.huge_pages.insert(size, count(&directory, &prefix, &usage)?);
        }
    }
    if let Some((directory, current)) = files.v1("rdma.current")? {
        stats.rdma.current = rdma(&current);
        stats.rdma.limit = directory.read("rdma.max")?.as_deref().map(rdma).unwrap_or_default();
    }
    Ok(())
}

fn cpu(files: &Files, stats: &mut Stats) -> Result<()> {
    let cpu = &mut stats.cpu;
    if let Some((directory, usage)) = files.v1("cpuacct.usage")? {
        let one = |file: &str| directory.read(file).map(|text| text.unwrap_or_default());
        cpu.usage = number(&usage);
        cpu.user = number(&one("cpuacct.usage_user")?);
        cpu.system = number(&one("cpuacct.usage_sys")?);
        cpu.per_cpu = numbers(&one("cpuacct.usage_percpu")?);
        cpu.per_cpu_user = numbers(&one("cpuacct.usage_percpu_user")?);
        cpu.per_cpu_system = numbers(&one("cpuacct.usage_percpu_sys")?);
    }
    // `cpuacct` may be the same directory.
    if let Some((directory, _)) = files.v1("cpu.shares")? {
        let stat = flat(&directory.read("cpu.stat")?.unwrap_or_default());
        let of = |key: &str| stat.get(key).copied().unwrap_or_default();
        cpu.periods = of("nr_periods");
        cpu.throttled_periods = of("nr_throttled");
        cpu.throttled = of("throttled_time");
        cpu.bursts = of("nr_bursts");
        cpu.burst = of("burst_time");
    }
    Ok(())
}

fn memory(directory: &V1<'_>, usage: &str, pressure: Option<super::Pressure>) -> Result<Memory> {
    let nested = |prefix: &str| match directory.read(&format!("{prefix}.usage_in_bytes"))? {
        Some(usage) => count(directory, prefix, &usage),
        None => Ok(Count::default()),
    };
    let control = flat(&directory.read("memory.oom_control")?.unwrap_or_default());
    let of = |key: &str| control.get(key).copied().unwrap_or_default();
    let mut memory = Memory {
        usage: count(directory, "memory", usage)?,
        swap: nested("memory.memsw")?,
        kernel: nested("memory.kmem")?,
        kernel_tcp: nested("memory.kmem.tcp")?,
        stat: flat(&directory.read("memory.stat")?.unwrap_or_default()),
        pressure,
        ..Memory::default()
    };
    memory.events.oom_kill = of("oom_kill");
    memory.events.under_oom = of("under_oom");
    memory.events.oom_kill_disable = of("oom_kill_disable");
    Ok(memory)
}

fn count(directory: &V1<'_>, prefix: &str, usage: &str) -> Result<Count> {
    let file = |suffix: &str| directory.read(&format!("{prefix}.{suffix}"));
    Ok(Count {
        usage: number(usage),
        limit: file("limit_in_bytes")?.as_deref().and_then(limit),
        peak: file("max_usage_in_bytes")?.as_deref().map(number).unwrap_or_default(),
        failures: file("failcnt")?.as_deref().map(number).unwrap_or_default(),
    })
}

/// A scheduler that weighs counts more than the throttle does, and the throttle counts always.
fn io(files: &Files, stats: &mut Stats) -> Result<()> {
    let Some((directory, throttled)) = files.v1("blkio.throttle.io_service_bytes_recursive")?
    else {
        return Ok(());
    };
    let list = |file: &str| directory.read(file).map(|text| v1_io(&text.unwrap_or_default()));
    let io = &mut stats.io;
    io.service_bytes = list("blkio.bfq.io_service_bytes_recursive")?;
    io.serviced = list("blkio.bfq.io_serviced_recursive")?;
    if io.serviced.is_empty() {
        io.service_bytes = v1_io(&throttled);
        io.serviced = list("blkio.throttle.io_serviced_recursive")?;
    }
    io.queued = list("blkio.bfq.io_queued_recursive")?;
    io.service_time = list("blkio.bfq.io_service_time_recursive")?;
    io.wait_time = list("blkio.bfq.io_wait_time_recursive")?;
    io.merged = list("blkio.bfq.io_merged_recursive")?;
    io.time = list("blkio.bfq.time_recursive")?;
    io.sectors = list("blkio.bfq.sectors_recursive")?;
    Ok(())
}
