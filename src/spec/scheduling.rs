//! `process.scheduler`, `process.ioPriority` and `process.execCPUAffinity`: when a process runs, and where.
//!
//! It knows which fields a policy takes. What this kernel, this user or this cgroup may have is refused by the kernel.
//! What a newcomer would get wrong: the kernel ignores what a policy has no use for (a nice value of SCHED_FIFO, the
//! policy beside KEEP_POLICY); whoever wrote it meant something, so here it is an error.

use super::at::At;
use super::number_set::NumberSet;
use super::wire;
use super::wire::Text;
use crate::error::Result;

/// `process.scheduler`, as sched_setattr(2) takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scheduler {
    /// `SCHED_*`, the kernel's number.
    pub policy: u32,
    /// Its name.
    pub name: &'static str,
    /// `SCHED_FLAG_*`.
    pub flags: u64,
    /// -20 to 19.
    pub nice: i32,
    /// 1 to 99 for the real-time policies, else 0.
    pub priority: u32,
    /// Nanoseconds, of SCHED_DEADLINE.
    pub runtime: u64,
    /// Nanoseconds, of SCHED_DEADLINE.
    pub deadline: u64,
    /// Nanoseconds, of SCHED_DEADLINE; 0 is the deadline.
    pub period: u64,
}

/// `process.ioPriority`, as ioprio_set(2) takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IoPriority {
    /// `IOPRIO_CLASS_*`, the kernel's number.
    pub class: u32,
    /// Its name.
    pub name: &'static str,
    /// 0, the highest, to 7.
    pub priority: u32,
}

/// `process.execCPUAffinity`. Both empty is the same as none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExecAffinity {
    /// Where the runtime's own process runs that enters the container's cgroup.
    pub initial: NumberSet,
    /// Where it runs from then on.
    pub last: NumberSet,
}

const OTHER: u32 = 0;
const FIFO: u32 = 1;
const RR: u32 = 2;
const BATCH: u32 = 3;
const ISO: u32 = 4;
const DEADLINE: u32 = 6;

/// `SCHED_*` of sched(7).
const POLICIES: &[(&str, (u32, &str))] = &[
    ("SCHED_OTHER", (OTHER, "SCHED_OTHER")),
    ("SCHED_FIFO", (FIFO, "SCHED_FIFO")),
    ("SCHED_RR", (RR, "SCHED_RR")),
    ("SCHED_BATCH", (BATCH, "SCHED_BATCH")),
    ("SCHED_ISO", (ISO, "SCHED_ISO")),
    ("SCHED_IDLE", (5, "SCHED_IDLE")),
    ("SCHED_DEADLINE", (DEADLINE, "SCHED_DEADLINE")),
];

/// `sched_flags` of sched_setattr(2).
const FLAGS: &[(&str, u64)] = &[
    ("SCHED_FLAG_RESET_ON_FORK", RESET_ON_FORK),
    ("SCHED_FLAG_RECLAIM", RECLAIM),
    ("SCHED_FLAG_DL_OVERRUN", OVERRUN),
    ("SCHED_FLAG_KEEP_POLICY", KEEP_POLICY),
    ("SCHED_FLAG_KEEP_PARAMS", KEEP_PARAMS),
    ("SCHED_FLAG_UTIL_CLAMP_MIN", 0x20),
    ("SCHED_FLAG_UTIL_CLAMP_MAX", 0x40),
];
const RESET_ON_FORK: u64 = 0x01;
const RECLAIM: u64 = 0x02;
const OVERRUN: u64 = 0x04;
const KEEP_POLICY: u64 = 0x08;
const KEEP_PARAMS: u64 = 0x10;

/// `IOPRIO_CLASS_*` of ioprio_set(2).
const CLASSES: &[(&str, (u32, &str))] = &[
    ("IOPRIO_CLASS_RT", (1, "IOPRIO_CLASS_RT")),
    ("IOPRIO_CLASS_BE", (2, "IOPRIO_CLASS_BE")),
    ("IOPRIO_CLASS_IDLE", (3, "IOPRIO_CLASS_IDLE")),
];

/// The kernel counts a deadline task's runtime in units of this many nanoseconds.
const DEADLINE_UNIT: u64 = 1024;

impl Scheduler {
    pub(super) fn read(at: At<'_>, scheduler: wire::Scheduler<'_>) -> Result<Self> {
        let wire::Scheduler { policy, nice, priority, flags, runtime, deadline, period } =
            scheduler;
        let policy = at.required("policy", policy)?;
        let (policy, name) = at.key("policy").one_of(&policy, "scheduling policy", POLICIES)?;
        if policy == ISO {
            return Err(at
                .key("policy")
                .unsupported("Linux reserves SCHED_ISO and does not have it")
                .hint("use SCHED_BATCH or SCHED_OTHER"));
        }
        let flags = read_flags(at.key("flags"), flags)?;
        let given = priority.unwrap_or_default();
        let this = Self {
            policy,
            name,
            flags,
            nice: nice.unwrap_or_default(),
            priority: u32::try_from(given).ok().filter(|fits| *fits <= 99).ok_or_else(|| {
                at.key("priority").wrong(format!("{given} is out of range")).hint("use 0 to 99")
            })?,
            runtime: runtime.unwrap_or_default(),
            deadline: deadline.unwrap_or_default(),
            period: period.unwrap_or_default(),
        };
        this.check(at)?;
        Ok(this)
    }

    /// Whether a process under it may make no other: sched(7).
    #[must_use]
    pub fn forbids_fork(&self) -> bool {
        self.policy == DEADLINE && self.flags & (RESET_ON_FORK | KEEP_POLICY) == 0
    }

    fn check(&self, at: At<'_>) -> Result<()> {
        if !(-20..=19).contains(&self.nice) {
            let message = format!("{} is out of range", self.nice);
            return Err(at.key("nice").wrong(message).hint("use -20 to 19"));
        }
        let parameters = [
            ("nice", self.nice != 0),
            ("priority", self.priority != 0),
            ("runtime", self.runtime != 0),
            ("deadline", self.deadline != 0),
            ("period", self.period != 0),
        ];
        let given = |keys: &[&'static str]| {
            parameters.iter().find(|(key, set)| *set && keys.contains(key)).map(|(key, _)| *key)
        };
        if self.flags & KEEP_PARAMS != 0 {
            return match given(&["nice", "priority", "runtime", "deadline", "period"]) {
                Some(key) => Err(at
                    .key(key)
                    .wrong("SCHED_FLAG_KEEP_PARAMS keeps what is: this would be ignored")
                    .hint("leave out the flag, or this")),
                None => Ok(()),
            };
        }
        // Which policy is kept only the kernel knows.
        if self.flags & KEEP_POLICY != 0 {
            return Ok(());
        }
        let useless: &[&str] = match self.policy {
            OTHER | BATCH => &["priority", "runtime", "deadline", "period"],
            FIFO | RR => &["nice", "runtime", "deadline", "period"],
            DEADLINE => &["nice", "priority"],
            _ => &["nice", "priority", "runtime", "deadline", "period"],
        };
        if let Some(key) = given(useless) {
            let takers = match key {
                "nice" => "SCHED_OTHER and SCHED_BATCH take",
                "priority" => "SCHED_FIFO and SCHED_RR take",
                _ => "SCHED_DEADLINE takes",
            };
            let message = format!("{} takes no {key}; {takers} one", self.name);
            return Err(at.key(key).wrong(message).hint("leave it out"));
        }
        if self.flags & (RECLAIM | OVERRUN) != 0 && self.policy != DEADLINE {
            let message =
                format!("RECLAIM and DL_OVERRUN are SCHED_DEADLINE's, not {}'s", self.name);
            return Err(at.key("flags").wrong(message).hint("leave them out"));
        }
        match self.policy {
            FIFO | RR if self.priority == 0 => {
                let message = format!("{} needs a priority", self.name);
                Err(at.key("priority").wrong(message).hint("use 1 to 99"))
            }
            DEADLINE => self.check_deadline(at),
            _ => Ok(()),
        }
    }

    /// runtime <= deadline <= period, each below 2^63.
    fn check_deadline(&self, at: At<'_>) -> Result<()> {
        let Self { runtime, deadline, period, .. } = *self;
        let too_long = [("runtime", runtime), ("deadline", deadline), ("period", period)];
        if let Some((key, value)) = too_long.into_iter().find(|(_, value)| value >> 63 != 0) {
            let error = at.key(key).wrong(format!("{value} ns is too long"));
            return Err(error.hint("use 9223372036854775807 or less"));
        }
        if runtime < DEADLINE_UNIT {
            let message = format!("SCHED_DEADLINE needs {DEADLINE_UNIT} ns or more, not {runtime}");
            return Err(at.key("runtime").wrong(message).hint("raise it"));
        }
        if deadline < runtime {
            let message =
                format!("the deadline {deadline} is before the runtime {runtime} is over");
            return Err(at.key("deadline").wrong(message).hint("raise it, or lower the runtime"));
        }
        if period != 0 && period < deadline {
            let message = format!("the period {period} is shorter than the deadline {deadline}");
            return Err(at.key("period").wrong(message).hint("leave it out to use the deadline"));
        }
        Ok(())
    }
}

fn read_flags(at: At<'_>, flags: wire::Texts<'_>) -> Result<u64> {
    let mut all = 0;
    at.each(flags, |at, flag: Text<'_>| {
        let bit = at.one_of(&flag, "scheduling flag", FLAGS)?;
        if all & bit != 0 {
            return Err(at.twice(&flag));
        }
        all |= bit;
        Ok(())
    })?;
    Ok(all)
}

/// The names of a scheduler's flags, without their common beginning.
pub(crate) fn flag_names(flags: u64) -> Vec<&'static str> {
    let set = FLAGS.iter().filter(|(_, bit)| flags & bit != 0);
    set.map(|(name, _)| name.trim_start_matches("SCHED_FLAG_")).collect()
}

impl IoPriority {
    pub(super) fn read(at: At<'_>, io: wire::IoPriority<'_>) -> Result<Self> {
        let wire::IoPriority { class, priority } = io;
        let class = at.required("class", class)?;
        let (class, name) = at.key("class").one_of(&class, "class of I/O priority", CLASSES)?;
        let given = at.required("priority", priority)?;
        match u32::try_from(given) {
            Ok(priority @ 0..=7) => Ok(Self { class, name, priority }),
            _ => Err(at
                .key("priority")
                .wrong(format!("{given} is out of range"))
                .hint("use 0, the highest, to 7")),
        }
    }
}

impl ExecAffinity {
    pub(super) fn read(at: At<'_>, affinity: wire::ExecCpuAffinity<'_>) -> Result<Self> {
        let wire::ExecCpuAffinity { initial, last } = affinity;
        let set = |key: &str, list: Option<Text<'_>>| {
            list.map_or(Ok(NumberSet::default()), |list| NumberSet::read(at.key(key), &list))
        };
        Ok(Self { initial: set("initial", initial)?, last: set("final", last)? })
    }
}
