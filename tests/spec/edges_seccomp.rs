//! Edge cases of `linux.seccomp`.

use super::Case;
use super::Outcome::{Fails, Parses};
use rrun::spec::{Action, Arch, Comparator};

/// Each architecture of the runtime-spec, by the part of its name after `SCMP_ARCH_`.
const ARCHITECTURES: &[(&str, Arch)] = &[
    ("LOONGARCH64", Arch::Loongarch64),
    ("M68K", Arch::M68k),
    ("SH", Arch::Sh),
    ("SHEB", Arch::Sheb),
    ("RISCV64", Arch::Riscv64),
    ("PARISC", Arch::Parisc),
    ("PARISC64", Arch::Parisc64),
    ("S390X", Arch::S390x),
    ("PPC64LE", Arch::Ppc64le),
    ("AARCH64", Arch::Aarch64),
    ("MIPSEL64N32", Arch::Mipsel64N32),
];

const SECCOMP: &[Case] = &[
    (
        "seccomp-flags",
        &[(
            "/linux/seccomp",
            r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"], "flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"], "listenerPath": "/run/x.sock", "listenerMetadata": "m", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_NOTIFY", "args": [{"index": 0, "value": 18446744073709551615, "valueTwo": 2, "op": "SCMP_CMP_MASKED_EQ"}]}]}"#,
        )],
        Parses(|s| {
            let profile = s.seccomp.as_ref().expect("a profile");
            profile.default_action == Action::Errno(38)
                && profile.flags.as_ref().is_some_and(|flags| flags.len() == 4)
                && profile.rules[0].args[0].comparator
                    == Comparator::MaskedEqual { mask: u64::MAX, value: 2 }
        }),
    ),
    (
        "seccomp-errno-of-notify",
        &[(
            "/linux/seccomp",
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_NOTIFY", "errnoRet": 1}]}"#,
        )],
        Fails(
            "SCMP_ACT_NOTIFY returns no errno (at /linux/seccomp/syscalls/0/errnoRet); leave this out, or use SCMP_ACT_ERRNO",
        ),
    ),
    (
        "seccomp-errno-absent",
        &[("/linux/seccomp", r#"{"defaultAction": "SCMP_ACT_ERRNO"}"#)],
        Parses(|s| {
            s.seccomp
                .as_ref()
                .is_some_and(|p| p.default_action == Action::Errno(1) && p.flags.is_none())
        }),
    ),
    (
        "seccomp-notify-nobody",
        &[(
            "/linux/seccomp",
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_NOTIFY"}]}"#,
        )],
        Fails(
            "SCMP_ACT_NOTIFY needs someone to notify (at /linux/seccomp/listenerPath); name the socket of a seccomp agent",
        ),
    ),
    (
        "seccomp-unknown-flag",
        &[(
            "/linux/seccomp",
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_FOO"]}"#,
        )],
        Fails(
            r#""SECCOMP_FILTER_FLAG_FOO" is no seccomp filter flag (at /linux/seccomp/flags/0); use one of SECCOMP_FILTER_FLAG_LOG, SECCOMP_FILTER_FLAG_SPEC_ALLOW, SECCOMP_FILTER_FLAG_TSYNC, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"#,
        ),
    ),
    (
        "seccomp-unknown-action",
        &[("/linux/seccomp", r#"{"defaultAction": "SCMP_ACT_FOO"}"#)],
        Fails(
            r#""SCMP_ACT_FOO" is no seccomp action (at /linux/seccomp/defaultAction); use one of SCMP_ACT_ALLOW, SCMP_ACT_ERRNO, SCMP_ACT_KILL, SCMP_ACT_KILL_PROCESS, SCMP_ACT_KILL_THREAD, SCMP_ACT_LOG, SCMP_ACT_NOTIFY, SCMP_ACT_TRACE, SCMP_ACT_TRAP"#,
        ),
    ),
    (
        "seccomp-nonames",
        &[(
            "/linux/seccomp",
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_ALLOW"}]}"#,
        )],
        Fails(r#"this field is required (at /linux/seccomp/syscalls/0/names); add it"#),
    ),
];

#[test]
fn seccomp_means_what_was_decided() {
    super::check(SECCOMP);
}

#[test]
fn every_architecture_of_the_runtime_spec_is_known() {
    for (name, arch) in ARCHITECTURES {
        let mut config = super::base();
        config["linux"]["seccomp"] = serde_json::json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "architectures": [format!("SCMP_ARCH_{name}")],
        });
        let profile = super::parse(&config).expect(name).seccomp.expect(name);
        assert_eq!(profile.architectures, [*arch]);
    }
}
