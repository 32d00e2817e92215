//! When the child runs, and where its parent does while it clones it.
//!
//! It knows whom the kernel asks for rights: whoever makes the call, not the process it is about. So the parent makes it,
//! who may have them when the child, in a user namespace, has not.
//! What a newcomer would get wrong: it is set once the child is ready and before the program can start. Sooner, the
//! set-up itself would run under it, and under SCHED_DEADLINE no hook could be started.

use super::fault::point;
use crate::error::{Error, Result};
use crate::plan::Plan;
use crate::spec::{IoPriority, NumberSet, Scheduler};
use rrun_sys::schedule::{self, Attributes};

/// Whether the parent has anything to set.
pub fn is_asked(plan: &Plan) -> bool {
    plan.scheduler.is_some() || plan.io_priority.is_some()
}

/// Sets it, for the process that is ready.
pub fn apply(plan: &Plan, pid: i32) -> Result<()> {
    if let Some(scheduler) = &plan.scheduler {
        point("scheduler")?;
        set_scheduler(scheduler, pid)?;
    }
    if let Some(io) = plan.io_priority {
        point("io priority")?;
        set_io_priority(io, pid)?;
    }
    Ok(())
}

fn set_scheduler(scheduler: &Scheduler, pid: i32) -> Result<()> {
    let Scheduler { policy, flags, nice, priority, runtime, deadline, period, .. } = *scheduler;
    let attributes = Attributes { policy, flags, nice, priority, runtime, deadline, period };
    schedule::set_scheduler(pid, &attributes).map_err(|rrun_sys::Errno(errno)| {
        let call = format!("sched_setattr({pid}, {})", scheduler.name);
        let hint = match (errno, scheduler.name) {
            (libc::EPERM, "SCHED_DEADLINE") => {
                "it takes CAP_SYS_NICE, and a cgroup without a cpuset of its own"
            }
            (libc::EPERM, _) => "it takes CAP_SYS_NICE or RLIMIT_NICE and RLIMIT_RTPRIO, and on cgroup v1 a realtimeRuntime",
            (libc::EBUSY, _) => "the machine has promised its processor time: ask for less",
            (libc::EOPNOTSUPP, _) => "this kernel was built without CONFIG_UCLAMP_TASK",
            _ => "check the values against sched_setattr(2) and /proc/sys/kernel/sched_deadline_*",
        };
        Error::kernel(call, errno).at("/process/scheduler").hint(hint)
    })
}

/// Of the group, as the runtime-spec has it: the child leads one, and is alone in it.
fn set_io_priority(io: IoPriority, pid: i32) -> Result<()> {
    let set = schedule::set_group_io_priority(pid, io.class, io.priority);
    set.map_err(|rrun_sys::Errno(errno)| {
        Error::kernel(format!("ioprio_set({pid}, {})", io.name), errno)
            .at("/process/ioPriority")
            .hint("IOPRIO_CLASS_RT takes CAP_SYS_NICE")
    })
}

/// Does something with this thread on the processors named, if any are.
pub fn on_processors<R>(cpus: &NumberSet, then: impl FnOnce() -> Result<R>) -> Result<R> {
    if cpus.is_empty() {
        return then();
    }
    point("initial processors")?;
    schedule::on_processors(cpus.words(), then).map_err(|rrun_sys::Errno(errno)| {
        Error::kernel(format!("sched_setaffinity({cpus})"), errno)
            .at("/process/execCPUAffinity/initial")
            .hint("name processors that are online and that rrun may use")
    })?
}
