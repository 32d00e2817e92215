//! `process.scheduler` and its kin, and `linux.memoryPolicy`, as JSON.
//!
//! It knows names and JSON types only.
//! What a newcomer would get wrong: `final` is a word of Rust's, so its field has another name.

use super::{Text, Texts};
use serde::Deserialize;

/// `process.scheduler`
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct Scheduler<'a> {
    pub policy: Option<Text<'a>>,
    pub nice: Option<i32>,
    pub priority: Option<i32>,
    pub flags: Texts<'a>,
    pub runtime: Option<u64>,
    pub deadline: Option<u64>,
    pub period: Option<u64>,
}

/// `process.ioPriority`
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct IoPriority<'a> {
    pub class: Option<Text<'a>>,
    pub priority: Option<i64>,
}

/// `process.execCPUAffinity`
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct ExecCpuAffinity<'a> {
    pub initial: Option<Text<'a>>,
    #[serde(rename = "final")]
    pub last: Option<Text<'a>>,
}

/// `linux.memoryPolicy`
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct MemoryPolicy<'a> {
    pub mode: Option<Text<'a>>,
    pub nodes: Option<Text<'a>>,
    pub flags: Texts<'a>,
}
