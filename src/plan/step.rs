//! The child's steps: the owned twin of `rrun_sys::script::Op`, each with its phase, the field that asked for it, and
//! one line of text.
//!
//! It knows words; it refuses to know descriptors, which exist only once the plan is launched: a [`ParentFd`] names
//! them. What a newcomer would get wrong: a step's index here *is* its number in the child, so every act is lowered to
//! exactly one op.

use crate::plan::{Label, show};
use crate::spec::{MemoryPolicy, NumberSet};
use rrun_sys::landlock::{Handled, PortRule};
use rrun_sys::links::Links;
use rrun_sys::script::{Changes, Checkpoint, Slot};
use rrun_sys::seccomp::Instruction;
use std::borrow::Cow;
use std::ffi::{CStr, CString};
use std::fmt;
use std::path::PathBuf;

/// The rootfs, resolved.
pub const ROOT: Slot = Slot(0);
/// The host's /dev/null.
pub const NULL: Slot = Slot(1);
/// The empty directory that masks share.
pub const EMPTY: Slot = Slot(2);
/// The first slot for directories of device nodes; `/dev` comes first.
pub const DEVICES: u8 = 3;

/// When a step happens. The order of the variants is the order of the child's life; `order` proves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Becoming a separate process in its namespaces.
    Enter,
    /// The rootfs is assembled.
    Rootfs,
    /// Hooks see it complete.
    RootfsHooks,
    /// What the program must not see is hidden.
    Hide,
    /// The rootfs becomes the root.
    Root,
    /// Limits, and the program is looked for.
    Prepare,
    /// Created: waits for start.
    Ready,
    /// startContainer hooks.
    StartHooks,
    /// Becoming the user.
    Identity,
    /// Nothing but the filter and execve is left.
    Program,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// When.
    pub phase: Phase,
    /// What.
    pub act: Act,
    /// The JSON pointer of the field that asked for it; empty for what every container gets.
    pub pointer: Cow<'static, str>,
}

/// A descriptor that the parent opens before the clone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParentFd {
    /// A private procfs.
    Proc,
    /// The listening socket of the start gate.
    Gate,
    /// The container's state, for hooks inside.
    HookInput,
    /// Where their output vanishes.
    HookOutput,
    /// Where their errors are kept.
    HookErrors,
    /// The root of an exec's container.
    Root,
    /// A namespace to join: the index in [`crate::plan::Plan::joins`].
    Join(usize),
    /// A detached tree: the index in [`crate::plan::Plan::detached`].
    Detached(usize),
}

/// A place below a slot's directory.
#[derive(Debug, Clone, PartialEq)]
pub struct At {
    /// The directory.
    pub root: Slot,
    /// Relative, `.` for the directory itself.
    pub path: CString,
}

/// What a bind mount copies.
#[derive(Debug, Clone, PartialEq)]
pub enum BindSource {
    /// A host path; whether the mounts below it come along.
    Path(CString, bool),
    /// Cloned by the parent.
    Detached(ParentFd, CString),
}

/// A bind that does not follow every symbolic link.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkBind {
    /// What.
    pub source: BindSource,
    /// Which links are left alone.
    pub links: Links,
    /// The place without its last name.
    pub directory: CString,
    /// That name.
    pub name: CString,
}

/// A new superblock.
#[derive(Debug, Clone, PartialEq)]
pub struct NewFs {
    /// Kernel name.
    pub fs_type: CString,
    /// Parameters.
    pub parameters: Vec<(CString, Option<CString>)>,
    /// `MOUNT_ATTR_*`.
    pub attrs: u64,
    /// See [`rrun_sys::script::FileSystem::inherit_mode`].
    pub inherit_mode: bool,
    /// See [`rrun_sys::script::FileSystem::label`].
    pub label: Option<CString>,
    /// `tmpcopyup`.
    pub copy_up: bool,
}

impl NewFs {
    /// Gives it `linux.mountLabel`. What has one superblock for all, or for all of a namespace, is mounted already and
    /// keeps its label, but for the queues, whose root can be given another.
    pub fn set_label(&mut self, label: Option<&CStr>) {
        match self.fs_type.to_bytes() {
            b"proc" | b"sysfs" => {}
            b"mqueue" => self.label = label.map(CStr::to_owned),
            _ => {
                let context = label.map(|label| (c"context".into(), Some(label.to_owned())));
                self.parameters.extend(context);
            }
        }
    }
}

/// A hook inside the container.
#[derive(Debug, Clone, PartialEq)]
pub struct InnerHook {
    /// Its list.
    pub phase: &'static str,
    /// The program.
    pub path: CString,
    /// argv.
    pub argv: Vec<CString>,
    /// Environment.
    pub envp: Vec<CString>,
    /// Milliseconds, -1 without.
    pub timeout: i32,
    /// Where what it writes is appended, of the host; nowhere without.
    pub stdout: Option<PathBuf>,
    /// The same for its errors; kept for ours without.
    pub stderr: Option<PathBuf>,
}

/// A ruleset of Landlock that this kernel takes.
#[derive(Debug, Clone, PartialEq)]
pub struct LandlockRules {
    /// What it forbids unless a rule allows it.
    pub handled: Handled,
    /// Rights at and below paths, relative to the root.
    pub paths: Vec<(CString, u64)>,
    /// Rights on ports.
    pub ports: Vec<PortRule>,
    /// See [`rrun_sys::landlock::Ruleset::lenient`].
    pub lenient: bool,
}

/// What a step does; see the op of the same name.
#[allow(
    missing_docs,
    reason = "each variant is documented where it is performed, rrun_sys::script::Op"
)]
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    CloseFrom(u32),
    Reach(Checkpoint),
    JoinCgroups,
    Join { fd: ParentFd, kinds: u32 },
    Unshare { kinds: u32 },
    TimeNamespace { offsets: Vec<u8> },
    Hop { kinds: u32 },
    BecomeRoot { set_groups: bool },
    NewSession,
    Keyring(CString),
    Umask(u32),
    LoopbackUp,
    Hostname(CString),
    Domainname(CString),
    Sysctl { path: CString, value: CString },
    Label { who: Label, value: CString },
    Affinity(Option<NumberSet>),
    MemoryPolicy(MemoryPolicy),
    RootPropagation { mode: u64, recursive: bool },
    OpenRootfs { path: CString, isolate_parent: bool },
    OpenDirectory { path: CString },
    Mount { fs: NewFs, changes: Changes, at: At },
    Bind { source: BindSource, changes: Changes, at: At },
    BindLink { bind: LinkBind, changes: Changes, at: At },
    SetAttr { at: At, changes: Changes },
    Directory { at: At, mode: u32 },
    Open { at: At, out: Slot },
    Device { dir: Slot, name: CString, mode: u32, device: u64, uid: u32, gid: u32 },
    BindDevice { dir: Slot, name: CString, source: CString, device: u64, mode: u32 },
    Symlink { target: CString, dir: Slot, name: CString, replace: bool },
    OpenNull,
    Mask { at: At, label: Option<CString> },
    ReadOnly { at: At },
    Pivot,
    MoveRoot,
    Chroot,
    Withdraw { namespace: ParentFd },
    EnterRoot,
    Console { dev: Option<Slot>, size: (u16, u16), uid: u32 },
    OwnStreams { uid: u32 },
    Hook(InnerHook),
    FindProgram,
    Gate,
    Rlimit { resource: u32, name: &'static str, soft: u64, hard: u64 },
    Personality(u32),
    LimitBounding { keep: u64, last: u8 },
    KeepCapabilities(bool),
    Groups(Vec<u32>),
    Ids { uid: u32, gid: u32 },
    Capabilities { effective: u64, permitted: u64, inheritable: u64 },
    Ambient { set: u64, last: u8 },
    NoNewPrivileges,
    DenyWriteExecute,
    Landlock(LandlockRules),
    WorkingDirectory { path: CString, lenient: bool },
    Announce,
    Seccomp { instructions: Vec<Instruction>, flags: u32, notifies: bool, description: String },
    Exec,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show::act(&self.act, f)
    }
}

/// Steps in the making: they come in phases, and carry the field that asked for them.
#[derive(Debug, Default)]
pub struct Steps {
    /// So far.
    pub list: Vec<Step>,
}

impl Steps {
    /// Adds a step that every container gets.
    pub fn push(&mut self, phase: Phase, act: Act) {
        self.push_at(phase, act, "");
    }

    /// Adds a step that a field asked for.
    pub fn push_at(&mut self, phase: Phase, act: Act, pointer: impl Into<Cow<'static, str>>) {
        self.list.push(Step { phase, act, pointer: pointer.into() });
    }
}
