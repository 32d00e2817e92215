//! Edge cases of `process`.

use super::Case;
use super::Outcome::{Fails, Parses, Warns};
use rrun::spec::{CapSet, Privileges, Process, Spec, Terminal};

fn process(spec: &Spec) -> &Process {
    spec.process.as_ref().expect("a process")
}

const PROCESS: &[Case] = &[
    ("unknown-process", &[("/process/xUnknown", "1")], Parses(|_| true)),
    (
        "no-user",
        &[("/process/user", "")],
        Fails(r#"this field is required (at /process/user); add it"#),
    ),
    (
        "user-empty",
        &[("/process/user", "{}")],
        Fails(r#"this field is required (at /process/user/uid); add it"#),
    ),
    (
        "user",
        &[(
            "/process/user",
            r#"{"uid": 1, "gid": 2, "umask": 63, "additionalGids": [3, 4], "username": "x"}"#,
        )],
        Warns("ignored: on Linux, uid and gid say who it is (at /process/user/username)", |s| {
            let user = &process(s).user;
            (user.uid, user.gid, user.umask) == (1, 2, Some(0o77)) && user.additional_gids == [3, 4]
        }),
    ),
    (
        "user-umask",
        &[("/process/user/umask", "512")],
        Fails(
            "512 has more than permission bits (at /process/user/umask); use 0 to 511 (octal 777)",
        ),
    ),
    (
        "user-minus-one",
        &[("/process/user/gid", "4294967295")],
        Fails(r#"4294967295 is no id (at /process/user/gid); use 4294967294 or less"#),
    ),
    (
        "args-null",
        &[("/process/args", "null")],
        Fails("no program to run (at /process/args); name one as the first element"),
    ),
    (
        "args-empty-name",
        &[("/process/args", r#"[""]"#)],
        Fails(r#"the program's name is empty (at /process/args/0); name a program"#),
    ),
    ("env-null", &[("/process/env", "null")], Parses(|s| process(s).env.is_empty())),
    (
        "env-twice",
        &[("/process/env", r#"["A=1", "B=2", "A=3="]"#)],
        Parses(|s| process(s).env == ["A=3=", "B=2"]),
    ),
    (
        "env-no-value",
        &[("/process/env", r#"["A"]"#)],
        Fails(r#""A" is no environment variable (at /process/env/0); write it as NAME=value"#),
    ),
    (
        "no-cwd",
        &[("/process/cwd", "")],
        Fails(r#"this field is required (at /process/cwd); add it"#),
    ),
    (
        "cwd-relative",
        &[("/process/cwd", r#""tmp""#)],
        Fails(r#""tmp" is not an absolute path (at /process/cwd); begin it with '/'"#),
    ),
    (
        "cmdline",
        &[("/process/commandLine", r#""x""#)],
        Warns("ignored: only Windows has command lines (at /process/commandLine)", |_| true),
    ),
    (
        "consoleSize",
        &[("/process/consoleSize", r#"{"height": 10, "width": 20}"#)],
        Parses(|s| process(s).terminal == Terminal::None),
    ),
    (
        "consoleSize-terminal",
        &[
            ("/process/consoleSize", r#"{"height": 10, "width": 20}"#),
            ("/process/terminal", "true"),
        ],
        Parses(|s| process(s).terminal == Terminal::Pty { size: Some((10, 20)) }),
    ),
    (
        "consoleSize-huge",
        &[
            ("/process/consoleSize", r#"{"height": 10, "width": 65536}"#),
            ("/process/terminal", "true"),
        ],
        Fails(r#"65536 is too large (at /process/consoleSize/width); use 65535 or less"#),
    ),
    (
        "cap-unknown",
        &[("/process/capabilities", r#"{"bounding": ["CAP_FOO"]}"#)],
        Warns(
            r#"unknown capability "CAP_FOO" dropped (at /process/capabilities/bounding/0)"#,
            |s| process(s).capabilities.bounding == CapSet(0),
        ),
    ),
    (
        "cap-noprefix",
        &[("/process/capabilities", r#"{"bounding": ["kill", "CAP_KILL"]}"#)],
        Warns(
            r#"unknown capability "kill" dropped; write CAP_KILL (at /process/capabilities/bounding/0)"#,
            |s| process(s).capabilities.bounding == CapSet(1 << 5),
        ),
    ),
    (
        "cap-cr",
        &[(
            "/process/capabilities",
            r#"{"bounding": ["CAP_CHECKPOINT_RESTORE", "CAP_BPF", "CAP_PERFMON"], "ambient": ["CAP_KILL"]}"#,
        )],
        Warns(
            "CAP_KILL dropped: not both permitted and inheritable (at /process/capabilities/ambient)",
            |s| process(s).capabilities.bounding == CapSet(0b111 << 38),
        ),
    ),
    (
        "rlimits",
        &[(
            "/process/rlimits",
            r#"[{"type": "RLIMIT_NOFILE", "hard": 18446744073709551615, "soft": 1024}]"#,
        )],
        Parses(|s| {
            let limit = process(s).rlimits[0];
            (limit.resource, limit.name, limit.soft, limit.hard)
                == (7, "RLIMIT_NOFILE", 1024, u64::MAX)
        }),
    ),
    (
        "rlimit-unknown",
        &[("/process/rlimits", r#"[{"type": "RLIMIT_FOO", "hard": 1, "soft": 1}]"#)],
        Fails(
            r#""RLIMIT_FOO" is no resource limit (at /process/rlimits/0/type); use one of RLIMIT_AS, RLIMIT_CORE, RLIMIT_CPU, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_LOCKS, RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_RSS, RLIMIT_RTPRIO, RLIMIT_RTTIME, RLIMIT_SIGPENDING, RLIMIT_STACK"#,
        ),
    ),
    (
        "rlimit-twice",
        &[(
            "/process/rlimits",
            r#"[{"type": "RLIMIT_CPU", "hard": 1, "soft": 1}, {"type": "RLIMIT_CPU", "hard": 1, "soft": 1}]"#,
        )],
        Fails(r#""RLIMIT_CPU" is given twice (at /process/rlimits/1/type); remove one of the two"#),
    ),
    (
        "rlimit-soft-above-hard",
        &[("/process/rlimits", r#"[{"type": "RLIMIT_CPU", "hard": 1, "soft": 2}]"#)],
        Fails(
            r#"the soft limit 2 is above the hard limit 1 (at /process/rlimits/0/soft); lower it, or raise the hard limit"#,
        ),
    ),
    (
        "oomScoreAdj",
        &[("/process/oomScoreAdj", "-999")],
        Parses(|s| process(s).oom_score_adj == Some(-999)),
    ),
    (
        "oomScoreAdj-range",
        &[("/process/oomScoreAdj", "1001")],
        Fails("1001 is out of range (at /process/oomScoreAdj); use -1000 to 1000"),
    ),
    (
        "nnp",
        &[("/process/noNewPrivileges", "true")],
        Parses(|s| process(s).privileges == Privileges::NoNew),
    ),
    ("no-nnp", &[], Parses(|s| process(s).privileges == Privileges::MayGain)),
];

#[test]
fn a_process_means_what_was_decided() {
    super::check(PROCESS);
}
