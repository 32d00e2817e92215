//! Processors, their time, and where memory comes from: sched_setattr(2), ioprio_set(2), sched_setaffinity(2),
//! set_mempolicy(2).
//!
//! It knows the calls; it refuses to know which values go together. What a newcomer would get wrong: the two masks are
//! arrays of words, as long as they need be, and the kernel takes any length: `cpu_set_t` ends at 1024.

use crate::{Errno, Result};

/// What a process is scheduled by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `SCHED_*`.
    pub policy: u32,
    /// `SCHED_FLAG_*`.
    pub flags: u64,
    /// Of the fair policies.
    pub nice: i32,
    /// Of the real-time ones.
    pub priority: u32,
    /// Nanoseconds, of the deadline one.
    pub runtime: u64,
    /// Nanoseconds.
    pub deadline: u64,
    /// Nanoseconds.
    pub period: u64,
}

/// `struct sched_attr` with the two clamps (Linux 5.3), which stay 0: a configuration has no fields for them.
#[derive(Default)]
#[repr(C)]
struct SchedAttr {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
    util_min: u32,
    util_max: u32,
}

/// sched_setattr(2) of another process.
///
/// # Errors
/// As the call: EPERM without CAP_SYS_NICE, EINVAL, EBUSY without processor time left for a deadline, EOPNOTSUPP.
pub fn set_scheduler(pid: i32, attributes: &Attributes) -> Result<()> {
    let Attributes { policy, flags, nice, priority, runtime, deadline, period } = *attributes;
    let size = size_of::<SchedAttr>() as u32;
    let all = SchedAttr {
        size,
        policy,
        flags,
        nice,
        priority,
        runtime,
        deadline,
        period,
        ..SchedAttr::default()
    };
    let from = &raw const all;
    // SAFETY: a live struct sched_attr that says its own size; it is only read.
    Errno::check(unsafe { libc::syscall(libc::SYS_sched_setattr, pid, from, 0) }).map(drop)
}

/// ioprio_set(2) of a process group.
///
/// # Errors
/// As the call: EPERM for the real-time class without CAP_SYS_NICE or CAP_SYS_ADMIN.
pub fn set_group_io_priority(group: i32, class: u32, priority: u32) -> Result<()> {
    const IOPRIO_WHO_PGRP: i32 = 2;
    const IOPRIO_CLASS_SHIFT: u32 = 13;
    let value = class << IOPRIO_CLASS_SHIFT | priority;
    // SAFETY: no pointers.
    let answer = unsafe { libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PGRP, group, value) };
    Errno::check(answer).map(drop)
}

/// How many words hold every processor that a kernel may have.
const WORDS: usize = 1024;

/// Every processor there may ever be; the kernel takes those of them that the caller's cpuset has, and their successors.
static ALL: [u64; 128] = [u64::MAX; 128];

/// sched_setaffinity(2) of the calling thread.
///
/// # Errors
/// As the call: EINVAL when none of these processors is in the cpuset.
pub fn set_affinity(cpus: &[u64]) -> Result<()> {
    let (length, from) = (size_of_val(cpus), cpus.as_ptr());
    // SAFETY: the words are live and as many bytes as said, and only read.
    let answer = unsafe { libc::syscall(libc::SYS_sched_setaffinity, 0, length, from) };
    Errno::check(answer).map(drop)
}

/// Gives a narrow affinity up, which the caller's caller may have had (since Linux 6.2 a cpuset does not). It can only be
/// forbidden by a filter around us, and then it stays.
pub(crate) fn reset_affinity() {
    set_affinity(&ALL).ok();
}

/// Does something with the calling thread on other processors: what it clones is born there.
///
/// # Errors
/// As [`set_affinity`]; the second result is that of `then`.
pub fn on_processors<R>(cpus: &[u64], then: impl FnOnce() -> R) -> Result<R> {
    let mut own = [0_u64; WORDS];
    let (length, to) = (size_of_val(&own), own.as_mut_ptr());
    // SAFETY: the kernel writes at most that many bytes to the live words.
    let answer = unsafe { libc::syscall(libc::SYS_sched_getaffinity, 0, length, to) };
    let words = Errno::check(answer)? as usize / size_of::<u64>();
    set_affinity(cpus)?;
    let result = then();
    // Refused only when all of its own were taken from us meanwhile; then it is somewhere else already.
    set_affinity(own.get(..words).unwrap_or(&own)).ok();
    Ok(result)
}

/// set_mempolicy(2) of the calling thread. `mode` holds the mode's flags, too.
///
/// # Errors
/// As the call: EINVAL when none of these nodes is allowed, ENOSYS on a kernel without NUMA.
pub(crate) fn set_memory_policy(mode: u32, nodes: &[u64]) -> Result<()> {
    // The kernel takes one bit less than it is told.
    let bits = if nodes.is_empty() { 0 } else { nodes.len().saturating_mul(64).saturating_add(1) };
    let from = if nodes.is_empty() { core::ptr::null() } else { nodes.as_ptr() };
    // SAFETY: null without bits, else as many live words as hold the bits; they are only read.
    let answer = unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, from, bits) };
    Errno::check(answer).map(drop)
}
