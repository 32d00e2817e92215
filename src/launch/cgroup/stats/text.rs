//! The kernel's files of figures, as text.
//!
//! It knows their four shapes: a number, `key value` lines, `MAJOR:MINOR key=value …` lines, PSI's. It refuses to know
//! which file has which. What a newcomer would get wrong: new kernels add keys and lines, so what is not understood is
//! passed over, never an error.

use super::{Count, RdmaEntry};
use std::collections::BTreeMap;

/// A figure of one device and one kind of operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IoEntry {
    /// Of the device.
    pub major: u64,
    /// Of the device.
    pub minor: u64,
    /// `Read`, `Write`, …; empty where the kernel does not tell them apart.
    pub operation: String,
    /// The figure.
    pub value: u64,
}

/// PSI, see Documentation/accounting/psi.rst.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pressure {
    /// Some waited.
    pub some: Share,
    /// All waited.
    pub full: Share,
}

/// Shares of time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Share {
    /// Percent of the last ten seconds.
    pub avg10: f64,
    /// Percent of the last minute.
    pub avg60: f64,
    /// Percent of the last five minutes.
    pub avg300: f64,
    /// Microseconds in all.
    pub total: u64,
}

pub fn number(text: &str) -> u64 {
    text.trim().parse().unwrap_or_default()
}

/// A limit; `max`, `-1` and v1's highest number of pages are none.
pub fn limit(text: &str) -> Option<u64> {
    const PAGES: u64 = i64::MAX as u64 - 0xf_ffff;
    text.trim().parse().ok().filter(|number| *number < PAGES)
}

pub fn numbers(text: &str) -> Vec<u64> {
    text.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// Lines of `key value`.
pub fn flat(text: &str) -> BTreeMap<String, u64> {
    let pair = |line: &str| {
        let (key, value) = line.split_once(' ')?;
        Some((key.to_owned(), value.trim().parse().ok()?))
    };
    text.lines().filter_map(pair).collect()
}

/// Lines of `MAJOR:MINOR [OPERATION] VALUE`, as v1 writes them. Its last line, a sum, has no device.
pub fn v1_io(text: &str) -> Vec<IoEntry> {
    let entry = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let (major, minor) = device(words.next()?)?;
        let (first, second) = (words.next()?, words.next());
        let (operation, value) = match second {
            Some(value) => (first.to_owned(), value),
            None => (String::new(), first),
        };
        Some(IoEntry { major, minor, operation, value: value.parse().ok()? })
    };
    text.lines().filter_map(entry).collect()
}

/// `io.stat`: bytes and operations, by device.
pub fn v2_io(text: &str) -> (Vec<IoEntry>, Vec<IoEntry>) {
    let (mut bytes, mut operations) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let Some((major, minor)) = words.next().and_then(device) else { continue };
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            let (list, operation) = match key {
                "rbytes" => (&mut bytes, "Read"),
                "wbytes" => (&mut bytes, "Write"),
                "dbytes" => (&mut bytes, "Discard"),
                "rios" => (&mut operations, "Read"),
                "wios" => (&mut operations, "Write"),
                "dios" => (&mut operations, "Discard"),
                _ => continue,
            };
            let (operation, value) = (operation.to_owned(), number(value));
            list.push(IoEntry { major, minor, operation, value });
        }
    }
    (bytes, operations)
}

/// iocost's part of `io.stat`.
pub fn io_cost(text: &str) -> Vec<IoEntry> {
    let mut cost = Vec::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let Some((major, minor)) = words.next().and_then(device) else { continue };
        let counts = words.filter_map(|word| word.strip_prefix("cost.")?.split_once('='));
        for (operation, value) in counts.filter(|(key, _)| COST.contains(key)) {
            let (operation, value) = (operation.to_owned(), number(value));
            cost.push(IoEntry { major, minor, operation, value });
        }
    }
    cost
}

/// Its counts; what else is there is the state of the whole device.
const COST: [&str; 4] = ["usage", "wait", "indebt", "indelay"];

/// `misc.current`, `misc.max`, `misc.peak` and `misc.events`: lines of `RESOURCE VALUE`, and `RESOURCE.max COUNT`.
pub fn misc([current, most, peak, events]: [&str; 4]) -> BTreeMap<String, Count> {
    let (most, peak, events) = (flat(most), flat(peak), flat(events));
    let count = |(name, usage): (String, u64)| {
        let count = Count {
            usage,
            limit: most.get(&name).copied(),
            peak: peak.get(&name).copied().unwrap_or_default(),
            failures: events.get(&format!("{name}.max")).copied().unwrap_or_default(),
        };
        (name, count)
    };
    flat(current).into_iter().map(count).collect()
}

fn device(text: &str) -> Option<(u64, u64)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// PSI's two lines. A kernel without the second (of processors, before 5.13) has zero there.
pub fn pressure(text: &str) -> Pressure {
    let mut pressure = Pressure::default();
    for line in text.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or_default();
        let share = match word {
            "some" => &mut pressure.some,
            "full" => &mut pressure.full,
            _ => continue,
        };
        for (key, value) in rest.split_ascii_whitespace().filter_map(|word| word.split_once('=')) {
            let percent = value.parse().unwrap_or_default();
            match key {
                "avg10" => share.avg10 = percent,
                "avg60" => share.avg60 = percent,
                "avg300" => share.avg300 = percent,
                "total" => share.total = number(value),
                _ => {}
            }
        }
    }
    pressure
}

/// Lines of `DEVICE hca_handle=N hca_object=N`.
pub fn rdma(text: &str) -> Vec<RdmaEntry> {
    let entry = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let device = words.next()?.to_owned();
        let mut entry = RdmaEntry { device, handles: None, objects: None };
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            match key {
                "hca_handle" => entry.handles = value.parse().ok(),
                "hca_object" => entry.objects = value.parse().ok(),
                _ => {}
            }
        }
        Some(entry)
    };
    text.lines().filter_map(entry).collect()
}

/// `2048` (kB, of /sys/kernel/mm/hugepages) as the files of a cgroup spell it.
pub fn page_size(kilobytes: u64) -> String {
    match kilobytes {
        _ if kilobytes >= 1 << 20 => format!("{}GB", kilobytes >> 20),
        _ if kilobytes >= 1 << 10 => format!("{}MB", kilobytes >> 10),
        _ => format!("{kilobytes}KB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_none_has_three_spellings() {
        for text in ["max\n", "-1\n", "9223372036854771712\n"] {
            assert_eq!(limit(text), None, "{text:?}");
        }
        assert_eq!(limit("67108864\n"), Some(67_108_864));
        assert_eq!(limit("0\n"), Some(0));
    }

    #[test]
    fn lines_that_are_not_understood_are_passed_over() {
        let map = flat("usage_usec 5\nodd\nnr_periods x\nuser_usec 3\n");
        assert_eq!(
            map.into_iter().collect::<Vec<_>>(),
            [("usage_usec".into(), 5), ("user_usec".into(), 3)]
        );
        assert_eq!(numbers("1 2 x 3\n"), [1, 2, 3]);
    }

    #[test]
    fn figures_of_devices_keep_device_and_operation() {
        let entry = |major, minor, operation: &str, value| IoEntry {
            major,
            minor,
            operation: operation.into(),
            value,
        };
        let v1 = "8:0 Read 4096\n8:0 Total 4096\n259:1 12\nTotal 4096\n";
        assert_eq!(
            v1_io(v1),
            [entry(8, 0, "Read", 4096), entry(8, 0, "Total", 4096), entry(259, 1, "", 12)]
        );
        let v2 = "254:0 rbytes=4096 wbytes=1 rios=2 wios=3 dbytes=0 dios=0 cost.vrate=1\n7:7\n";
        let (bytes, operations) = v2_io(v2);
        assert_eq!(bytes[..2], [entry(254, 0, "Read", 4096), entry(254, 0, "Write", 1)]);
        assert_eq!(operations[..2], [entry(254, 0, "Read", 2), entry(254, 0, "Write", 3)]);
        assert_eq!((bytes.len(), operations.len()), (3, 3));
    }

    #[test]
    fn iocost_counts_beside_what_is_the_devices_own() {
        let text = "254:0 rbytes=1 cost.vrate=100.00 cost.usage=7 cost.wait=8 cost.indebt=0 cost.indelay=9\n7:7\n";
        let read: Vec<_> =
            io_cost(text).into_iter().map(|one| (one.operation, one.value)).collect();
        let expected = [("usage", 7), ("wait", 8), ("indebt", 0), ("indelay", 9)];
        assert_eq!(read, expected.map(|(key, value)| (key.to_owned(), value)));
    }

    #[test]
    fn other_resources_are_counted_by_name() {
        let read = misc(["sev 3\nsev_es 0\n", "sev 10\nsev_es max\n", "sev 4\n", "sev.max 2\n"]);
        let sev = Count { usage: 3, limit: Some(10), peak: 4, failures: 2 };
        assert_eq!(read["sev"], sev);
        assert_eq!(read["sev_es"], Count::default());
        assert!(misc([""; 4]).is_empty());
    }

    #[test]
    fn pressure_has_two_lines_or_one() {
        let some = "some avg10=1.50 avg60=0.25 avg300=0.00 total=1234\n";
        let read = pressure(some);
        assert_eq!((read.some.avg10, read.some.avg60, read.some.total), (1.5, 0.25, 1234));
        assert_eq!(read.full, Share::default());
        let full = pressure(&some.replace("some", "full"));
        assert_eq!((full.full, full.some), (read.some, read.full));
    }

    #[test]
    fn rdma_devices_may_be_unlimited() {
        let read = rdma("mlx4_0 hca_handle=2 hca_object=max\n");
        let handles = Some(2);
        assert_eq!(read, [RdmaEntry { device: "mlx4_0".into(), handles, objects: None }]);
    }

    #[test]
    fn pages_are_spelled_as_cgroup_files_are() {
        assert_eq!([64, 2048, 1 << 20].map(page_size), ["64KB", "2MB", "1GB"]);
    }
}
