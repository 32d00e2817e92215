//! Edge cases of `process.scheduler`, `ioPriority`, `execCPUAffinity`, `linux.memoryPolicy` and the labels.

use super::Case;
use super::Outcome::{Fails, Parses};
use rrun::spec::{Process, Spec};

fn process(spec: &Spec) -> &Process {
    spec.process.as_ref().expect("a process")
}

const SCHEDULER: &[Case] = &[
    (
        "scheduler-null",
        &[("/process/scheduler", "null")],
        Parses(|s| process(s).scheduler.is_none()),
    ),
    (
        "scheduler-empty",
        &[("/process/scheduler", "{}")],
        Fails(r#"this field is required (at /process/scheduler/policy); add it"#),
    ),
    (
        "scheduler-other",
        &[("/process/scheduler", r#"{"policy": "SCHED_OTHER", "nice": -20}"#)],
        Parses(|s| process(s).scheduler.is_some_and(|it| (it.policy, it.nice) == (0, -20))),
    ),
    (
        "scheduler-batch",
        &[("/process/scheduler", r#"{"policy": "SCHED_BATCH", "nice": 19, "priority": 0}"#)],
        Parses(|s| process(s).scheduler.is_some_and(|it| (it.policy, it.nice) == (3, 19))),
    ),
    (
        "scheduler-idle",
        &[("/process/scheduler", r#"{"policy": "SCHED_IDLE", "flags": []}"#)],
        Parses(|s| process(s).scheduler.is_some_and(|it| (it.policy, it.flags) == (5, 0))),
    ),
    (
        "scheduler-fifo",
        &[("/process/scheduler", r#"{"policy": "SCHED_FIFO", "priority": 99}"#)],
        Parses(|s| process(s).scheduler.is_some_and(|it| (it.policy, it.priority) == (1, 99))),
    ),
    (
        "scheduler-rr",
        &[(
            "/process/scheduler",
            r#"{"policy": "SCHED_RR", "priority": 1, "flags": ["SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_UTIL_CLAMP_MIN", "SCHED_FLAG_UTIL_CLAMP_MAX"]}"#,
        )],
        Parses(|s| process(s).scheduler.is_some_and(|it| (it.policy, it.flags) == (2, 0x61))),
    ),
    (
        "scheduler-deadline",
        &[(
            "/process/scheduler",
            r#"{"policy": "SCHED_DEADLINE", "runtime": 1024, "deadline": 1024, "flags": ["SCHED_FLAG_RECLAIM", "SCHED_FLAG_DL_OVERRUN"]}"#,
        )],
        Parses(|s| {
            process(s).scheduler.is_some_and(|it| (it.policy, it.flags, it.period) == (6, 6, 0))
        }),
    ),
    (
        "scheduler-keep",
        &[(
            "/process/scheduler",
            r#"{"policy": "SCHED_FIFO", "flags": ["SCHED_FLAG_KEEP_PARAMS", "SCHED_FLAG_KEEP_POLICY"]}"#,
        )],
        Parses(|s| process(s).scheduler.is_some_and(|it| it.flags == 0x18)),
    ),
    (
        "scheduler-keep-params",
        &[(
            "/process/scheduler",
            r#"{"policy": "SCHED_OTHER", "nice": 1, "flags": ["SCHED_FLAG_KEEP_PARAMS"]}"#,
        )],
        Fails(
            "SCHED_FLAG_KEEP_PARAMS keeps what is: this would be ignored (at /process/scheduler/nice); leave out the flag, or this",
        ),
    ),
    (
        "scheduler-iso",
        &[("/process/scheduler", r#"{"policy": "SCHED_ISO"}"#)],
        Fails(
            "Linux reserves SCHED_ISO and does not have it (at /process/scheduler/policy); use SCHED_BATCH or SCHED_OTHER",
        ),
    ),
    (
        "scheduler-word",
        &[("/process/scheduler", r#"{"policy": "SCHED_EXT"}"#)],
        Fails(
            r#""SCHED_EXT" is no scheduling policy (at /process/scheduler/policy); use one of SCHED_OTHER, SCHED_FIFO, SCHED_RR, SCHED_BATCH, SCHED_ISO, SCHED_IDLE, SCHED_DEADLINE"#,
        ),
    ),
    (
        "scheduler-flag-twice",
        &[(
            "/process/scheduler",
            r#"{"policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RESET_ON_FORK"]}"#,
        )],
        Fails(
            r#""SCHED_FLAG_RESET_ON_FORK" is given twice (at /process/scheduler/flags/1); remove one of the two"#,
        ),
    ),
    (
        "scheduler-nice",
        &[("/process/scheduler", r#"{"policy": "SCHED_OTHER", "nice": 20}"#)],
        Fails("20 is out of range (at /process/scheduler/nice); use -20 to 19"),
    ),
    (
        "scheduler-fifo-nice",
        &[("/process/scheduler", r#"{"policy": "SCHED_FIFO", "nice": 1, "priority": 1}"#)],
        Fails(
            "SCHED_FIFO takes no nice; SCHED_OTHER and SCHED_BATCH take one (at /process/scheduler/nice); leave it out",
        ),
    ),
    (
        "scheduler-fifo-no-priority",
        &[("/process/scheduler", r#"{"policy": "SCHED_FIFO"}"#)],
        Fails("SCHED_FIFO needs a priority (at /process/scheduler/priority); use 1 to 99"),
    ),
    (
        "scheduler-priority-minus",
        &[("/process/scheduler", r#"{"policy": "SCHED_RR", "priority": -1}"#)],
        Fails("-1 is out of range (at /process/scheduler/priority); use 0 to 99"),
    ),
    (
        "scheduler-other-priority",
        &[("/process/scheduler", r#"{"policy": "SCHED_OTHER", "priority": 5}"#)],
        Fails(
            "SCHED_OTHER takes no priority; SCHED_FIFO and SCHED_RR take one (at /process/scheduler/priority); leave it out",
        ),
    ),
    (
        "scheduler-idle-runtime",
        &[("/process/scheduler", r#"{"policy": "SCHED_IDLE", "runtime": 5}"#)],
        Fails(
            "SCHED_IDLE takes no runtime; SCHED_DEADLINE takes one (at /process/scheduler/runtime); leave it out",
        ),
    ),
    (
        "scheduler-reclaim",
        &[("/process/scheduler", r#"{"policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_RECLAIM"]}"#)],
        Fails(
            r#"RECLAIM and DL_OVERRUN are SCHED_DEADLINE's, not SCHED_OTHER's (at /process/scheduler/flags); leave them out"#,
        ),
    ),
    (
        "scheduler-deadline-runtime",
        &[("/process/scheduler", r#"{"policy": "SCHED_DEADLINE", "runtime": 10}"#)],
        Fails(
            r#"SCHED_DEADLINE needs 1024 ns or more, not 10 (at /process/scheduler/runtime); raise it"#,
        ),
    ),
    (
        "scheduler-deadline-none",
        &[("/process/scheduler", r#"{"policy": "SCHED_DEADLINE", "runtime": 2000}"#)],
        Fails(
            r#"the deadline 0 is before the runtime 2000 is over (at /process/scheduler/deadline); raise it, or lower the runtime"#,
        ),
    ),
    (
        "scheduler-deadline-period",
        &[(
            "/process/scheduler",
            r#"{"policy": "SCHED_DEADLINE", "runtime": 2000, "deadline": 3000, "period": 2999}"#,
        )],
        Fails(
            "the period 2999 is shorter than the deadline 3000 (at /process/scheduler/period); leave it out to use the deadline",
        ),
    ),
    (
        "scheduler-deadline-long",
        &[(
            "/process/scheduler",
            r#"{"policy": "SCHED_DEADLINE", "runtime": 2000, "deadline": 9223372036854775808}"#,
        )],
        Fails(
            r#"9223372036854775808 ns is too long (at /process/scheduler/deadline); use 9223372036854775807 or less"#,
        ),
    ),
    (
        "scheduler-deadline-hook",
        &[
            (
                "/process/scheduler",
                r#"{"policy": "SCHED_DEADLINE", "runtime": 2000, "deadline": 3000}"#,
            ),
            ("/hooks", r#"{"startContainer": [{"path": "/h"}]}"#),
        ],
        Parses(|s| process(s).scheduler.is_some_and(|it| it.forbids_fork())),
    ),
    (
        "ioPriority",
        &[("/process/ioPriority", r#"{"class": "IOPRIO_CLASS_BE", "priority": 4}"#)],
        Parses(|s| process(s).io_priority.is_some_and(|io| (io.class, io.priority) == (2, 4))),
    ),
    (
        "ioPriority-no-priority",
        &[("/process/ioPriority", r#"{"class": "IOPRIO_CLASS_IDLE"}"#)],
        Fails(r#"this field is required (at /process/ioPriority/priority); add it"#),
    ),
    (
        "ioPriority-eight",
        &[("/process/ioPriority", r#"{"class": "IOPRIO_CLASS_RT", "priority": 8}"#)],
        Fails("8 is out of range (at /process/ioPriority/priority); use 0, the highest, to 7"),
    ),
    (
        "ioPriority-class",
        &[("/process/ioPriority", r#"{"class": "IOPRIO_CLASS_NONE", "priority": 0}"#)],
        Fails(
            r#""IOPRIO_CLASS_NONE" is no class of I/O priority (at /process/ioPriority/class); use one of IOPRIO_CLASS_RT, IOPRIO_CLASS_BE, IOPRIO_CLASS_IDLE"#,
        ),
    ),
    (
        "execCPUAffinity",
        &[("/process/execCPUAffinity", r#"{"initial": "0-1", "final": "2,1500"}"#)],
        Parses(|s| {
            let affinity = &process(s).exec_affinity;
            affinity.initial.to_string() == "0-1" && affinity.last.to_string() == "2,1500"
        }),
    ),
    (
        "execCPUAffinity-empty",
        &[("/process/execCPUAffinity", r#"{"initial": "", "final": ""}"#)],
        Parses(|s| process(s).exec_affinity.initial.is_empty()),
    ),
    (
        "execCPUAffinity-word",
        &[("/process/execCPUAffinity", r#"{"final": "all"}"#)],
        Fails(
            r#""all" is no number and no range (at /process/execCPUAffinity/final); write a list like 0-3,7"#,
        ),
    ),
];

const MEMORY: &[Case] = &[
    (
        "memoryPolicy",
        &[(
            "/linux/memoryPolicy",
            r#"{"mode": "MPOL_BIND", "nodes": "0-1", "flags": ["MPOL_F_STATIC_NODES", "MPOL_F_NUMA_BALANCING"]}"#,
        )],
        Parses(|s| {
            s.memory_policy.as_ref().is_some_and(|it| (it.mode, it.flags) == (2, 1 << 15 | 1 << 13))
        }),
    ),
    (
        "memoryPolicy-default",
        &[("/linux/memoryPolicy", r#"{"mode": "MPOL_DEFAULT", "nodes": ""}"#)],
        Parses(|s| s.memory_policy.as_ref().is_some_and(|it| it.nodes.is_empty())),
    ),
    (
        "memoryPolicy-preferred",
        &[("/linux/memoryPolicy", r#"{"mode": "MPOL_PREFERRED"}"#)],
        Parses(|s| s.memory_policy.as_ref().is_some_and(|it| it.mode == 1)),
    ),
    (
        "memoryPolicy-no-mode",
        &[("/linux/memoryPolicy", r#"{"nodes": "0"}"#)],
        Fails(r#"this field is required (at /linux/memoryPolicy/mode); add it"#),
    ),
    (
        "memoryPolicy-unknown-mode",
        &[("/linux/memoryPolicy", r#"{"mode": "MPOL_FOO", "nodes": "0"}"#)],
        Fails(
            r#""MPOL_FOO" is no memory policy (at /linux/memoryPolicy/mode); use one of MPOL_DEFAULT, MPOL_BIND, MPOL_INTERLEAVE, MPOL_WEIGHTED_INTERLEAVE, MPOL_PREFERRED, MPOL_PREFERRED_MANY, MPOL_LOCAL"#,
        ),
    ),
    (
        "memoryPolicy-local-nodes",
        &[("/linux/memoryPolicy", r#"{"mode": "MPOL_LOCAL", "nodes": "0"}"#)],
        Fails(r#"MPOL_LOCAL takes no nodes (at /linux/memoryPolicy/nodes); leave them out"#),
    ),
    (
        "memoryPolicy-interleave-none",
        &[("/linux/memoryPolicy", r#"{"mode": "MPOL_INTERLEAVE", "nodes": ""}"#)],
        Fails(
            "MPOL_INTERLEAVE needs a node (at /linux/memoryPolicy/nodes); write a list like 0-3,7",
        ),
    ),
    (
        "memoryPolicy-weighted-none",
        &[("/linux/memoryPolicy", r#"{"mode": "MPOL_WEIGHTED_INTERLEAVE"}"#)],
        Fails(
            "MPOL_WEIGHTED_INTERLEAVE needs a node (at /linux/memoryPolicy/nodes); write a list like 0-3,7",
        ),
    ),
    (
        "memoryPolicy-relative-static",
        &[(
            "/linux/memoryPolicy",
            r#"{"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"]}"#,
        )],
        Fails(
            "nodes can't be relative and static (at /linux/memoryPolicy/flags); use one of MPOL_F_RELATIVE_NODES, MPOL_F_STATIC_NODES",
        ),
    ),
    (
        "memoryPolicy-static-nothing",
        &[(
            "/linux/memoryPolicy",
            r#"{"mode": "MPOL_PREFERRED", "flags": ["MPOL_F_STATIC_NODES"]}"#,
        )],
        Fails(
            r#"there are no nodes that could be relative or static (at /linux/memoryPolicy/flags); name nodes, or leave the flag out"#,
        ),
    ),
    (
        "memoryPolicy-balancing",
        &[(
            "/linux/memoryPolicy",
            r#"{"mode": "MPOL_INTERLEAVE", "nodes": "0", "flags": ["MPOL_F_NUMA_BALANCING"]}"#,
        )],
        Fails(
            r#"MPOL_INTERLEAVE has no balancing; MPOL_BIND and MPOL_PREFERRED_MANY have (at /linux/memoryPolicy/flags); use one of the two, or leave the flag out"#,
        ),
    ),
    (
        "memoryPolicy-flag-word",
        &[("/linux/memoryPolicy", r#"{"mode": "MPOL_LOCAL", "flags": ["MPOL_F_X"]}"#)],
        Fails(
            r#""MPOL_F_X" is no flag of a memory policy (at /linux/memoryPolicy/flags/0); use one of MPOL_F_NUMA_BALANCING, MPOL_F_RELATIVE_NODES, MPOL_F_STATIC_NODES"#,
        ),
    ),
    (
        "selinux",
        &[("/process/selinuxLabel", r#""a:b""#)],
        Parses(|s| process(s).selinux_label.as_deref() == Some("a:b")),
    ),
    (
        "selinux-empty",
        &[("/process/selinuxLabel", r#""""#)],
        Parses(|s| process(s).selinux_label.is_none()),
    ),
    (
        "apparmor",
        &[("/process/apparmorProfile", r#""x""#)],
        Parses(|s| process(s).apparmor_profile.as_deref() == Some("x")),
    ),
    (
        "mountLabel",
        &[("/linux/mountLabel", r#""x""#)],
        Parses(|s| s.mount_label.as_deref() == Some("x")),
    ),
    ("mountLabel-empty", &[("/linux/mountLabel", r#""""#)], Parses(|s| s.mount_label.is_none())),
];

#[test]
fn scheduling_means_what_was_decided() {
    super::check(SCHEDULER);
}

#[test]
fn memory_policies_and_labels_mean_what_was_decided() {
    super::check(MEMORY);
}
