//! What a container uses, as the message that containerd hands to docker, kubelet and `ctr task metrics`.
//!
//! It knows both messages, one for each version of cgroups; the figures come from [`rrun::launch::cgroup::Stats`].
//! What a newcomer would get wrong: the reader looks at the host, not at the message, to know which one it will get. On a
//! hybrid host, too, that is v1's, though some of the figures are cgroup2's.

use containerd_shim_protos::cgroups::metrics as v1;
use containerd_shim_protos::cgroups_v2::metrics as v2;
use containerd_shim_protos::protobuf::well_known_types::any::Any;
use containerd_shim_protos::protobuf::{Message, MessageField};
use rrun::error::{Error, Kind, Result};
use rrun::launch::cgroup::stats::{
    Count, IoEntry, Layout, MemoryEvents, Pressure, RdmaEntry, Share, Stats,
};
use std::collections::BTreeMap;

/// The message of this host's version.
///
/// # Errors
/// [`Kind::Internal`]: none in practice, a message in memory can always be written.
pub fn message(stats: &Stats) -> Result<Any> {
    let (type_url, value) = match stats.layout {
        Layout::Unified => ("io.containerd.cgroups.v2.Metrics", of_v2(stats).write_to_bytes()),
        Layout::Hybrid => ("io.containerd.cgroups.v1.Metrics", of_v1(stats).write_to_bytes()),
    };
    let value = value.map_err(|error| Error::new(Kind::Internal, error.to_string()))?;
    Ok(Any { type_url: type_url.to_owned(), value, ..Any::default() })
}

/// What the kernel shows as `max`.
fn most(limit: Option<u64>) -> u64 {
    limit.unwrap_or(u64::MAX)
}

fn of_v2(stats: &Stats) -> v2::Metrics {
    let (cpu, pids) = (&stats.cpu, &stats.pids);
    v2::Metrics {
        pids: MessageField::some(v2::PidsStat {
            current: pids.current,
            limit: most(pids.limit),
            ..v2::PidsStat::default()
        }),
        cpu: MessageField::some(v2::CPUStat {
            usage_usec: cpu.usage / 1000,
            user_usec: cpu.user / 1000,
            system_usec: cpu.system / 1000,
            nr_periods: cpu.periods,
            nr_throttled: cpu.throttled_periods,
            throttled_usec: cpu.throttled / 1000,
            psi: pressure(cpu.pressure.as_ref()),
            nr_bursts: cpu.bursts,
            burst_usec: cpu.burst / 1000,
            ..v2::CPUStat::default()
        }),
        memory: MessageField::some(memory_of_v2(stats)),
        rdma: MessageField::some(v2::RdmaStat {
            current: stats.rdma.current.iter().map(rdma_of_v2).collect(),
            limit: stats.rdma.limit.iter().map(rdma_of_v2).collect(),
            ..v2::RdmaStat::default()
        }),
        io: MessageField::some(v2::IOStat {
            usage: io_of_v2(&stats.io.service_bytes, &stats.io.serviced),
            psi: pressure(stats.io.pressure.as_ref()),
            ..v2::IOStat::default()
        }),
        hugetlb: stats.huge_pages.iter().map(huge_pages_of_v2).collect(),
        memory_events: MessageField::some(events_of_v2(&stats.memory.events)),
        ..v2::Metrics::default()
    }
}

fn memory_of_v2(stats: &Stats) -> v2::MemoryStat {
    let memory = &stats.memory;
    let of = |key: &str| memory.stat.get(key).copied().unwrap_or_default();
    // Since Linux 5.9 in two halves.
    let halves = |key: &str| of(key) + of(&format!("{key}_anon")) + of(&format!("{key}_file"));
    v2::MemoryStat {
        anon: of("anon"),
        file: of("file"),
        kernel_stack: of("kernel_stack"),
        slab: of("slab"),
        sock: of("sock"),
        shmem: of("shmem"),
        file_mapped: of("file_mapped"),
        file_dirty: of("file_dirty"),
        file_writeback: of("file_writeback"),
        anon_thp: of("anon_thp"),
        inactive_anon: of("inactive_anon"),
        active_anon: of("active_anon"),
        inactive_file: of("inactive_file"),
        active_file: of("active_file"),
        unevictable: of("unevictable"),
        slab_reclaimable: of("slab_reclaimable"),
        slab_unreclaimable: of("slab_unreclaimable"),
        pgfault: of("pgfault"),
        pgmajfault: of("pgmajfault"),
        workingset_refault: halves("workingset_refault"),
        workingset_activate: halves("workingset_activate"),
        workingset_nodereclaim: of("workingset_nodereclaim"),
        pgrefill: of("pgrefill"),
        pgscan: of("pgscan"),
        pgsteal: of("pgsteal"),
        pgactivate: of("pgactivate"),
        pgdeactivate: of("pgdeactivate"),
        pglazyfree: of("pglazyfree"),
        pglazyfreed: of("pglazyfreed"),
        thp_fault_alloc: of("thp_fault_alloc"),
        thp_collapse_alloc: of("thp_collapse_alloc"),
        usage: memory.usage.usage,
        usage_limit: most(memory.usage.limit),
        swap_usage: memory.swap.usage,
        swap_limit: most(memory.swap.limit),
        max_usage: memory.usage.peak,
        swap_max_usage: memory.swap.peak,
        psi: pressure(memory.pressure.as_ref()),
        ..v2::MemoryStat::default()
    }
}

fn events_of_v2(events: &MemoryEvents) -> v2::MemoryEvents {
    v2::MemoryEvents {
        low: events.low,
        high: events.high,
        max: events.max,
        oom: events.oom,
        oom_kill: events.oom_kill,
        ..v2::MemoryEvents::default()
    }
}

/// One entry for each device; the message has no room for what is discarded.
fn io_of_v2(bytes: &[IoEntry], operations: &[IoEntry]) -> Vec<v2::IOEntry> {
    let mut devices: BTreeMap<(u64, u64), v2::IOEntry> = BTreeMap::new();
    for (list, of_bytes) in [(bytes, true), (operations, false)] {
        for IoEntry { major, minor, operation, value } in list {
            let entry = devices.entry((*major, *minor)).or_insert_with(|| v2::IOEntry {
                major: *major,
                minor: *minor,
                ..v2::IOEntry::default()
            });
            match (operation.as_str(), of_bytes) {
                ("Read", true) => entry.rbytes = *value,
                ("Write", true) => entry.wbytes = *value,
                ("Read", false) => entry.rios = *value,
                ("Write", false) => entry.wios = *value,
                _ => {}
            }
        }
    }
    devices.into_values().collect()
}

fn huge_pages_of_v2((size, count): (&String, &Count)) -> v2::HugeTlbStat {
    v2::HugeTlbStat {
        current: count.usage,
        max: most(count.limit),
        pagesize: size.clone(),
        failcnt: count.failures,
        ..v2::HugeTlbStat::default()
    }
}

fn rdma_of_v2(entry: &RdmaEntry) -> v2::RdmaEntry {
    v2::RdmaEntry {
        device: entry.device.clone(),
        hca_handles: entry.handles.unwrap_or(u32::MAX),
        hca_objects: entry.objects.unwrap_or(u32::MAX),
        ..v2::RdmaEntry::default()
    }
}

fn pressure(pressure: Option<&Pressure>) -> MessageField<v2::PSIStats> {
    let share = |share: &Share| {
        MessageField::some(v2::PSIData {
            avg10: share.avg10,
            avg60: share.avg60,
            avg300: share.avg300,
            total: share.total,
            ..v2::PSIData::default()
        })
    };
    let both = pressure.map(|pressure| v2::PSIStats {
        some: share(&pressure.some),
        full: share(&pressure.full),
        ..v2::PSIStats::default()
    });
    both.into()
}

fn of_v1(stats: &Stats) -> v1::Metrics {
    let (cpu, events) = (&stats.cpu, &stats.memory.events);
    let usage = v1::CPUUsage {
        total: cpu.usage,
        kernel: cpu.system,
        user: cpu.user,
        per_cpu: cpu.per_cpu.clone(),
        ..v1::CPUUsage::default()
    };
    let throttling = v1::Throttle {
        periods: cpu.periods,
        throttled_periods: cpu.throttled_periods,
        throttled_time: cpu.throttled,
        ..v1::Throttle::default()
    };
    v1::Metrics {
        hugetlb: stats.huge_pages.iter().map(huge_pages_of_v1).collect(),
        pids: MessageField::some(v1::PidsStat {
            current: stats.pids.current,
            // v1's readers take 0 for none.
            limit: stats.pids.limit.unwrap_or(0),
            ..v1::PidsStat::default()
        }),
        cpu: MessageField::some(v1::CPUStat {
            usage: MessageField::some(usage),
            throttling: MessageField::some(throttling),
            ..v1::CPUStat::default()
        }),
        memory: MessageField::some(memory_of_v1(stats)),
        blkio: MessageField::some(io_of_v1(stats)),
        rdma: MessageField::some(v1::RdmaStat {
            current: stats.rdma.current.iter().map(rdma_of_v1).collect(),
            limit: stats.rdma.limit.iter().map(rdma_of_v1).collect(),
            ..v1::RdmaStat::default()
        }),
        memory_oom_control: MessageField::some(v1::MemoryOomControl {
            oom_kill_disable: events.oom_kill_disable,
            under_oom: events.under_oom,
            oom_kill: events.oom_kill,
            ..v1::MemoryOomControl::default()
        }),
        ..v1::Metrics::default()
    }
}

fn memory_of_v1(stats: &Stats) -> v1::MemoryStat {
    let memory = &stats.memory;
    let of = |key: &str| memory.stat.get(key).copied().unwrap_or_default();
    v1::MemoryStat {
        cache: of("cache"),
        rss: of("rss"),
        rss_huge: of("rss_huge"),
        mapped_file: of("mapped_file"),
        dirty: of("dirty"),
        writeback: of("writeback"),
        pg_pg_in: of("pgpgin"),
        pg_pg_out: of("pgpgout"),
        pg_fault: of("pgfault"),
        pg_maj_fault: of("pgmajfault"),
        inactive_anon: of("inactive_anon"),
        active_anon: of("active_anon"),
        inactive_file: of("inactive_file"),
        active_file: of("active_file"),
        unevictable: of("unevictable"),
        hierarchical_memory_limit: of("hierarchical_memory_limit"),
        hierarchical_swap_limit: of("hierarchical_memsw_limit"),
        total_cache: of("total_cache"),
        total_rss: of("total_rss"),
        total_rss_huge: of("total_rss_huge"),
        total_mapped_file: of("total_mapped_file"),
        total_dirty: of("total_dirty"),
        total_writeback: of("total_writeback"),
        total_pg_pg_in: of("total_pgpgin"),
        total_pg_pg_out: of("total_pgpgout"),
        total_pg_fault: of("total_pgfault"),
        total_pg_maj_fault: of("total_pgmajfault"),
        total_inactive_anon: of("total_inactive_anon"),
        total_active_anon: of("total_active_anon"),
        total_inactive_file: of("total_inactive_file"),
        total_active_file: of("total_active_file"),
        total_unevictable: of("total_unevictable"),
        usage: count_of_v1(&memory.usage),
        swap: count_of_v1(&memory.swap),
        kernel: count_of_v1(&memory.kernel),
        kernel_tcp: count_of_v1(&memory.kernel_tcp),
        ..v1::MemoryStat::default()
    }
}

fn count_of_v1(count: &Count) -> MessageField<v1::MemoryEntry> {
    MessageField::some(v1::MemoryEntry {
        limit: most(count.limit),
        usage: count.usage,
        max: count.peak,
        failcnt: count.failures,
        ..v1::MemoryEntry::default()
    })
}

fn io_of_v1(stats: &Stats) -> v1::BlkIOStat {
    let list = |entries: &[IoEntry]| -> Vec<v1::BlkIOEntry> {
        let entry = |one: &IoEntry| v1::BlkIOEntry {
            op: one.operation.clone(),
            major: one.major,
            minor: one.minor,
            value: one.value,
            ..v1::BlkIOEntry::default()
        };
        entries.iter().map(entry).collect()
    };
    let io = &stats.io;
    v1::BlkIOStat {
        io_service_bytes_recursive: list(&io.service_bytes),
        io_serviced_recursive: list(&io.serviced),
        io_queued_recursive: list(&io.queued),
        io_service_time_recursive: list(&io.service_time),
        io_wait_time_recursive: list(&io.wait_time),
        io_merged_recursive: list(&io.merged),
        io_time_recursive: list(&io.time),
        sectors_recursive: list(&io.sectors),
        ..v1::BlkIOStat::default()
    }
}

fn huge_pages_of_v1((size, count): (&String, &Count)) -> v1::HugetlbStat {
    v1::HugetlbStat {
        usage: count.usage,
        max: count.peak,
        failcnt: count.failures,
        pagesize: size.clone(),
        ..v1::HugetlbStat::default()
    }
}

fn rdma_of_v1(entry: &RdmaEntry) -> v1::RdmaEntry {
    v1::RdmaEntry {
        device: entry.device.clone(),
        hca_handles: entry.handles.unwrap_or(u32::MAX),
        hca_objects: entry.objects.unwrap_or(u32::MAX),
        ..v1::RdmaEntry::default()
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
