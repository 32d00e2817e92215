//! The lines of `rrun events`, in the shape that go-runc decodes.
//!
//! It knows runc's names. What a newcomer would get wrong: they are v1's, whatever the host has. Times are nanoseconds,
//! swap counts memory *and* swap, and no limit is the highest number, but for processes, where it is 0.

use crate::launch::cgroup::Trigger;
use crate::launch::cgroup::stats::{Count, IoEntry, Layout, Pressure, Share, Stats};
use serde_json::{Value, json};
use std::time::Duration;

/// A reading.
pub fn stats(id: &str, stats: &Stats) -> Value {
    json!({ "type": "stats", "id": id, "data": data(stats) })
}

/// A kill for want of memory.
pub fn oom(id: &str) -> Value {
    json!({ "type": "oom", "id": id })
}

/// A trigger's word, and what was counted when it came.
pub fn pressed(id: &str, trigger: &Trigger, now: &Pressure) -> Value {
    let Trigger { of, waiting, stall, window } = trigger;
    let micros = |time: &Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    json!({
        "type": "pressure",
        "id": id,
        "data": {
            "resource": of.name(),
            "waiting": waiting.name(),
            "stall": micros(stall),
            "window": micros(window),
            "psi": pressure(now),
        },
    })
}

fn data(stats: &Stats) -> Value {
    let huge = stats.huge_pages.iter().map(|(size, count)| {
        let Count { usage, peak, failures, .. } = count;
        (size.clone(), json!({ "usage": usage, "max": peak, "failcnt": failures }))
    });
    json!({
        "cpu": cpu(stats),
        "memory": memory(stats),
        "pids": { "current": stats.pids.current, "limit": stats.pids.limit.unwrap_or(0) },
        "blkio": io(stats),
        "hugetlb": huge.collect::<serde_json::Map<_, _>>(),
        "rdma": {
            "current": rdma(&stats.rdma.current),
            "limit": rdma(&stats.rdma.limit),
        },
        "misc": stats.misc.iter().map(|(name, one)| (name.clone(), count(one))).collect::<serde_json::Map<_, _>>(),
        "intel_rdt": {},
        "network_interfaces": null,
    })
}

fn cpu(stats: &Stats) -> Value {
    let cpu = &stats.cpu;
    json!({
        "usage": {
            "total": cpu.usage,
            "percpu": cpu.per_cpu,
            "percpu_kernel": cpu.per_cpu_system,
            "percpu_user": cpu.per_cpu_user,
            "kernel": cpu.system,
            "user": cpu.user,
        },
        "throttling": {
            "periods": cpu.periods,
            "throttledPeriods": cpu.throttled_periods,
            "throttledTime": cpu.throttled,
        },
        "psi": cpu.pressure.as_ref().map(pressure),
    })
}

fn memory(stats: &Stats) -> Value {
    let memory = &stats.memory;
    let cache = memory.stat.get("file").or_else(|| memory.stat.get("cache"));
    let mut swap = memory.swap;
    if stats.layout == Layout::Unified {
        swap.usage = swap.usage.saturating_add(memory.usage.usage);
        swap.limit = swap.limit.zip(memory.usage.limit).map(|(a, b)| a.saturating_add(b));
        // The two were highest at different times.
        swap.peak = 0;
    }
    json!({
        "cache": cache.copied().unwrap_or_default(),
        "usage": count(&memory.usage),
        "swap": count(&swap),
        "kernel": count(&memory.kernel),
        "kernelTCP": count(&memory.kernel_tcp),
        "raw": memory.stat,
        "psi": memory.pressure.as_ref().map(pressure),
    })
}

fn count(count: &Count) -> Value {
    json!({
        "limit": count.limit.unwrap_or(u64::MAX),
        "usage": count.usage,
        "max": count.peak,
        "failcnt": count.failures,
    })
}

fn io(stats: &Stats) -> Value {
    let list = |entries: &[IoEntry]| -> Vec<Value> {
        let entry = |one: &IoEntry| {
            let IoEntry { major, minor, operation, value } = one;
            json!({ "major": major, "minor": minor, "op": operation, "value": value })
        };
        entries.iter().map(entry).collect()
    };
    let io = &stats.io;
    json!({
        "ioServiceBytesRecursive": list(&io.service_bytes),
        "ioServicedRecursive": list(&io.serviced),
        "ioQueueRecursive": list(&io.queued),
        "ioServiceTimeRecursive": list(&io.service_time),
        "ioWaitTimeRecursive": list(&io.wait_time),
        "ioMergedRecursive": list(&io.merged),
        "ioTimeRecursive": list(&io.time),
        "sectorsRecursive": list(&io.sectors),
        "ioCost": list(&io.cost),
        "psi": io.pressure.as_ref().map(pressure),
    })
}

fn rdma(entries: &[crate::launch::cgroup::stats::RdmaEntry]) -> Vec<Value> {
    let number = |value: Option<u32>| value.unwrap_or(u32::MAX);
    let entry = |one: &crate::launch::cgroup::stats::RdmaEntry| {
        let (handles, objects) = (number(one.handles), number(one.objects));
        json!({ "device": one.device, "hca_handles": handles, "hca_objects": objects })
    };
    entries.iter().map(entry).collect()
}

fn pressure(pressure: &Pressure) -> Value {
    let share = |share: &Share| {
        let Share { avg10, avg60, avg300, total } = share;
        json!({ "avg10": avg10, "avg60": avg60, "avg300": avg300, "total": total })
    };
    json!({ "some": share(&pressure.some), "full": share(&pressure.full) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::cgroup::stats::Memory;

    fn with(layout: Layout, limit: Option<u64>) -> Value {
        let memory = Memory {
            usage: Count { usage: 10, limit, ..Count::default() },
            swap: Count { usage: 5, limit: Some(50), ..Count::default() },
            ..Memory::default()
        };
        data(&Stats { layout, memory, ..Stats::default() })
    }

    #[test]
    fn swap_counts_memory_too_on_every_host() {
        let unified = with(Layout::Unified, Some(100));
        assert_eq!(unified["memory"]["swap"]["usage"], 15);
        assert_eq!(unified["memory"]["swap"]["limit"], 150);
        let hybrid = with(Layout::Hybrid, Some(100));
        assert_eq!(hybrid["memory"]["swap"]["usage"], 5);
        assert_eq!(hybrid["memory"]["swap"]["limit"], 50);
    }

    #[test]
    fn no_limit_is_the_highest_number_and_of_processes_zero() {
        let data = with(Layout::Unified, None);
        assert_eq!(data["memory"]["usage"]["limit"], u64::MAX);
        assert_eq!(data["memory"]["swap"]["limit"], u64::MAX);
        assert_eq!(data["pids"]["limit"], 0);
    }

    #[test]
    fn an_event_names_its_container() {
        assert_eq!(oom("web").to_string(), r#"{"id":"web","type":"oom"}"#);
    }
}
