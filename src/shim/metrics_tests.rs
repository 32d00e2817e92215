//! A reading, written and read back as a client of containerd would.

use super::*;
use rrun::launch::cgroup::stats::{Cpu, Io, Memory, Pids, Rdma};

fn entry(operation: &str, value: u64) -> IoEntry {
    IoEntry { major: 254, minor: 1, operation: operation.into(), value }
}

fn stat(keys: &[(&str, u64)]) -> BTreeMap<String, u64> {
    keys.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect()
}

fn reading(layout: Layout) -> Stats {
    Stats {
        layout,
        cpu: Cpu {
            usage: 3_000_000,
            user: 2_000_000,
            system: 1_000_000,
            per_cpu: vec![1, 2_999_999],
            periods: 7,
            throttled_periods: 3,
            throttled: 9000,
            ..Cpu::default()
        },
        memory: Memory {
            usage: Count { usage: 10, limit: Some(100), peak: 20, failures: 4 },
            swap: Count { usage: 5, limit: None, peak: 6, failures: 0 },
            stat: stat(&[
                ("anon", 11),
                ("workingset_refault_anon", 1),
                ("workingset_refault_file", 2),
                ("cache", 12),
                ("total_pgfault", 13),
                ("hierarchical_memsw_limit", 14),
            ]),
            events: MemoryEvents { max: 4, oom: 2, oom_kill: 1, ..MemoryEvents::default() },
            pressure: Some(Pressure {
                some: Share { avg10: 1.5, ..Share::default() },
                ..Pressure::default()
            }),
            ..Memory::default()
        },
        pids: Pids { current: 2, limit: None },
        io: Io {
            service_bytes: vec![entry("Read", 4096), entry("Write", 8192), entry("Discard", 1)],
            serviced: vec![entry("Read", 1), entry("Write", 2)],
            ..Io::default()
        },
        misc: std::collections::BTreeMap::new(),
        huge_pages: [("2MB".to_owned(), Count { usage: 1, limit: Some(9), peak: 3, failures: 5 })]
            .into(),
        rdma: Rdma {
            current: vec![RdmaEntry { device: "mlx".into(), handles: Some(2), objects: Some(3) }],
            limit: vec![RdmaEntry { device: "mlx".into(), handles: Some(8), objects: None }],
        },
    }
}

#[test]
fn a_cgroup2_host_gets_the_second_message() {
    let any = message(&reading(Layout::Unified)).unwrap();
    assert_eq!(any.type_url, "io.containerd.cgroups.v2.Metrics");
    let read = v2::Metrics::parse_from_bytes(&any.value).unwrap();
    let cpu = &read.cpu;
    assert_eq!((cpu.usage_usec, cpu.user_usec, cpu.system_usec), (3000, 2000, 1000));
    assert_eq!((cpu.nr_periods, cpu.nr_throttled, cpu.throttled_usec), (7, 3, 9));
    assert!(cpu.psi.is_none(), "nobody asked the kernel");
    let memory = &read.memory;
    assert_eq!((memory.usage, memory.usage_limit, memory.max_usage), (10, 100, 20));
    assert_eq!((memory.swap_usage, memory.swap_limit, memory.swap_max_usage), (5, u64::MAX, 6));
    assert_eq!((memory.anon, memory.workingset_refault, memory.file), (11, 3, 0));
    assert_eq!(memory.psi.some.avg10, 1.5);
    assert_eq!(
        (read.memory_events.max, read.memory_events.oom, read.memory_events.oom_kill),
        (4, 2, 1)
    );
    assert_eq!((read.pids.current, read.pids.limit), (2, u64::MAX));
    let [io] = &read.io.usage[..] else { panic!("{:?}", read.io) };
    assert_eq!((io.major, io.minor), (254, 1));
    assert_eq!((io.rbytes, io.wbytes, io.rios, io.wios), (4096, 8192, 1, 2));
    let [huge] = &read.hugetlb[..] else { panic!("{:?}", read.hugetlb) };
    assert_eq!((huge.current, huge.max, huge.failcnt, &*huge.pagesize), (1, 9, 5, "2MB"));
    assert_eq!(read.rdma.current[0].hca_objects, 3);
    assert_eq!(read.rdma.limit[0].hca_objects, u32::MAX);
}

#[test]
fn a_hybrid_host_gets_the_first_message() {
    let any = message(&reading(Layout::Hybrid)).unwrap();
    assert_eq!(any.type_url, "io.containerd.cgroups.v1.Metrics");
    let read = v1::Metrics::parse_from_bytes(&any.value).unwrap();
    let usage = &read.cpu.usage;
    assert_eq!((usage.total, usage.user, usage.kernel), (3_000_000, 2_000_000, 1_000_000));
    assert_eq!(usage.per_cpu, [1, 2_999_999]);
    let throttling = &read.cpu.throttling;
    assert_eq!(
        (throttling.periods, throttling.throttled_periods, throttling.throttled_time),
        (7, 3, 9000)
    );
    let memory = &read.memory;
    let entry = &memory.usage;
    assert_eq!((entry.usage, entry.limit, entry.max, entry.failcnt), (10, 100, 20, 4));
    assert_eq!(memory.swap.limit, u64::MAX);
    assert_eq!((memory.cache, memory.total_pg_fault, memory.hierarchical_swap_limit), (12, 13, 14));
    assert_eq!(read.memory_oom_control.oom_kill, 1);
    assert_eq!((read.pids.current, read.pids.limit), (2, 0));
    let bytes = &read.blkio.io_service_bytes_recursive;
    let bytes: Vec<_> = bytes.iter().map(|one| (&*one.op, one.major, one.value)).collect();
    assert_eq!(bytes, [("Read", 254, 4096), ("Write", 254, 8192), ("Discard", 254, 1)]);
    let [huge] = &read.hugetlb[..] else { panic!("{:?}", read.hugetlb) };
    assert_eq!((huge.usage, huge.max, huge.failcnt), (1, 3, 5));
    assert_eq!(read.rdma.current[0].hca_handles, 2);
}

#[test]
fn a_reading_of_nothing_is_a_message_of_zeros() {
    let any = message(&Stats::default()).unwrap();
    let read = v2::Metrics::parse_from_bytes(&any.value).unwrap();
    assert_eq!((read.memory.usage, read.memory.usage_limit), (0, u64::MAX));
    assert!(read.io.usage.is_empty() && read.hugetlb.is_empty());
}
