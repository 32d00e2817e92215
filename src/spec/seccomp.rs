//! `linux.seccomp`: the profile, typed.
//!
//! It knows the names of actions, architectures, operators and flags. It refuses to know syscall numbers: those are
//! `plan::seccomp`'s.
//! What a newcomer would get wrong: for `SCMP_CMP_MASKED_EQ` the configuration's `value` is the mask, and `valueTwo` is
//! what the masked argument is compared with.

use super::at::At;
use super::wire;
use super::wire::{Object, Text};
use crate::error::Result;

/// A whole profile.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// `defaultAction`, with `defaultErrnoRet`.
    pub default_action: Action,
    /// `architectures` as given; empty: the host's own alone.
    pub architectures: Vec<Arch>,
    /// `flags`; `None` when the key is absent (runc's default then applies: `SPEC_ALLOW`).
    pub flags: Option<Vec<FilterFlag>>,
    /// `listenerPath`: where the notify descriptor goes.
    pub listener_path: Option<String>,
    /// `listenerMetadata`: text handed over with it.
    pub listener_metadata: Option<String>,
    /// `syscalls`, in order.
    pub rules: Vec<Rule>,
}

/// One of `syscalls`.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// `names`, at least one; a name unknown to an architecture is skipped for it.
    pub names: Vec<String>,
    /// `action`, with `errnoRet`.
    pub action: Action,
    /// `args`: all must hold. Two conditions on one index hold either way (libseccomp's and runc's reading: several
    /// rules).
    pub args: Vec<Condition>,
}

/// One of `args`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// 0 to 5.
    pub index: u8,
    /// `op`, with `value` and `valueTwo`.
    pub comparator: Comparator,
}

/// `op`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparator {
    /// `SCMP_CMP_NE`
    NotEqual(u64),
    /// `SCMP_CMP_LT`
    Less(u64),
    /// `SCMP_CMP_LE`
    LessOrEqual(u64),
    /// `SCMP_CMP_EQ`
    Equal(u64),
    /// `SCMP_CMP_GE`
    GreaterOrEqual(u64),
    /// `SCMP_CMP_GT`
    Greater(u64),
    /// `SCMP_CMP_MASKED_EQ`: `argument & mask == value`. The configuration's `value` is the mask, `valueTwo` the value.
    MaskedEqual {
        /// Bits that count.
        mask: u64,
        /// What they must be.
        value: u64,
    },
}

/// What happens to a matching call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// `SCMP_ACT_KILL_PROCESS`
    KillProcess,
    /// `SCMP_ACT_KILL` and `SCMP_ACT_KILL_THREAD`
    KillThread,
    /// `SCMP_ACT_TRAP`
    Trap,
    /// `SCMP_ACT_ERRNO`, with the errno (EPERM when absent)
    Errno(u16),
    /// `SCMP_ACT_NOTIFY`
    Notify,
    /// `SCMP_ACT_TRACE`, with the message for the tracer (EPERM when absent)
    Trace(u16),
    /// `SCMP_ACT_LOG`
    Log,
    /// `SCMP_ACT_ALLOW`
    Allow,
}

/// `SECCOMP_FILTER_FLAG_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FilterFlag {
    /// `TSYNC`
    Tsync,
    /// `LOG`
    Log,
    /// `SPEC_ALLOW`
    SpecAllow,
    /// `WAIT_KILLABLE_RECV`
    WaitKillableRecv,
}

/// `SCMP_ARCH_*`.
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Arch {
    X86,
    X86_64,
    X32,
    Arm,
    Aarch64,
    Mips,
    Mips64,
    Mips64N32,
    Mipsel,
    Mipsel64,
    Mipsel64N32,
    Ppc,
    Ppc64,
    Ppc64le,
    S390,
    S390x,
    Parisc,
    Parisc64,
    Riscv64,
    Loongarch64,
    M68k,
    Sh,
    Sheb,
}

/// The words for [`Action`]. The errno of `Errno` and `Trace` stands for any.
pub(super) const ACTIONS: &[(&str, Action)] = &[
    ("SCMP_ACT_ALLOW", Action::Allow),
    ("SCMP_ACT_ERRNO", Action::Errno(0)),
    ("SCMP_ACT_KILL", Action::KillThread),
    ("SCMP_ACT_KILL_PROCESS", Action::KillProcess),
    ("SCMP_ACT_KILL_THREAD", Action::KillThread),
    ("SCMP_ACT_LOG", Action::Log),
    ("SCMP_ACT_NOTIFY", Action::Notify),
    ("SCMP_ACT_TRACE", Action::Trace(0)),
    ("SCMP_ACT_TRAP", Action::Trap),
];

/// The words for [`FilterFlag`].
pub(super) const FLAGS: &[(&str, FilterFlag)] = &[
    ("SECCOMP_FILTER_FLAG_LOG", FilterFlag::Log),
    ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", FilterFlag::SpecAllow),
    ("SECCOMP_FILTER_FLAG_TSYNC", FilterFlag::Tsync),
    ("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", FilterFlag::WaitKillableRecv),
];

/// The words for [`Arch`].
pub(super) const ARCHS: &[(&str, Arch)] = &[
    ("SCMP_ARCH_AARCH64", Arch::Aarch64),
    ("SCMP_ARCH_ARM", Arch::Arm),
    ("SCMP_ARCH_LOONGARCH64", Arch::Loongarch64),
    ("SCMP_ARCH_M68K", Arch::M68k),
    ("SCMP_ARCH_MIPS", Arch::Mips),
    ("SCMP_ARCH_MIPS64", Arch::Mips64),
    ("SCMP_ARCH_MIPS64N32", Arch::Mips64N32),
    ("SCMP_ARCH_MIPSEL", Arch::Mipsel),
    ("SCMP_ARCH_MIPSEL64", Arch::Mipsel64),
    ("SCMP_ARCH_MIPSEL64N32", Arch::Mipsel64N32),
    ("SCMP_ARCH_PARISC", Arch::Parisc),
    ("SCMP_ARCH_PARISC64", Arch::Parisc64),
    ("SCMP_ARCH_PPC", Arch::Ppc),
    ("SCMP_ARCH_PPC64", Arch::Ppc64),
    ("SCMP_ARCH_PPC64LE", Arch::Ppc64le),
    ("SCMP_ARCH_RISCV64", Arch::Riscv64),
    ("SCMP_ARCH_S390", Arch::S390),
    ("SCMP_ARCH_S390X", Arch::S390x),
    ("SCMP_ARCH_SH", Arch::Sh),
    ("SCMP_ARCH_SHEB", Arch::Sheb),
    ("SCMP_ARCH_X32", Arch::X32),
    ("SCMP_ARCH_X86", Arch::X86),
    ("SCMP_ARCH_X86_64", Arch::X86_64),
];

/// How `value` and `valueTwo` make a [`Comparator`].
type Compare = fn(u64, u64) -> Comparator;

/// The words for [`Comparator`].
pub(super) const OPERATORS: &[(&str, Compare)] = &[
    ("SCMP_CMP_EQ", |value, _| Comparator::Equal(value)),
    ("SCMP_CMP_GE", |value, _| Comparator::GreaterOrEqual(value)),
    ("SCMP_CMP_GT", |value, _| Comparator::Greater(value)),
    ("SCMP_CMP_LE", |value, _| Comparator::LessOrEqual(value)),
    ("SCMP_CMP_LT", |value, _| Comparator::Less(value)),
    ("SCMP_CMP_MASKED_EQ", |mask, value| Comparator::MaskedEqual { mask, value }),
    ("SCMP_CMP_NE", |value, _| Comparator::NotEqual(value)),
];

/// The kernel's `MAX_ERRNO`: larger ones would be cut down to it.
const MAX_ERRNO: u32 = 4095;

/// What `SECCOMP_RET_DATA` holds.
const MAX_TRACE_MESSAGE: u32 = 65535;

impl Profile {
    pub(super) fn read(at: At<'_>, Object(profile): Object<wire::Seccomp<'_>>) -> Result<Self> {
        let wire::Seccomp {
            default_action,
            default_errno_ret,
            architectures,
            flags,
            listener_path,
            listener_metadata,
            syscalls,
        } = profile;
        let (archs, syscalls_at) = (at.key("architectures"), at.key("syscalls"));
        let this = Self {
            default_action: read_action(
                &at,
                ("defaultAction", default_action),
                ("defaultErrnoRet", default_errno_ret),
            )?,
            architectures: archs
                .each(architectures, |at, name| at.one_of(&name, "architecture", ARCHS))?,
            flags: match flags {
                None => None,
                list => Some(
                    at.key("flags")
                        .each(list, |at, name| at.one_of(&name, "seccomp filter flag", FLAGS))?,
                ),
            },
            listener_path: listener_path.map(Text::into_string).filter(|path| !path.is_empty()),
            listener_metadata: listener_metadata
                .map(Text::into_string)
                .filter(|text| !text.is_empty()),
            rules: syscalls_at.each(syscalls, Rule::read)?,
        };
        this.check_listener(&at)?;
        Ok(this)
    }

    fn check_listener(&self, at: &At<'_>) -> Result<()> {
        let asks = self.default_action == Action::Notify
            || self.rules.iter().any(|rule| rule.action == Action::Notify);
        match &self.listener_path {
            Some(path) => at.key("listenerPath").absolute(path).map(|_| ()),
            None if asks => Err(at
                .key("listenerPath")
                .wrong("SCMP_ACT_NOTIFY needs someone to notify")
                .hint("name the socket of a seccomp agent")),
            None if self.listener_metadata.is_some() => Err(at
                .key("listenerMetadata")
                .wrong("there is no listenerPath to send this to")
                .hint("name the socket of a seccomp agent, or leave this out")),
            None => Ok(()),
        }
    }
}

/// An action and its errno, each with its key.
fn read_action(
    at: &At<'_>,
    (action_key, action): (&str, Option<Text<'_>>),
    (errno_key, errno): (&str, Option<u32>),
) -> Result<Action> {
    let name = at.required(action_key, action)?;
    let action = at.key(action_key).one_of(&name, "seccomp action", ACTIONS)?;
    let at = at.key(errno_key);
    let number = |most: u32| {
        let errno = errno.unwrap_or(libc::EPERM.unsigned_abs());
        u16::try_from(errno).ok().filter(|_| errno <= most).ok_or_else(|| {
            at.wrong(format!("{errno} is too large")).hint(format!("use {most} or less"))
        })
    };
    match action {
        Action::Errno(_) => number(MAX_ERRNO).map(Action::Errno),
        Action::Trace(_) => number(MAX_TRACE_MESSAGE).map(Action::Trace),
        _ if errno.is_some() => Err(at
            .wrong(format!("{} returns no errno", &*name))
            .hint("leave this out, or use SCMP_ACT_ERRNO")),
        other => Ok(other),
    }
}

impl Rule {
    fn read(at: At<'_>, Object(rule): Object<wire::Syscall<'_>>) -> Result<Self> {
        let wire::Syscall { names, action, errno_ret, args } = rule;
        let names = at.required("names", names)?;
        if names.is_empty() {
            let error = at.key("names").wrong("a rule needs at least one name");
            return Err(error.hint("name a system call, or remove the rule"));
        }
        Ok(Self {
            names: names.into_iter().map(Text::into_string).collect(),
            action: read_action(&at, ("action", action), ("errnoRet", errno_ret))?,
            args: at.key("args").each(args, Condition::read)?,
        })
    }
}

impl Condition {
    fn read(at: At<'_>, Object(argument): Object<wire::Argument<'_>>) -> Result<Self> {
        let wire::Argument { index, value, value_two, op } = argument;
        let index = match at.required("index", index)? {
            fits @ 0..=5 => fits as u8,
            other => {
                return Err(at
                    .key("index")
                    .wrong(format!("a syscall has no argument {other}"))
                    .hint("use 0 to 5"));
            }
        };
        let op = at.required("op", op)?;
        let compare = at.key("op").one_of(&op, "comparison", OPERATORS)?;
        let value = at.required("value", value)?;
        Ok(Self { index, comparator: compare(value, value_two.unwrap_or_default()) })
    }
}
