//! What a profile says of one call on an `x86_64` machine, read off the rules from the text of `rules` and `compile`:
//! slow, from numbers to names, and without a line of the compiler.

use std::collections::HashSet;

use super::super::emulate::Call;
use super::{AUDIT_X86, AUDIT_X86_64};
use crate::spec::{Action, Arch, Comparator, Condition, Profile, Rule};

const X32_OWN: [&str; 36] = [
    "rt_sigaction",
    "rt_sigreturn",
    "ioctl",
    "readv",
    "writev",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "execve",
    "ptrace",
    "rt_sigpending",
    "rt_sigtimedwait",
    "rt_sigqueueinfo",
    "sigaltstack",
    "timer_create",
    "mq_notify",
    "kexec_load",
    "waitid",
    "set_robust_list",
    "get_robust_list",
    "vmsplice",
    "move_pages",
    "preadv",
    "pwritev",
    "rt_tgsigqueueinfo",
    "recvmmsg",
    "sendmmsg",
    "process_vm_readv",
    "process_vm_writev",
    "setsockopt",
    "getsockopt",
    "io_setup",
    "io_submit",
    "execveat",
    "preadv2",
    "pwritev2",
];

/// A set of names and numbers.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Names {
    X86_64,
    X86,
    X32Own,
}

impl Names {
    const ALL: [Self; 3] = [Self::X86_64, Self::X86, Self::X32Own];

    pub(super) fn name(self, number: u32) -> Option<&'static str> {
        match self {
            Self::X86_64 => syscalls::x86_64::Sysno::new(number as usize).map(|call| call.name()),
            Self::X86 => syscalls::x86::Sysno::new(number as usize).map(|call| call.name()),
            Self::X32Own => X32_OWN.get(number.checked_sub(512)? as usize).copied(),
        }
    }

    /// The newest number of the set that `profile` names.
    fn newest(self, profile: &Profile) -> Option<u32> {
        let named: HashSet<&str> =
            profile.rules.iter().flat_map(|rule| rule.names.iter().map(String::as_str)).collect();
        let any = |names: &[&str]| names.iter().any(|name| named.contains(name));
        let through_ipc = IPC_CALLS.iter().any(|(_, name)| named.contains(name));
        (0..600).rev().find(|&number| {
            self.name(number).is_some_and(|name| {
                named.contains(name)
                    || self == Self::X86 && name == "socketcall" && any(&SOCKET_CALLS)
                    || self == Self::X86 && name == "ipc" && through_ipc
            })
        })
    }
}

/// `SECCOMP_RET_*`.
pub(super) fn value(action: Action) -> u32 {
    match action {
        Action::KillProcess => 0x8000_0000,
        Action::KillThread => 0,
        Action::Trap => 0x0003_0000,
        Action::Errno(errno) => 0x0005_0000 + u32::from(errno),
        Action::Notify => 0x7fc0_0000,
        Action::Trace(message) => 0x7ff0_0000 + u32::from(message),
        Action::Log => 0x7ffc_0000,
        Action::Allow => 0x7fff_0000,
    }
}

/// A profile that has been read.
pub(super) struct Reading<'p> {
    profile: &'p Profile,
    newest: [Option<u32>; 3],
}

impl<'p> Reading<'p> {
    pub(super) fn of(profile: &'p Profile) -> Self {
        Self { profile, newest: Names::ALL.map(|set| set.newest(profile)) }
    }

    pub(super) fn verdict(&self, call: &Call) -> u32 {
        let listed = |arch| self.profile.architectures.contains(&arch);
        let without_bit = call.number.wrapping_sub(0x4000_0000);
        match call.arch {
            AUDIT_X86_64 if call.number < 0x4000_0000 => {
                self.decide(Names::X86_64, call.number, call)
            }
            AUDIT_X86_64 if listed(Arch::X32) => match without_bit {
                0..512 => self.decide(Names::X86_64, without_bit, call),
                _ if self.newest(Names::X32Own) >= Some(without_bit) => {
                    self.decide(Names::X32Own, without_bit, call)
                }
                _ => self.newer(Names::X86_64),
            },
            AUDIT_X86_64 if call.number == u32::MAX => value(self.profile.default_action),
            AUDIT_X86 if listed(Arch::X86) => self.decide(Names::X86, call.number, call),
            _ => 0,
        }
    }

    fn newest(&self, set: Names) -> Option<u32> {
        self.newest[set as usize]
    }

    fn newer(&self, set: Names) -> u32 {
        let default = self.profile.default_action;
        let passes = matches!(default, Action::Allow | Action::Log | Action::Trace(_));
        if passes || self.newest(set).is_none() { value(default) } else { value(Action::Errno(38)) }
    }

    fn decide(&self, set: Names, number: u32, call: &Call) -> u32 {
        if self.newest(set).is_none_or(|newest| number > newest) {
            return self.newer(set);
        }
        let default = self.profile.default_action;
        let name = set.name(number);
        let names_it = |rule: &Rule| rule.names.iter().any(|listed| Some(listed.as_str()) == name);
        let rules = || self.profile.rules.iter().filter(|rule| rule.action != default);
        if let Some(rule) = rules().find(|rule| names_it(rule) && rule.args.is_empty()) {
            return value(rule.action);
        }
        let narrow = set == Names::X86;
        rules()
            .find(|rule| {
                names_it(rule) && holds(&rule.args, narrow, call)
                    || narrow && holds_multiplexed(rule, default, name, call)
            })
            .map_or(value(default), |rule| value(rule.action))
    }
}

fn holds(args: &[Condition], narrow: bool, call: &Call) -> bool {
    let each = |condition: &Condition| compares(condition, narrow, call);
    let repeated = (0..6).any(|index| args.iter().filter(|arg| arg.index == index).count() > 1);
    if repeated { args.iter().any(each) } else { args.iter().all(each) }
}

fn compares(condition: &Condition, narrow: bool, call: &Call) -> bool {
    let argument = call.args[usize::from(condition.index)];
    let cut = |value: u64| if narrow { value & 0xffff_ffff } else { value };
    let argument = cut(argument);
    match condition.comparator {
        Comparator::Equal(value) => argument == cut(value),
        Comparator::NotEqual(value) => argument != cut(value),
        Comparator::Less(value) => argument < value,
        Comparator::LessOrEqual(value) => argument <= value,
        Comparator::Greater(value) => argument > value,
        Comparator::GreaterOrEqual(value) => argument >= value,
        Comparator::MaskedEqual { mask, value } => argument & cut(mask) == cut(value) & cut(mask),
    }
}

fn holds_multiplexed(rule: &Rule, default: Action, name: Option<&str>, call: &Call) -> bool {
    let asked = match name {
        Some("socketcall") => SOCKET_CALLS.get((call.args[0] as u32).wrapping_sub(1) as usize),
        Some("ipc") => IPC_CALLS
            .iter()
            .find(|(number, _)| *number == call.args[0] & 0xffff)
            .map(|(_, name)| name),
        _ => None,
    };
    let blind = !rule.args.is_empty();
    asked.is_some_and(|asked| rule.names.iter().any(|listed| listed == asked))
        && (!blind || rank(rule.action) > rank(default))
}

fn rank(action: Action) -> usize {
    let class = value(action) & 0xffff_0000;
    let order = [0x7fff, 0x7ffc, 0x7ff0, 0x7fc0, 0x5, 0x3, 0, 0x8000];
    order.iter().position(|&each| each << 16 == class).unwrap()
}

const SOCKET_CALLS: [&str; 20] = [
    "socket",
    "bind",
    "connect",
    "listen",
    "accept",
    "getsockname",
    "getpeername",
    "socketpair",
    "send",
    "recv",
    "sendto",
    "recvfrom",
    "shutdown",
    "setsockopt",
    "getsockopt",
    "sendmsg",
    "recvmsg",
    "accept4",
    "recvmmsg",
    "sendmmsg",
];

const IPC_CALLS: [(u64, &str); 12] = [
    (1, "semop"),
    (2, "semget"),
    (3, "semctl"),
    (4, "semtimedop"),
    (11, "msgsnd"),
    (12, "msgrcv"),
    (13, "msgget"),
    (14, "msgctl"),
    (21, "shmat"),
    (22, "shmdt"),
    (23, "shmget"),
    (24, "shmctl"),
];
