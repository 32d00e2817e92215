//! `linux.seccomp` as JSON.
//!
//! It knows names and JSON types only.
//! What a newcomer would get wrong: an absent `flags` and an empty one are different; the first lets the runtime choose.

use super::{Objects, Text, Texts};
use serde::Deserialize;

/// `linux.seccomp`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub struct Seccomp<'a> {
    pub default_action: Option<Text<'a>>,
    pub default_errno_ret: Option<u32>,
    pub architectures: Texts<'a>,
    pub flags: Texts<'a>,
    pub listener_path: Option<Text<'a>>,
    pub listener_metadata: Option<Text<'a>>,
    pub syscalls: Objects<Syscall<'a>>,
}

/// One of `syscalls`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub struct Syscall<'a> {
    pub names: Texts<'a>,
    pub action: Option<Text<'a>>,
    pub errno_ret: Option<u32>,
    pub args: Objects<Argument<'a>>,
}

/// One of `args`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub struct Argument<'a> {
    pub index: Option<u32>,
    pub value: Option<u64>,
    pub value_two: Option<u64>,
    pub op: Option<Text<'a>>,
}
