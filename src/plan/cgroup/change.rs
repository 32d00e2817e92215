//! A change of limits in a cgroup that has some already: the same fields, the same files, another order.
//!
//! It knows what a new cgroup does not ask: that a field left out means "as it is", and that the kernel checks each write
//! against what stands. It refuses to convert anything: `v1` and `v2` do.
//! What a newcomer would get wrong: there is no one right order. Raising memory means memory-and-swap first, lowering it
//! means memory first; the file that was to be written second is the one that makes room.

use super::{CONTROLLERS, Place, Setting, V1Place, refuse_limits, unguarded_warning, v1, v2};
use crate::error::{Error, Kind, Result};
use crate::host::Host;
use crate::plan::device_filter::{self, DeviceProgram};
use crate::spec::{Limit, Resources};
use std::cmp::Ordering;
use std::path::{Path, PathBuf};

/// What `launch::cgroup` writes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// In cgroup2. Controllers are enabled only for what is asked.
    pub unified: Option<Place>,
    /// In v1 hierarchies, those with something to write.
    pub v1: Vec<V1Place>,
    /// The guard of the devices, when rules are given.
    pub devices: Option<DeviceProgram>,
    /// What is odd but no error: one lower-case line each.
    pub warnings: Vec<String>,
}

/// What stands in the cgroup, as far as fields hang on each other that a caller may give one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Memory alone.
    pub memory: Option<Limit>,
    /// Microseconds in a period.
    pub quota: Option<Limit>,
    /// Microseconds.
    pub period: Option<u64>,
}

impl Standing {
    /// `resources` with the other half of each pair of which one is given: cgroup2 writes quota and period as one value,
    /// and swap is memory-and-swap less memory.
    #[must_use]
    pub fn complete(&self, resources: &Resources) -> Resources {
        let mut whole = resources.clone();
        let (cpu, memory) = (&mut whole.cpu, &mut whole.memory);
        if cpu.quota.is_some() || cpu.period.is_some() {
            cpu.quota = cpu.quota.or(self.quota);
            cpu.period = cpu.period.or(self.period);
        }
        match (memory.limit, memory.swap) {
            (None, Some(Limit::Max(_))) => memory.limit = self.memory,
            // Unlimited memory below limited memory-and-swap would be no change at all.
            (Some(Limit::Unlimited), None) => memory.swap = Some(Limit::Unlimited),
            _ => {}
        }
        whole
    }
}

/// Decides what to write for `resources` into the cgroup at `unified` and, on hybrid hosts, in those at `made`.
///
/// # Errors
/// As [`super::plan`]; [`Kind::Host`], too, for any limit of a container without a cgroup.
pub fn change(
    resources: &Resources,
    host: &Host,
    unified: Option<&Path>,
    made: &[PathBuf],
) -> Result<Change> {
    let (Some(own), Some(tree)) = (unified, &host.cgroup.unified) else {
        refuse_limits(resources, "the container has no cgroup")?;
        return Ok(Change::default());
    };
    let Some(path) = own.strip_prefix(&tree.mount).ok().and_then(Path::to_str) else {
        let message = format!("{} is not below {}", own.display(), tree.mount.display());
        return Err(Error::new(Kind::Host, message)
            .hint("call from where cgroups are mounted as they were for create"));
    };
    let (mount, path) = (tree.mount.clone(), format!("/{path}"));
    let mut v1 = match host.is_machine_root() {
        true => v1::places_of(&host.cgroup.v1, made, &path),
        false => Vec::new(),
    };
    let mut here = Place { mount, path, enable: vec![], settings: vec![], owner: None };
    for controller in &CONTROLLERS {
        controller.settle(resources, tree, &mut here, &mut v1, !host.is_machine_root())?;
    }
    here.settings.extend(v2::unified_map(resources, tree, &mut here.enable)?);
    here.enable.retain(|one| one.pointer.is_some());
    v1.retain(|one| !one.settings.is_empty());
    let v1 = v1.into_iter().map(v1::V1Candidate::into_place).collect();
    let (devices, warnings) = devices(resources, host)?;
    Ok(Change { unified: Some(here), v1, devices, warnings })
}

/// As for a new cgroup: who may not load a program is told when a rule meant something.
fn devices(resources: &Resources, host: &Host) -> Result<(Option<DeviceProgram>, Vec<String>)> {
    if resources.devices.is_empty() {
        return Ok((None, Vec::new()));
    }
    if !host.is_machine_root() {
        return Ok((None, unguarded_warning(resources).into_iter().collect()));
    }
    Ok((Some(device_filter::compile_in_place(&resources.devices)?), Vec::new()))
}

/// Brings `settings` of one cgroup into an order that the kernel takes, write by write. `stands` tells what a file holds.
pub fn sort(settings: &mut Vec<Setting>, stands: impl Fn(&str) -> Option<String>) {
    let stands = |file: &str| stands(file).as_deref().and_then(leading);
    // Whether what will be written to `file` compares so with what stands in `other`.
    let is = |settings: &[Setting], file: &str, order: Ordering, other: &str| {
        let new = settings.iter().find_map(|one| written(one, file));
        matches!((new, stands(other)), (Some(new), Some(now)) if new.cmp(&now) == order)
    };
    // Memory must fit memory-and-swap at every moment.
    let (memory, both) = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes");
    if is(settings, memory, Ordering::Greater, both) {
        forward(settings, both, memory);
    }
    // A runtime or quota must fit its period, and its share of the processors that of the cgroup above: whichever of the
    // two makes the share smaller goes first.
    for (period, quota) in
        [("cpu.rt_period_us", "cpu.rt_runtime_us"), ("cpu.cfs_period_us", "cpu.cfs_quota_us")]
    {
        if is(settings, period, Ordering::Less, period) {
            forward(settings, quota, period);
        }
    }
    // A burst must fit its quota.
    for (burst, quota) in [("cpu.cfs_burst_us", "cpu.cfs_quota_us"), ("cpu.max.burst", "cpu.max")] {
        if is(settings, burst, Ordering::Less, burst) {
            forward(settings, burst, quota);
        }
    }
    // An idle cgroup takes no weight.
    if settings.iter().any(|one| written(one, "cpu.idle") == Some(0)) {
        forward(settings, "cpu.idle", "cpu.weight");
        forward(settings, "cpu.idle", "cpu.shares");
    }
}

/// The number that `setting` writes to `file`.
fn written(setting: &Setting, file: &str) -> Option<u64> {
    match setting {
        Setting::Write(write) if write.file == file => leading(&write.value),
        Setting::Write(_) | Setting::RefuseIfUsed { .. } => None,
    }
}

/// The first number of a file; both words for "no limit" are the highest one.
fn leading(text: &str) -> Option<u64> {
    match text.split_ascii_whitespace().next()? {
        "max" | "-1" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

/// Moves the write of `file` before that of `other`, if it comes after it.
fn forward(settings: &mut Vec<Setting>, file: &str, other: &str) {
    let at = |name: &str| {
        let is_it = |one: &Setting| matches!(one, Setting::Write(write) if write.file == name);
        settings.iter().position(is_it)
    };
    if let (Some(from), Some(to)) = (at(file), at(other))
        && to < from
    {
        let moved = settings.remove(from);
        settings.insert(to, moved);
    }
}

#[cfg(test)]
#[path = "change_tests.rs"]
mod tests;
