//! What a machine can execute: its architectures, and where their syscall numbers lie.
//!
//! It knows data, one row per architecture. It refuses to know rules. What a newcomer would get wrong: a kernel only
//! ever reports its own architecture or its 32-bit companion (`seccomp_data.arch`), so an architecture of the profile
//! that is neither needs no code at all, and x32 is not an architecture to the kernel but a bit in the number.

use super::table::{self, Table};
use crate::spec::Arch;

/// The bit that makes an `x86_64` number an x32 one (arch/x86/include/uapi/asm/unistd.h).
pub(super) const X32_BIT: u32 = 0x4000_0000;

/// Where x32's own numbers begin, and where those it shares with `x86_64` end.
pub(super) const X32_OWN: u32 = 512;

/// A kind of machine: what `seccomp_data.arch` can be on it.
pub(super) struct Machine {
    /// Names and numbers of all its architectures.
    pub table: &'static Table,
    /// Whether the upper half of an argument comes first in `seccomp_data`.
    pub big_endian: bool,
    /// The native architecture, then its 32-bit companion.
    pub abis: &'static [Abi],
    /// x32's own numbers, where there is x32.
    pub x32: Option<Block>,
}

/// One value of `seccomp_data.arch`.
pub(super) struct Abi {
    /// Its name in profiles.
    pub arch: Arch,
    /// Its name in the output of `explain`.
    pub name: &'static str,
    /// `AUDIT_ARCH_*` of linux/audit.h.
    pub audit: u32,
    /// How wide an argument is.
    pub width: Width,
    /// Where nearly all numbers are.
    pub block: Block,
    /// Numbers far above, ascending.
    pub apart: Option<Block>,
    /// `socketcall` is number 102 of the block, `ipc` 117, and both do the work of others.
    pub multiplexes: bool,
    /// A number too large for the instruction arrives as 0 (s390x), so 0 is a call that nobody knows.
    pub zero_is_unknown: bool,
}

/// How wide an argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    /// The upper half of `seccomp_data.args` says nothing.
    Bits32,
    Bits64,
}

/// A dense range of numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    /// The first.
    pub first: u32,
    /// The column of the table.
    pub column: usize,
}

const fn abi(arch: Arch, name: &'static str, audit: u32, width: Width, block: Block) -> Abi {
    Abi { arch, name, audit, width, block, apart: None, multiplexes: false, zero_is_unknown: false }
}

const fn native(first: u32) -> Block {
    Block { first, column: table::NATIVE }
}

const fn compat(first: u32) -> Block {
    Block { first, column: table::COMPAT }
}

const fn apart(first: u32) -> Block {
    Block { first, column: table::APART }
}

#[cfg(any(test, target_arch = "x86_64"))]
pub(super) static X86_64: Machine = Machine {
    table: &table::X86_64,
    big_endian: false,
    abis: &[
        abi(Arch::X86_64, "x86_64", 0xc000_003e, Width::Bits64, native(0)),
        Abi { multiplexes: true, ..abi(Arch::X86, "x86", 0x4000_0003, Width::Bits32, compat(0)) },
    ],
    x32: Some(apart(X32_BIT + X32_OWN)),
};

#[cfg(any(test, target_arch = "x86"))]
pub(super) static X86: Machine = Machine {
    table: &table::X86,
    big_endian: false,
    abis: &[Abi {
        multiplexes: true,
        ..abi(Arch::X86, "x86", 0x4000_0003, Width::Bits32, native(0))
    }],
    x32: None,
};

#[cfg(any(test, target_arch = "aarch64"))]
pub(super) static AARCH64: Machine = Machine {
    table: &table::AARCH64,
    big_endian: cfg!(target_endian = "big"),
    abis: &[
        abi(Arch::Aarch64, "aarch64", 0xc000_00b7, Width::Bits64, native(0)),
        Abi {
            apart: Some(apart(0xf_0000)),
            ..abi(Arch::Arm, "arm", 0x4000_0028, Width::Bits32, compat(0))
        },
    ],
    x32: None,
};

#[cfg(any(test, target_arch = "arm"))]
pub(super) static ARM: Machine = Machine {
    table: &table::ARM,
    big_endian: cfg!(target_endian = "big"),
    abis: &[Abi {
        apart: Some(apart(0xf_0000)),
        ..abi(Arch::Arm, "arm", 0x4000_0028, Width::Bits32, native(0))
    }],
    x32: None,
};

#[cfg(any(test, target_arch = "riscv64"))]
pub(super) static RISCV64: Machine = Machine {
    table: &table::RISCV64,
    big_endian: false,
    abis: &[abi(Arch::Riscv64, "riscv64", 0xc000_00f3, Width::Bits64, native(0))],
    x32: None,
};

#[cfg(any(test, target_arch = "loongarch64"))]
pub(super) static LOONGARCH64: Machine = Machine {
    table: &table::LOONGARCH64,
    big_endian: false,
    abis: &[abi(Arch::Loongarch64, "loongarch64", 0xc000_0102, Width::Bits64, native(0))],
    x32: None,
};

/// 31-bit s390 has no table: its calls meet the answer for a foreign architecture.
#[cfg(any(test, target_arch = "s390x"))]
pub(super) static S390X: Machine = Machine {
    table: &table::S390X,
    big_endian: true,
    abis: &[Abi {
        multiplexes: true,
        zero_is_unknown: true,
        ..abi(Arch::S390x, "s390x", 0x8000_0016, Width::Bits64, native(0))
    }],
    x32: None,
};

#[cfg(any(test, all(target_arch = "powerpc64", target_endian = "little")))]
pub(super) static POWERPC64LE: Machine = Machine {
    table: &table::POWERPC64,
    big_endian: false,
    abis: &[Abi {
        multiplexes: true,
        ..abi(Arch::Ppc64le, "ppc64le", 0xc000_0015, Width::Bits64, native(0))
    }],
    x32: None,
};

#[cfg(any(test, all(target_arch = "powerpc64", target_endian = "big")))]
pub(super) static POWERPC64: Machine = Machine {
    table: &table::POWERPC64,
    big_endian: true,
    abis: &[
        Abi {
            multiplexes: true,
            ..abi(Arch::Ppc64, "ppc64", 0x8000_0015, Width::Bits64, native(0))
        },
        Abi { multiplexes: true, ..abi(Arch::Ppc, "ppc", 0x0000_0014, Width::Bits32, compat(0)) },
    ],
    x32: None,
};

/// n32 has no table: its calls meet the answer for a foreign architecture.
#[cfg(any(test, target_arch = "mips64"))]
pub(super) static MIPS64: Machine = {
    const BIG_ENDIAN: bool = cfg!(target_endian = "big");
    const LITTLE: u32 = if BIG_ENDIAN { 0 } else { 0x4000_0000 };
    Machine {
        table: &table::MIPS64,
        big_endian: BIG_ENDIAN,
        abis: &[
            abi(
                if BIG_ENDIAN { Arch::Mips64 } else { Arch::Mipsel64 },
                "mips64",
                0x8000_0008 | LITTLE,
                Width::Bits64,
                native(5000),
            ),
            Abi {
                multiplexes: true,
                ..abi(
                    if BIG_ENDIAN { Arch::Mips } else { Arch::Mipsel },
                    "mips",
                    0x0000_0008 | LITTLE,
                    Width::Bits32,
                    compat(4000),
                )
            },
        ],
        x32: None,
    }
};

#[cfg(target_arch = "aarch64")]
pub(super) use self::AARCH64 as HERE;
#[cfg(target_arch = "arm")]
pub(super) use self::ARM as HERE;
#[cfg(target_arch = "loongarch64")]
pub(super) use self::LOONGARCH64 as HERE;
#[cfg(target_arch = "mips64")]
pub(super) use self::MIPS64 as HERE;
#[cfg(all(target_arch = "powerpc64", target_endian = "big"))]
pub(super) use self::POWERPC64 as HERE;
#[cfg(all(target_arch = "powerpc64", target_endian = "little"))]
pub(super) use self::POWERPC64LE as HERE;
#[cfg(target_arch = "riscv64")]
pub(super) use self::RISCV64 as HERE;
#[cfg(target_arch = "s390x")]
pub(super) use self::S390X as HERE;
#[cfg(target_arch = "x86")]
pub(super) use self::X86 as HERE;
#[cfg(target_arch = "x86_64")]
pub(super) use self::X86_64 as HERE;
