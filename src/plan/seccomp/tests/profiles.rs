//! Profiles of the field, read without the spec layer, which has its own tests.

use serde::Deserialize;

use crate::spec::{Action, Arch, Comparator, Condition, Profile, Rule};

pub(super) const FIELD: [(&str, &str); 4] = [
    ("docker-28.5", include_str!("../../../../rootfs-fixtures/seccomp/docker-28.5.json")),
    ("docker-20.10", include_str!("../../../../rootfs-fixtures/seccomp/docker-20.10.json")),
    ("podman-4.3", include_str!("../../../../rootfs-fixtures/seccomp/podman-4.3.json")),
    ("containerd-1.6", include_str!("../../../../rootfs-fixtures/seccomp/containerd-1.6.json")),
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonProfile {
    default_action: String,
    default_errno_ret: Option<u16>,
    architectures: Vec<String>,
    syscalls: Vec<JsonRule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonRule {
    names: Vec<String>,
    action: String,
    errno_ret: Option<u16>,
    #[serde(default)]
    args: Vec<JsonCondition>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonCondition {
    index: u8,
    value: u64,
    #[serde(default)]
    value_two: u64,
    op: String,
}

pub(super) fn parse(json: &str) -> Profile {
    let json: JsonProfile = serde_json::from_str(json).unwrap();
    Profile {
        default_action: action(&json.default_action, json.default_errno_ret),
        architectures: json.architectures.iter().map(|name| arch(name)).collect(),
        flags: None,
        listener_path: None,
        listener_metadata: None,
        rules: json.syscalls.into_iter().map(rule).collect(),
    }
}

fn rule(json: JsonRule) -> Rule {
    Rule {
        action: action(&json.action, json.errno_ret),
        args: json.args.iter().map(condition).collect(),
        names: json.names,
    }
}

fn action(name: &str, errno: Option<u16>) -> Action {
    match name {
        "SCMP_ACT_ALLOW" => Action::Allow,
        "SCMP_ACT_ERRNO" => Action::Errno(errno.unwrap_or(1)),
        other => panic!("no profile of the field has action {other}"),
    }
}

fn arch(name: &str) -> Arch {
    match name {
        "SCMP_ARCH_X86_64" => Arch::X86_64,
        "SCMP_ARCH_X86" => Arch::X86,
        "SCMP_ARCH_X32" => Arch::X32,
        other => panic!("no profile of the field has architecture {other}"),
    }
}

fn condition(json: &JsonCondition) -> Condition {
    let comparator = match json.op.as_str() {
        "SCMP_CMP_EQ" => Comparator::Equal(json.value),
        "SCMP_CMP_NE" => Comparator::NotEqual(json.value),
        "SCMP_CMP_MASKED_EQ" => Comparator::MaskedEqual { mask: json.value, value: json.value_two },
        other => panic!("no profile of the field has operator {other}"),
    };
    Condition { index: json.index, comparator }
}
