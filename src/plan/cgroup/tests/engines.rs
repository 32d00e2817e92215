//! What ctr, CRI, Docker and Podman ask for, in either hierarchy. The numbers are from configurations they wrote.

use super::*;

const MIB: u64 = 1 << 20;

fn half_a_cpu() -> Cpu {
    Cpu { quota: Some(Limit::Max(50_000)), period: Some(100_000), ..Cpu::default() }
}

fn shares(shares: u64) -> Cpu {
    Cpu { shares: Some(shares), ..Cpu::default() }
}

fn memory(limit: u64, swap: Option<u64>) -> Memory {
    Memory { limit: Some(Limit::Max(limit)), swap: swap.map(Limit::Max), ..Memory::default() }
}

fn assert_writes(resources: Resources, v2: &[&str], v1: &[&str]) {
    assert_eq!(writes(&on_v2(resources.clone()).expect("a plan")), v2);
    assert_eq!(writes(&on_hybrid(resources).expect("a plan")), v1);
}

#[test]
fn cri_container_has_quota_memory_and_no_swap() {
    assert_writes(
        Resources {
            cpu: half_a_cpu(),
            memory: memory(64 * MIB, Some(64 * MIB)),
            ..Resources::default()
        },
        &["cpu.max=50000 100000", "memory.swap.max=0", "memory.max=67108864"],
        &[
            "v1:cpu.cfs_period_us=100000",
            "v1:cpu.cfs_quota_us=50000",
            "v1:memory.limit_in_bytes=67108864",
            "v1:memory.memsw.limit_in_bytes=67108864",
        ],
    );
}

#[test]
fn cri_sandbox_has_the_smallest_weight() {
    let resources = Resources { cpu: shares(2), ..Resources::default() };
    assert_writes(resources, &["cpu.weight=1"], &["v1:cpu.shares=2"]);
}

#[test]
fn ctr_has_the_default_weight_and_the_limits_of_its_flags() {
    let plain = Resources { cpu: shares(1024), ..Resources::default() };
    assert_writes(plain, &["cpu.weight=100"], &["v1:cpu.shares=1024"]);
    assert_writes(
        Resources {
            cpu: Cpu { shares: Some(1024), ..half_a_cpu() },
            memory: memory(64 * MIB, None),
            ..Resources::default()
        },
        &["cpu.weight=100", "cpu.max=50000 100000", "memory.max=67108864"],
        &[
            "v1:cpu.shares=1024",
            "v1:cpu.cfs_period_us=100000",
            "v1:cpu.cfs_quota_us=50000",
            "v1:memory.limit_in_bytes=67108864",
        ],
    );
}

const TWICE_MEMORY_V1: [&str; 4] = [
    "v1:cpu.cfs_period_us=100000",
    "v1:cpu.cfs_quota_us=50000",
    "v1:memory.limit_in_bytes=67108864",
    "v1:memory.memsw.limit_in_bytes=134217728",
];

#[test]
fn zeros_that_docker_sends_are_no_limits() {
    assert_writes(
        Resources {
            cpu: Cpu { shares: Some(0), ..half_a_cpu() },
            memory: memory(64 * MIB, Some(128 * MIB)),
            block_io: BlockIo { weight: Some(0), ..BlockIo::default() },
            ..Resources::default()
        },
        &["cpu.max=50000 100000", "memory.swap.max=67108864", "memory.max=67108864"],
        &TWICE_MEMORY_V1,
    );
}

#[test]
fn podman_limits_pids_too() {
    let pids = Some(Limit::Max(2048));
    let terminal = Resources { pids, ..Resources::default() };
    assert_writes(terminal, &["pids.max=2048"], &["v1:pids.max=2048"]);
    let expected = ["cpu.max=50000 100000", "memory.swap.max=67108864", "memory.max=67108864"];
    assert_writes(
        Resources {
            cpu: half_a_cpu(),
            memory: memory(64 * MIB, Some(128 * MIB)),
            pids,
            ..Resources::default()
        },
        &[&expected[..], &["pids.max=2048"]].concat(),
        &[&TWICE_MEMORY_V1[..], &["v1:pids.max=2048"]].concat(),
    );
}
