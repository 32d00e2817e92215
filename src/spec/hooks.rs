//! `hooks`: six lists.
//!
//! It knows what a hook is. It refuses to know how one is run, or whether its program exists.
//! What a newcomer would get wrong: `env` is the whole environment of the hook; not even `PATH` is inherited.

use super::at::At;
use super::wire;
use super::wire::{Object, Text};
use crate::error::Result;
use std::path::PathBuf;
use std::time::Duration;

/// One hook.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Hook {
    /// Absolute. Resolved on the host, but for `startContainer`, whose paths are the container's.
    pub path: PathBuf,
    /// argv, with argv\[0\]; `[path]` when absent.
    pub args: Vec<String>,
    /// The whole environment.
    pub env: Vec<String>,
    /// Greater than zero.
    pub timeout: Option<Duration>,
    /// `run.oci.hooks.stdout`: what it writes is appended there, and otherwise lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<PathBuf>,
    /// `run.oci.hooks.stderr`, the same; without, the last line of a hook that fails is in our error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr: Option<PathBuf>,
}

/// When a hook runs, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookPhase {
    /// Deprecated: as `createRuntime`, before it.
    Prestart,
    /// Host; namespaces made, rootfs mounted, before pivot_root.
    CreateRuntime,
    /// Container's namespaces, host's paths; before pivot_root.
    CreateContainer,
    /// Container's namespaces and paths; part of `start`, before the program.
    StartContainer,
    /// Host; after the program started.
    Poststart,
    /// Host; after delete. A failure is a warning.
    Poststop,
}

impl HookPhase {
    /// The key in `hooks`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prestart => "prestart",
            Self::CreateRuntime => "createRuntime",
            Self::CreateContainer => "createContainer",
            Self::StartContainer => "startContainer",
            Self::Poststart => "poststart",
            Self::Poststop => "poststop",
        }
    }
}

/// All of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hooks {
    /// See [`HookPhase::Prestart`].
    pub prestart: Vec<Hook>,
    /// See [`HookPhase::CreateRuntime`].
    pub create_runtime: Vec<Hook>,
    /// See [`HookPhase::CreateContainer`].
    pub create_container: Vec<Hook>,
    /// See [`HookPhase::StartContainer`].
    pub start_container: Vec<Hook>,
    /// See [`HookPhase::Poststart`].
    pub poststart: Vec<Hook>,
    /// See [`HookPhase::Poststop`].
    pub poststop: Vec<Hook>,
}

impl Hooks {
    /// All of all lists.
    pub(super) fn each_mut(&mut self) -> impl Iterator<Item = &mut Hook> {
        let Self {
            prestart,
            create_runtime,
            create_container,
            start_container,
            poststart,
            poststop,
        } = self;
        [prestart, create_runtime, create_container, start_container, poststart, poststop]
            .into_iter()
            .flatten()
    }

    pub(super) fn read(at: At<'_>, hooks: Option<Object<wire::Hooks<'_>>>) -> Result<Self> {
        let Some(Object(hooks)) = hooks else { return Ok(Self::default()) };
        let wire::Hooks {
            prestart,
            create_runtime,
            create_container,
            start_container,
            poststart,
            poststop,
        } = hooks;
        let list = |phase: HookPhase, list| at.key(phase.name()).each(list, Hook::read);
        Ok(Self {
            prestart: list(HookPhase::Prestart, prestart)?,
            create_runtime: list(HookPhase::CreateRuntime, create_runtime)?,
            create_container: list(HookPhase::CreateContainer, create_container)?,
            start_container: list(HookPhase::StartContainer, start_container)?,
            poststart: list(HookPhase::Poststart, poststart)?,
            poststop: list(HookPhase::Poststop, poststop)?,
        })
    }
}

impl Hook {
    fn read(at: At<'_>, Object(hook): Object<wire::Hook<'_>>) -> Result<Self> {
        let wire::Hook { path, args, env, timeout } = hook;
        let path = at.required("path", path)?;
        at.key("path").absolute(&path)?;
        let strings = |list: wire::Texts<'_>| -> Vec<String> {
            list.into_iter().flatten().map(Text::into_string).collect()
        };
        let mut args = strings(args);
        if args.is_empty() {
            args.push(path.to_string());
        }
        let timeout = match timeout.map(u64::try_from) {
            None => None,
            Some(Ok(seconds @ 1..)) => Some(Duration::from_secs(seconds)),
            Some(Ok(_) | Err(_)) => {
                return Err(at
                    .key("timeout")
                    .wrong("a timeout must be greater than zero")
                    .hint("give it in seconds, or leave it out to wait without end"));
            }
        };
        Ok(Self {
            path: path.into_string().into(),
            args,
            env: strings(env),
            timeout,
            stdout: None,
            stderr: None,
        })
    }
}
