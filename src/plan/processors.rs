//! The words for a plan's scheduler, priorities, processors and memory nodes.
//!
//! What a newcomer would get wrong: the parent's own affinity comes first among the host's lines, because it is in force
//! before the clone.

use crate::plan::Plan;
use crate::spec::{MemoryPolicy, Scheduler, memory_flag_names, scheduler_flag_names};
use std::fmt::{self, Write as _};

/// What the parent does about them.
pub fn lines(plan: &Plan) -> impl Iterator<Item = String> {
    let initial = &plan.initial_cpus;
    let cpus = (!initial.is_empty()).then(|| format!("clone on processors {initial}"));
    let io = plan.io_priority.map(|io| format!("{} priority {}", io.name, io.priority));
    cpus.into_iter().chain(plan.scheduler.as_ref().map(scheduler)).chain(io)
}

fn scheduler(scheduler: &Scheduler) -> String {
    let Scheduler { name, nice, priority, runtime, deadline, period, flags, .. } = *scheduler;
    let mut line = name.to_owned();
    for (key, value) in [
        ("nice", i128::from(nice)),
        ("priority", priority.into()),
        ("runtime", runtime.into()),
        ("deadline", deadline.into()),
        ("period", period.into()),
    ] {
        if value != 0 {
            write!(line, " {key} {value}").ok();
        }
    }
    flag_words(&mut line, &scheduler_flag_names(flags)).ok();
    line
}

/// The step that sets a memory policy.
pub fn memory(f: &mut fmt::Formatter<'_>, policy: &MemoryPolicy) -> fmt::Result {
    write!(f, "memory policy {}", policy.name)?;
    if !policy.nodes.is_empty() {
        write!(f, " nodes {}", policy.nodes)?;
    }
    flag_words(f, &memory_flag_names(policy.flags))
}

fn flag_words(to: &mut dyn fmt::Write, names: &[&str]) -> fmt::Result {
    if names.is_empty() { Ok(()) } else { write!(to, " ({})", names.join(", ")) }
}
