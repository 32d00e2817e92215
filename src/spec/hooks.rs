//! `hooks`: six lists.

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
