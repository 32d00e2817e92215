//! Syscall names and their numbers, as hash tables that the compiler builds.
//!
//! It knows every name of the architectures that one machine can execute, side by side, so that a name is hashed and
//! compared once for all of them. It refuses to know rules. What a newcomer would get wrong: a number here counts from
//! the first number of its block ([`super::machine::Block`]), so MIPS's 4001 is 1.

/// The native architecture's numbers.
pub(super) const NATIVE: usize = 0;
/// Those of the 32-bit architecture that the machine also executes.
pub(super) const COMPAT: usize = 1;
/// Numbers far from the others: x32's own, ARM's private ones.
pub(super) const APART: usize = 2;
/// The call's number behind `socketcall`, or [`IPC`] plus its number behind `ipc`.
pub(super) const MULTIPLEXED: usize = 3;

/// What tells the calls behind `ipc` from those behind `socketcall`.
pub(super) const IPC: u16 = 0x100;

/// A name, and its number in each column.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    name: &'static str,
    numbers: [u16; 4],
}

impl Entry {
    const ABSENT: u16 = u16::MAX;
    const EMPTY: Self = Self { name: "", numbers: [Self::ABSENT; 4] };

    /// The number in `column`, if the name has one there.
    pub(super) fn number(&self, column: usize) -> Option<u16> {
        self.numbers.get(column).copied().filter(|&number| number != Self::ABSENT)
    }
}

/// A power of two, about twice the names of the largest pair of architectures.
const SLOTS: usize = 1024;

/// An open-addressed hash table of names.
pub(super) struct Table([Entry; SLOTS]);

impl Table {
    /// The entry of `name`; `None` when no architecture of the machine knows it.
    pub(super) fn find(&self, name: &str) -> Option<&Entry> {
        let mut slot = hash(name.as_bytes());
        loop {
            let entry = &self.0[slot % SLOTS];
            if entry.name == name {
                return Some(entry);
            }
            if entry.name.is_empty() {
                return None;
            }
            slot += 1;
        }
    }

    const fn insert(&mut self, name: &'static str, column: usize, number: u16) {
        let mut slot = hash(name.as_bytes());
        loop {
            let entry = &mut self.0[slot % SLOTS];
            if entry.name.is_empty() || same(entry.name, name) {
                entry.name = name;
                entry.numbers[column] = number;
                return;
            }
            slot += 1;
        }
    }

    const fn insert_all(&mut self, column: usize, names: &[(&'static str, u16)]) {
        let mut index = 0;
        while index < names.len() {
            let (name, number) = names[index];
            self.insert(name, column, number);
            index += 1;
        }
    }
}

/// FNV-1a, folded. Collisions cost a step, nothing else: the names that are looked up come from one file.
const fn hash(name: &[u8]) -> usize {
    let mut hash: u32 = 0x811c_9dc5;
    let mut index = 0;
    while index < name.len() {
        hash = (hash ^ name[index] as u32).wrapping_mul(0x0100_0193);
        index += 1;
    }
    (hash ^ (hash >> 15)) as usize
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut index = 0;
    while index < a.len() {
        if a[index] != b[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// A table of one machine: `column: architecture from its first number`, then lists.
macro_rules! table {
    ($($column:ident: $arch:ident from $first:literal,)* $(; $listed:ident: $list:ident)*) => {{
        let mut table = Table([Entry::EMPTY; SLOTS]);
        $(
            let mut number: usize = $first;
            while number <= syscalls::$arch::Sysno::last().id() as usize {
                if let Some(call) = syscalls::$arch::Sysno::new(number) {
                    table.insert(call.name(), $column, (number - $first) as u16);
                }
                number += 1;
            }
        )*
        $(table.insert_all($listed, $list);)*
        table
    }};
}

#[cfg(any(test, target_arch = "x86_64"))]
pub(super) static X86_64: Table = table!(
    NATIVE: x86_64 from 0,
    COMPAT: x86 from 0,
    ; APART: X32_NAMES; MULTIPLEXED: MULTIPLEXED_NAMES
);

#[cfg(any(test, target_arch = "x86"))]
pub(super) static X86: Table = table!(NATIVE: x86 from 0, ; MULTIPLEXED: MULTIPLEXED_NAMES);

#[cfg(any(test, target_arch = "aarch64"))]
pub(super) static AARCH64: Table = table!(
    NATIVE: aarch64 from 0,
    COMPAT: arm from 0,
    ; APART: ARM_PRIVATE_NAMES
);

#[cfg(any(test, target_arch = "arm"))]
pub(super) static ARM: Table = table!(NATIVE: arm from 0, ; APART: ARM_PRIVATE_NAMES);

#[cfg(any(test, target_arch = "riscv64"))]
pub(super) static RISCV64: Table = table!(NATIVE: riscv64 from 0,);

#[cfg(any(test, target_arch = "loongarch64"))]
pub(super) static LOONGARCH64: Table = table!(NATIVE: loongarch64 from 0,);

#[cfg(any(test, target_arch = "s390x"))]
pub(super) static S390X: Table = table!(NATIVE: s390x from 0, ; MULTIPLEXED: MULTIPLEXED_NAMES);

#[cfg(any(test, target_arch = "powerpc64"))]
pub(super) static POWERPC64: Table = table!(
    NATIVE: powerpc64 from 0,
    COMPAT: powerpc from 0,
    ; MULTIPLEXED: MULTIPLEXED_NAMES
);

#[cfg(any(test, target_arch = "mips64"))]
pub(super) static MIPS64: Table = table!(
    NATIVE: mips64 from 5000,
    COMPAT: mips from 4000,
    ; MULTIPLEXED: MULTIPLEXED_NAMES
);

// x32 shares what lies below 512 (see `compile`).
#[cfg(any(test, target_arch = "x86_64"))]
const _: () = assert!(syscalls::x86_64::Sysno::last().id() < 512);

/// x32's own calls, from 512 (arch/x86/entry/syscalls/syscall_64.tbl).
#[cfg(any(test, target_arch = "x86_64"))]
pub(super) const X32_NAMES: &[(&str, u16)] = &[
    ("rt_sigaction", 0),
    ("rt_sigreturn", 1),
    ("ioctl", 2),
    ("readv", 3),
    ("writev", 4),
    ("recvfrom", 5),
    ("sendmsg", 6),
    ("recvmsg", 7),
    ("execve", 8),
    ("ptrace", 9),
    ("rt_sigpending", 10),
    ("rt_sigtimedwait", 11),
    ("rt_sigqueueinfo", 12),
    ("sigaltstack", 13),
    ("timer_create", 14),
    ("mq_notify", 15),
    ("kexec_load", 16),
    ("waitid", 17),
    ("set_robust_list", 18),
    ("get_robust_list", 19),
    ("vmsplice", 20),
    ("move_pages", 21),
    ("preadv", 22),
    ("pwritev", 23),
    ("rt_tgsigqueueinfo", 24),
    ("recvmmsg", 25),
    ("sendmmsg", 26),
    ("process_vm_readv", 27),
    ("process_vm_writev", 28),
    ("setsockopt", 29),
    ("getsockopt", 30),
    ("io_setup", 31),
    ("io_submit", 32),
    ("execveat", 33),
    ("preadv2", 34),
    ("pwritev2", 35),
];

/// ARM's private calls, from 0xf0000 (arch/arm/include/uapi/asm/unistd.h).
#[cfg(any(test, target_arch = "aarch64", target_arch = "arm"))]
pub(super) const ARM_PRIVATE_NAMES: &[(&str, u16)] =
    &[("breakpoint", 1), ("cacheflush", 2), ("usr26", 3), ("usr32", 4), ("set_tls", 5)];

/// linux/net.h's SYS_* and linux/ipc.h's numbers.
#[cfg(any(
    test,
    target_arch = "x86_64",
    target_arch = "x86",
    target_arch = "s390x",
    target_arch = "powerpc64",
    target_arch = "mips64"
))]
pub(super) const MULTIPLEXED_NAMES: &[(&str, u16)] = &[
    ("socket", 1),
    ("bind", 2),
    ("connect", 3),
    ("listen", 4),
    ("accept", 5),
    ("getsockname", 6),
    ("getpeername", 7),
    ("socketpair", 8),
    ("send", 9),
    ("recv", 10),
    ("sendto", 11),
    ("recvfrom", 12),
    ("shutdown", 13),
    ("setsockopt", 14),
    ("getsockopt", 15),
    ("sendmsg", 16),
    ("recvmsg", 17),
    ("accept4", 18),
    ("recvmmsg", 19),
    ("sendmmsg", 20),
    ("semop", IPC + 1),
    ("semget", IPC + 2),
    ("semctl", IPC + 3),
    ("semtimedop", IPC + 4),
    ("msgsnd", IPC + 11),
    ("msgrcv", IPC + 12),
    ("msgget", IPC + 13),
    ("msgctl", IPC + 14),
    ("shmat", IPC + 21),
    ("shmdt", IPC + 22),
    ("shmget", IPC + 23),
    ("shmctl", IPC + 24),
];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_its_number_on_each_architecture() {
        let read = X86_64.find("read").unwrap();
        assert_eq!((read.number(NATIVE), read.number(COMPAT)), (Some(0), Some(3)));
        let socket = X86_64.find("socket").unwrap();
        assert_eq!(socket.numbers, [41, 359, Entry::ABSENT, 1]);
        assert_eq!(X86_64.find("ioctl").unwrap().number(APART), Some(2));
        assert_eq!(X86_64.find("recv").unwrap().numbers[..3], [Entry::ABSENT; 3]);
        assert_eq!(MIPS64.find("read").unwrap().numbers[..2], [0, 3]);
        assert_eq!(AARCH64.find("set_tls").unwrap().number(APART), Some(5));
    }

    #[test]
    fn an_unknown_name_is_not_found() {
        assert!(X86_64.find("riscv_hwprobe").is_none());
        assert!(X86_64.find("no_such_call").is_none());
    }

    #[test]
    fn every_name_of_the_syscalls_crate_is_found() {
        let mut calls = 0;
        for number in 0..600 {
            if let Some(call) = syscalls::x86_64::Sysno::new(number) {
                let entry = X86_64.find(call.name()).unwrap();
                assert_eq!(entry.number(NATIVE).map(usize::from), Some(number));
                calls += 1;
            }
        }
        assert_eq!(calls, syscalls::x86_64::Sysno::count());
    }
}
