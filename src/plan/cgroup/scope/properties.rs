//! Writes to cgroup2 files as properties of a unit.
//!
//! It knows which file systemd writes for which property, and both units. A file that systemd leaves alone (`hugetlb.*`,
//! `rdma.max`, `cpu.max.burst`) has none, and is only written.
//! What a newcomer would get wrong: a property is in systemd's unit, not in the kernel's: a quota is microseconds for each
//! second, a set of processors a bit mask, a device a path.

use super::{Property, Value};
use crate::plan::cgroup::{Absent, Setting};

/// The file's `max`.
const INFINITY: u64 = u64::MAX;

/// systemd writes a quota into the unit in whole percents, rounded down: a limit would become less at its next reload.
const PERCENT: u64 = 10_000;

/// The properties of `settings`, each with the field that asked for it.
#[must_use]
pub fn of_settings(settings: &[Setting]) -> Vec<Property> {
    let mut all: Vec<Property> = Vec::new();
    for setting in settings {
        let Setting::Write(write) = setting else { continue };
        let (file, value) = match &write.absent {
            // BFQ's own file is beyond systemd, which knows the other one.
            Absent::Instead(file, value) => (file, value),
            Absent::Fails | Absent::Ignored => (&write.file, &write.value),
        };
        for line in value.lines() {
            for (name, value) in of_file(file, line) {
                // Who is not idle keeps its weight.
                if file == "cpu.idle" && line == "0" && all.iter().any(|one| one.name == name) {
                    continue;
                }
                add(
                    &mut all,
                    Property { pointer: write.pointer.clone(), ..Property::new(name, value) },
                );
            }
        }
    }
    all
}

/// One property for each name. A later value replaces an earlier one; of lists, it is appended.
pub fn add(all: &mut Vec<Property>, new: Property) {
    let Some(old) = all.iter_mut().find(|old| old.name == new.name) else {
        all.push(new);
        return;
    };
    match (&mut old.value, new.value) {
        (Value::Rates(old), Value::Rates(new)) => old.extend(new),
        (old, new) => *old = new,
    }
}

/// The properties that `line`, written to `file`, stands for. None for a file that systemd does not know, and for a value
/// that the kernel will not take: it has the words for it.
#[must_use]
pub fn of_file(file: &str, line: &str) -> Vec<(&'static str, Value)> {
    let line = line.trim();
    match file {
        "memory.min" => limit("MemoryMin", line),
        "memory.low" => limit("MemoryLow", line),
        "memory.high" => limit("MemoryHigh", line),
        "memory.max" => limit("MemoryMax", line),
        "memory.swap.max" => limit("MemorySwapMax", line),
        // One is the least that systemd takes, and one process too many for a limit of none.
        "pids.max" if line == "0" => limit("TasksMax", "1"),
        "pids.max" => limit("TasksMax", line),
        "cpu.weight" => limit("CPUWeight", line),
        // Zero is systemd's word for idle, its highest number for the default.
        "cpu.idle" if line == "1" => limit("CPUWeight", "0"),
        "cpu.idle" if line == "0" => limit("CPUWeight", "max"),
        "cpu.max" => quota(line),
        "cpuset.cpus" => mask("AllowedCPUs", line),
        "cpuset.mems" => mask("AllowedMemoryNodes", line),
        "io.weight" => weight(line),
        "io.max" => rates(line),
        _ => Vec::new(),
    }
}

fn number(text: &str) -> Option<u64> {
    if text == "max" { Some(INFINITY) } else { text.parse().ok() }
}

fn limit(name: &'static str, line: &str) -> Vec<(&'static str, Value)> {
    number(line).map(|number| (name, Value::U64(number))).into_iter().collect()
}

/// `50000 100000`: microseconds in a period.
fn quota(line: &str) -> Vec<(&'static str, Value)> {
    let mut words = line.split_ascii_whitespace();
    let (Some(quota), period) = (words.next().and_then(number), words.next()) else {
        return Vec::new();
    };
    let Ok(period) = period.unwrap_or("100000").parse::<u64>() else { return Vec::new() };
    let a_second = |us: u64| {
        let exact = us.checked_mul(1_000_000)?.checked_div(period)?;
        exact.div_ceil(PERCENT).checked_mul(PERCENT)
    };
    let quota = if quota == INFINITY { Some(INFINITY) } else { a_second(quota) };
    let Some(quota) = quota else { return Vec::new() };
    vec![("CPUQuotaPerSecUSec", Value::U64(quota)), ("CPUQuotaPeriodUSec", Value::U64(period))]
}

/// A list such as `0-3,7` as bits, the lowest first.
fn mask(name: &'static str, list: &str) -> Vec<(&'static str, Value)> {
    /// More than any kernel is built for.
    const MOST: usize = 1 << 16;
    let mut bytes = Vec::new();
    for range in list.split(',').filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (Ok(first), Ok(last)) = (first.trim().parse::<usize>(), last.trim().parse::<usize>())
        else {
            return Vec::new();
        };
        if first > last || last >= MOST {
            return Vec::new();
        }
        if bytes.len() <= last / 8 {
            bytes.resize(last / 8 + 1, 0_u8);
        }
        (first..=last).for_each(|bit| bytes[bit / 8] |= 1 << (bit % 8));
    }
    vec![(name, Value::Bytes(bytes))]
}

/// systemd takes any path below /dev, and reads the numbers off one of these.
fn path(device: &str) -> String {
    format!("/dev/block/{device}")
}

/// `200`, `default 200` or `8:0 200`.
fn weight(line: &str) -> Vec<(&'static str, Value)> {
    match line.split_once(' ') {
        None => limit("IOWeight", line),
        Some(("default", weight)) => limit("IOWeight", weight),
        Some((device, weight)) => {
            let rate = weight.parse().ok().map(|weight| Value::Rates(vec![(path(device), weight)]));
            rate.map(|rate| ("IODeviceWeight", rate)).into_iter().collect()
        }
    }
}

/// `8:0 rbps=1048576 wiops=max`.
fn rates(line: &str) -> Vec<(&'static str, Value)> {
    let Some((device, pairs)) = line.split_once(' ') else { return Vec::new() };
    let one = |pair: &str| {
        let (key, rate) = pair.split_once('=')?;
        let name = match key {
            "rbps" => "IOReadBandwidthMax",
            "wbps" => "IOWriteBandwidthMax",
            "riops" => "IOReadIOPSMax",
            "wiops" => "IOWriteIOPSMax",
            _ => return None,
        };
        Some((name, Value::Rates(vec![(path(device), number(rate)?)])))
    };
    pairs.split_ascii_whitespace().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(file: &str, line: &str) -> String {
        let one = |(name, value): (&str, Value)| format!("{name}={value}");
        of_file(file, line).into_iter().map(one).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn every_file_that_systemd_writes_has_its_property() {
        for (file, line, properties) in [
            ("memory.min", "1", "MemoryMin=1"),
            ("memory.low", "max\n", "MemoryLow=infinity"),
            ("memory.high", "2", "MemoryHigh=2"),
            ("memory.max", "67108864", "MemoryMax=67108864"),
            ("memory.swap.max", "0", "MemorySwapMax=0"),
            ("pids.max", "0", "TasksMax=1"),
            ("pids.max", "max", "TasksMax=infinity"),
            ("cpu.weight", "100", "CPUWeight=100"),
            ("cpu.idle", "1", "CPUWeight=0"),
            ("cpu.idle", "0", "CPUWeight=infinity"),
            ("cpu.max", "50000 100000", "CPUQuotaPerSecUSec=500000; CPUQuotaPeriodUSec=100000"),
            ("cpu.max", "33333 100000", "CPUQuotaPerSecUSec=340000; CPUQuotaPeriodUSec=100000"),
            ("cpu.max", "max 50000", "CPUQuotaPerSecUSec=infinity; CPUQuotaPeriodUSec=50000"),
            ("cpu.max", "1 0", ""),
            ("cpuset.cpus", "0-3,9", "AllowedCPUs=0x020f"),
            ("cpuset.mems", "0", "AllowedMemoryNodes=0x01"),
            ("cpuset.cpus", "3-1", ""),
            ("cpuset.cpus", "99999999", ""),
            ("io.weight", "default 200", "IOWeight=200"),
            ("io.weight", "8:0 300", "IODeviceWeight=/dev/block/8:0 300"),
            (
                "io.max",
                "8:0 rbps=1 wbps=max riops=3 wiops=4",
                "IOReadBandwidthMax=/dev/block/8:0 1; IOWriteBandwidthMax=/dev/block/8:0 infinity; \
                 IOReadIOPSMax=/dev/block/8:0 3; IOWriteIOPSMax=/dev/block/8:0 4",
            ),
            ("hugetlb.2MB.max", "0", ""),
            ("memory.max", "plenty", ""),
        ] {
            assert_eq!(shown(file, line), properties, "{file} {line:?}");
        }
    }
}
