//! `process`, `mounts` and `hooks` as JSON.
//!
//! It knows names and JSON types only.
//! What a newcomer would get wrong: `process` is also a document of its own, that of `exec --process`.

use super::linux::IdMapping;
use super::{ExecCpuAffinity, IoPriority, Object, Objects, Scheduler, Text, Texts};
use serde::Deserialize;

/// `process`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub struct Process<'a> {
    pub terminal: Option<bool>,
    pub console_size: Option<Object<ConsoleSize>>,
    pub user: Option<Object<User<'a>>>,
    pub args: Texts<'a>,
    pub command_line: Option<Text<'a>>,
    pub env: Texts<'a>,
    pub cwd: Option<Text<'a>>,
    pub capabilities: Option<Object<Capabilities<'a>>>,
    pub rlimits: Objects<Rlimit<'a>>,
    pub no_new_privileges: Option<bool>,
    pub apparmor_profile: Option<Text<'a>>,
    pub oom_score_adj: Option<i64>,
    pub selinux_label: Option<Text<'a>>,
    pub scheduler: Option<Object<Scheduler<'a>>>,
    pub io_priority: Option<Object<IoPriority<'a>>>,
    #[serde(rename = "execCPUAffinity")]
    pub exec_cpu_affinity: Option<Object<ExecCpuAffinity<'a>>>,
}

/// `process.consoleSize`
#[derive(Deserialize)]
pub struct ConsoleSize {
    pub height: Option<u64>,
    pub width: Option<u64>,
}

/// `process.user`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub struct User<'a> {
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub umask: Option<u32>,
    pub additional_gids: Option<Vec<u32>>,
    pub username: Option<Text<'a>>,
}

/// `process.capabilities`
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct Capabilities<'a> {
    pub bounding: Texts<'a>,
    pub effective: Texts<'a>,
    pub inheritable: Texts<'a>,
    pub permitted: Texts<'a>,
    pub ambient: Texts<'a>,
}

/// One of `process.rlimits`
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct Rlimit<'a> {
    #[serde(rename = "type")]
    pub kind: Option<Text<'a>>,
    pub soft: Option<u64>,
    pub hard: Option<u64>,
}

/// One of `mounts`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub struct Mount<'a> {
    pub destination: Option<Text<'a>>,
    #[serde(rename = "type")]
    pub fs_type: Option<Text<'a>>,
    pub source: Option<Text<'a>>,
    pub options: Texts<'a>,
    pub uid_mappings: Objects<IdMapping>,
    pub gid_mappings: Objects<IdMapping>,
}

/// `hooks`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub struct Hooks<'a> {
    pub prestart: Objects<Hook<'a>>,
    pub create_runtime: Objects<Hook<'a>>,
    pub create_container: Objects<Hook<'a>>,
    pub start_container: Objects<Hook<'a>>,
    pub poststart: Objects<Hook<'a>>,
    pub poststop: Objects<Hook<'a>>,
}

/// One hook
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct Hook<'a> {
    pub path: Option<Text<'a>>,
    pub args: Texts<'a>,
    pub env: Texts<'a>,
    pub timeout: Option<i64>,
}
