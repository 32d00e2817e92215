//! `linux.seccomp`: the profile, typed.
//!
//! It knows the names of actions, architectures, operators and flags. It refuses to know syscall numbers: those are
//! `plan::seccomp`'s.

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
