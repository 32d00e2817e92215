//! `linux.seccomp` becomes a classic BPF program.
//!
//! It knows names, numbers, rules and what the kernel makes of a filter. It refuses to install one: that is the child's
//! last act but one. What a newcomer would get wrong: the length of a filter and the number of its steps are paid at
//! every *start*, not only at every call, because the kernel walks it once for each syscall number of two architectures
//! to find those that are always allowed (`seccomp_cache_prepare`). A linear filter makes that a millisecond; this one
//! searches ranges. See `compile` for the shape, `rules` for who wins, [`emulate`] for the proof.

mod assemble;
mod compile;
mod condition;
pub mod emulate;
mod graph;
mod kept;
mod machine;
mod raw;
mod rules;
mod search;
mod table;
#[cfg(test)]
mod tests;

pub use kept::Filters;
pub use raw::adopt;
pub use rrun_sys::seccomp::Instruction;

use crate::error::{Error, Result};
use crate::spec::{Action, FilterFlag, Profile};
use machine::{HERE, Machine};

/// `SECCOMP_RET_*` of linux/seccomp.h.
const KILL_PROCESS: u32 = 0x8000_0000;
const KILL_THREAD: u32 = 0;
const TRAP: u32 = 0x0003_0000;
const ERRNO: u32 = 0x0005_0000;
const NOTIFY: u32 = 0x7fc0_0000;
const TRACE: u32 = 0x7ff0_0000;
const LOG: u32 = 0x7ffc_0000;
const ALLOW: u32 = 0x7fff_0000;

/// `BPF_MAXINSNS`: the kernel takes no longer program.
const LONGEST: usize = 4096;

/// A filter, ready to be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The filter itself.
    pub instructions: Vec<Instruction>,
    /// `SECCOMP_FILTER_FLAG_*`, as seccomp(2) takes them.
    pub flags: u32,
    /// Installing it yields a descriptor for `listenerPath`.
    pub notifies: bool,
    /// For `explain`: "203 instructions for x86_64 x86 x32, default errno EPERM".
    pub description: String,
}

/// Compiles `profile` for the machine that this build runs on. `no_new_privs` is the process's; without it the kernel
/// wants CAP_SYS_ADMIN from whoever installs the filter.
///
/// # Errors
/// [`Kind::Spec`](crate::error::Kind::Spec) when the profile notifies without a listener or the reverse, or notifies by
/// default; [`Kind::Unsupported`](crate::error::Kind::Unsupported) when the program is longer than the kernel takes.
pub fn compile(profile: &Profile, no_new_privs: bool) -> Result<Program> {
    let notifies = check_listener(profile)?;
    let flags = flags(profile, notifies)?;
    let instructions = instructions(profile, &HERE)?;
    let description = describe(profile, &HERE, instructions.len(), no_new_privs);
    Ok(Program { instructions, flags, notifies, description })
}

fn instructions(profile: &Profile, machine: &Machine) -> Result<Vec<Instruction>> {
    let (graph, root) = compile::compile(profile, machine);
    let instructions = assemble::assemble(&graph, root);
    if instructions.len() > LONGEST {
        let length = instructions.len();
        return Err(Error::unsupported(
            "/linux/seccomp/syscalls",
            format!("the rules make {length} instructions, and the kernel takes {LONGEST}"),
        )
        .hint("list fewer conditions on arguments"));
    }
    Ok(instructions)
}

/// Whether the profile notifies; a listener is there exactly then.
fn check_listener(profile: &Profile) -> Result<bool> {
    if profile.default_action == Action::Notify {
        return Err(Error::spec(
            "/linux/seccomp/defaultAction",
            "SCMP_ACT_NOTIFY as the default action would also stop the calls that hand the listener over",
        )
        .hint("name the calls to notify of in syscalls"));
    }
    let notifying = profile.rules.iter().position(|rule| rule.action == Action::Notify);
    match (notifying, &profile.listener_path) {
        (Some(rule), None) => Err(Error::spec(
            "/linux/seccomp/listenerPath",
            format!("listenerPath is missing, but syscalls/{rule} has action SCMP_ACT_NOTIFY"),
        )
        .hint("set listenerPath to the socket of a listening agent")),
        (None, Some(path)) => Err(Error::spec(
            "/linux/seccomp/listenerPath",
            format!("listenerPath is {path:?}, but no rule has action SCMP_ACT_NOTIFY"),
        )
        .hint("remove listenerPath, or notify of a call")),
        (notifying, _) => Ok(notifying.is_some()),
    }
}

/// runc's default is SPEC_ALLOW: without it the kernel turns mitigations on that slow the container down.
fn flags(profile: &Profile, notifies: bool) -> Result<u32> {
    /// Not in profiles: the answer is the notify descriptor.
    const NEW_LISTENER: u32 = 1 << 3;
    /// Not in profiles: a failed TSYNC is an errno and not a thread id, which would look like that descriptor.
    const TSYNC_ESRCH: u32 = 1 << 4;

    let asked = profile.flags.as_deref().unwrap_or(&[FilterFlag::SpecAllow]);
    if asked.contains(&FilterFlag::WaitKillableRecv) && !notifies {
        return Err(Error::spec(
            "/linux/seccomp/flags",
            "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV is set, but no rule has action SCMP_ACT_NOTIFY",
        )
        .hint("remove the flag, or notify of a call"));
    }
    let mut flags = asked.iter().fold(0, |flags, &flag| flags | flag_value(flag));
    if notifies {
        flags |= NEW_LISTENER;
        if asked.contains(&FilterFlag::Tsync) {
            flags |= TSYNC_ESRCH;
        }
    }
    Ok(flags)
}

/// `SECCOMP_FILTER_FLAG_*` of linux/seccomp.h.
fn flag_value(flag: FilterFlag) -> u32 {
    match flag {
        FilterFlag::Tsync => 1,
        FilterFlag::Log => 1 << 1,
        FilterFlag::SpecAllow => 1 << 2,
        FilterFlag::WaitKillableRecv => 1 << 5,
    }
}

fn describe(profile: &Profile, machine: &Machine, length: usize, no_new_privs: bool) -> String {
    let mut names: Vec<_> =
        compile::architectures(profile, machine).iter().map(|abi| abi.name).collect();
    if compile::has_x32(profile, machine) {
        names.push("x32");
    }
    let default = match profile.default_action {
        Action::KillProcess => "kills the process".to_owned(),
        Action::KillThread => "kills the thread".to_owned(),
        Action::Trap => "traps".to_owned(),
        Action::Errno(errno) => {
            format!("errno {:?}", nix::errno::Errno::from_raw(i32::from(errno)))
        }
        Action::Notify => "notifies".to_owned(),
        Action::Trace(message) => format!("traces with {message}"),
        Action::Log => "logs".to_owned(),
        Action::Allow => "allows".to_owned(),
    };
    let privilege = if no_new_privs { "" } else { ", installed with CAP_SYS_ADMIN" };
    format!("{length} instructions for {}, default {default}{privilege}", names.join(" "))
}

/// What profiles may say, by the names they say it with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Supported {
    /// `SCMP_ACT_*`.
    pub actions: &'static [&'static str],
    /// `SCMP_CMP_*`.
    pub operators: &'static [&'static str],
    /// `SCMP_ARCH_*`. All are accepted; those that the machine cannot execute need no code.
    pub archs: &'static [&'static str],
    /// `SECCOMP_FILTER_FLAG_*` that are recognised.
    pub known_flags: &'static [&'static str],
    /// Of these, the ones that the kernel floor has.
    pub supported_flags: &'static [&'static str],
}

/// For `features`.
#[must_use]
pub fn supported() -> Supported {
    const FLAGS: &[&str] = &[
        "SECCOMP_FILTER_FLAG_TSYNC",
        "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
        "SECCOMP_FILTER_FLAG_LOG",
        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
    ];
    Supported {
        actions: &[
            "SCMP_ACT_ALLOW",
            "SCMP_ACT_ERRNO",
            "SCMP_ACT_KILL",
            "SCMP_ACT_KILL_PROCESS",
            "SCMP_ACT_KILL_THREAD",
            "SCMP_ACT_LOG",
            "SCMP_ACT_NOTIFY",
            "SCMP_ACT_TRACE",
            "SCMP_ACT_TRAP",
        ],
        operators: &[
            "SCMP_CMP_EQ",
            "SCMP_CMP_GE",
            "SCMP_CMP_GT",
            "SCMP_CMP_LE",
            "SCMP_CMP_LT",
            "SCMP_CMP_MASKED_EQ",
            "SCMP_CMP_NE",
        ],
        archs: &[
            "SCMP_ARCH_AARCH64",
            "SCMP_ARCH_ARM",
            "SCMP_ARCH_LOONGARCH64",
            "SCMP_ARCH_M68K",
            "SCMP_ARCH_MIPS",
            "SCMP_ARCH_MIPS64",
            "SCMP_ARCH_MIPS64N32",
            "SCMP_ARCH_MIPSEL",
            "SCMP_ARCH_MIPSEL64",
            "SCMP_ARCH_MIPSEL64N32",
            "SCMP_ARCH_PARISC",
            "SCMP_ARCH_PARISC64",
            "SCMP_ARCH_PPC",
            "SCMP_ARCH_PPC64",
            "SCMP_ARCH_PPC64LE",
            "SCMP_ARCH_RISCV64",
            "SCMP_ARCH_S390",
            "SCMP_ARCH_S390X",
            "SCMP_ARCH_SH",
            "SCMP_ARCH_SHEB",
            "SCMP_ARCH_X32",
            "SCMP_ARCH_X86",
            "SCMP_ARCH_X86_64",
        ],
        known_flags: FLAGS,
        // WAIT_KILLABLE_RECV came with Linux 5.19.
        supported_flags: &FLAGS[..3],
    }
}
