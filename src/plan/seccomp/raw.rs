//! A ready-made filter: what the kernel's checker will say of it, said before anything is made, and of which instruction.
//!
//! It knows the rules of `seccomp(2)` for programs: the instructions, the reach of a jump, the ends, the scratch memory.
//! It refuses to judge what the filter allows; that is its writer's.
//! What a newcomer would get wrong: the kernel answers EINVAL, and not for which of four thousand instructions. And it
//! takes some that ordinary classic BPF has not (`seccomp_data` by `LD ABS` alone) and refuses others that it has (`MOD`).

use super::{LONGEST, NOTIFY, Program, flag_value};
use crate::error::{Error, Result};
use crate::spec::{FilterFlag, RawFilter};
use rrun_sys::seccomp::Instruction;

/// `sizeof(struct seccomp_data)`.
const DATA: u32 = 64;
/// `BPF_MEMWORDS`.
const CELLS: u32 = 16;
/// `SECCOMP_RET_ACTION_FULL`.
const ACTION: u32 = 0xffff_0000;

/// What an instruction does, as far as it can be wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    /// Reads `seccomp_data`.
    Data,
    Divide,
    Shift,
    /// Reads a cell of the scratch memory.
    Recall,
    Store,
    Jump,
    Branch,
    /// Ends with a constant.
    Return,
    /// Ends with what was computed.
    ReturnComputed,
}

fn kind(code: u16) -> Option<Kind> {
    Some(match code {
        // LD|W|ABS
        0x20 => Kind::Data,
        // LD|W|LEN, LDX|W|LEN, LD|IMM, LDX|IMM, TAX, TXA
        0x80 | 0x81 | 0x00 | 0x01 | 0x07 | 0x87 => Kind::Plain,
        // ADD, SUB, MUL, OR, AND, XOR, each by K and by X; NEG
        0x04 | 0x0c | 0x14 | 0x1c | 0x24 | 0x2c | 0x44 | 0x4c | 0x54 | 0x5c | 0xa4 | 0xac
        | 0x84 => Kind::Plain,
        // DIV by X, LSH by X, RSH by X: the kernel minds at run time
        0x3c | 0x6c | 0x7c => Kind::Plain,
        0x34 => Kind::Divide,
        0x64 | 0x74 => Kind::Shift,
        0x60 | 0x61 => Kind::Recall,
        0x02 | 0x03 => Kind::Store,
        0x05 => Kind::Jump,
        // JEQ, JGT, JGE, JSET
        0x15 | 0x1d | 0x25 | 0x2d | 0x35 | 0x3d | 0x45 | 0x4d => Kind::Branch,
        0x06 => Kind::Return,
        0x16 => Kind::ReturnComputed,
        _ => return None,
    })
}

/// The filter, ready to be installed.
///
/// # Errors
/// [`Kind::Spec`](crate::error::Kind::Spec) with the annotation and the instruction that the kernel would refuse.
pub fn adopt(filter: &RawFilter, no_new_privs: bool) -> Result<Program> {
    let instructions: Vec<_> = filter.instructions.iter().map(decoded).collect();
    check(&instructions).map_err(|fault| fault.told(filter.pointer))?;
    let privilege = if no_new_privs { "" } else { ", installed with CAP_SYS_ADMIN" };
    let description = format!("{} instructions, ready-made{privilege}", instructions.len());
    Ok(Program {
        // As for a profile that names no flags.
        flags: flag_value(FilterFlag::SpecAllow),
        notifies: false,
        instructions,
        description,
    })
}

fn decoded(bytes: &[u8; 8]) -> Instruction {
    let [c0, c1, jt, jf, k @ ..] = *bytes;
    Instruction { code: u16::from_ne_bytes([c0, c1]), jt, jf, k: u32::from_ne_bytes(k) }
}

struct Fault {
    /// Which instruction and what it is; `None`: the whole.
    at: Option<(usize, Instruction)>,
    problem: &'static str,
    hint: &'static str,
}

impl Fault {
    fn told(self, pointer: &'static str) -> Error {
        let Self { at, problem, hint } = self;
        let message = match at {
            Some((index, Instruction { code, jt, jf, k })) => {
                format!(
                    "instruction {index} (code {code:#04x}, jt {jt}, jf {jf}, k {k:#x}) {problem}"
                )
            }
            None => problem.to_owned(),
        };
        Error::spec(pointer, message).hint(hint)
    }
}

/// What is wrong, and what to do about it.
type Wrong = (&'static str, &'static str);

/// What is wrong with an instruction wherever it stands.
fn alone(kind: Kind, k: u32) -> Option<Wrong> {
    Some(match kind {
        Kind::Data if k >= DATA || !k.is_multiple_of(4) => {
            ("loads no word of seccomp_data", "load at a multiple of 4 below 64")
        }
        Kind::Divide if k == 0 => ("divides by zero", "divide by something"),
        Kind::Shift if k >= 32 => ("shifts by more than 31 bits", "shift by fewer"),
        Kind::Store | Kind::Recall if k >= CELLS => {
            ("has no such cell of memory", "use cells 0 to 15")
        }
        Kind::Return if k & ACTION == NOTIFY => (
            "notifies, and a ready-made filter has no listener",
            "write it as linux.seccomp with listenerPath",
        ),
        _ => return None,
    })
}

/// Of each instruction the cells that are written on every way to it, as far as the ways are known.
struct Cells {
    known: Vec<u16>,
    written: u16,
}

impl Cells {
    /// What is wrong with an instruction where it stands.
    fn walk(&mut self, index: usize, kind: Kind, one: &Instruction) -> Option<Wrong> {
        const BEYOND: Wrong = ("jumps beyond the end", "let it jump to an instruction");
        self.written &= self.known[index];
        match kind {
            Kind::Store => self.written |= 1 << one.k,
            Kind::Recall if self.written & 1 << one.k == 0 => {
                return Some((
                    "reads a cell that not every way to it has written",
                    "write it first",
                ));
            }
            Kind::Jump | Kind::Branch => {
                let reaches = match kind {
                    Kind::Jump => [one.k as usize; 2],
                    _ => [one.jt, one.jf].map(usize::from),
                };
                for reach in reaches {
                    let behind = self.known.get_mut(index + 1..);
                    let Some(target) = behind.and_then(|rest| rest.get_mut(reach)) else {
                        return Some(BEYOND);
                    };
                    *target &= self.written;
                }
                // Whoever falls in here comes by a jump, or never.
                self.written = u16::MAX;
            }
            _ => {}
        }
        let is_last = index + 1 == self.known.len();
        let returns = matches!(kind, Kind::Return | Kind::ReturnComputed);
        (is_last && !returns).then_some(("is the last and does not return", "end with a return"))
    }
}

/// The kernel's `bpf_check_classic` and `seccomp_check_filter`.
fn check(program: &[Instruction]) -> std::result::Result<(), Fault> {
    if program.len() > LONGEST {
        return Err(Fault {
            at: None,
            problem: "the filter has more than 4096 instructions, and the kernel takes no more",
            hint: "make it shorter",
        });
    }
    let mut cells = Cells { known: vec![u16::MAX; program.len()], written: 0 };
    for (index, one) in program.iter().enumerate() {
        let wrong = match kind(one.code) {
            Some(kind) => alone(kind, one.k).or_else(|| cells.walk(index, kind, one)),
            None => Some((
                "is none that seccomp(2) takes",
                "give struct sock_filter in this machine's order of bytes: code (2), jt, jf, k (4)",
            )),
        };
        if let Some((problem, hint)) = wrong {
            return Err(Fault { at: Some((index, *one)), problem, hint });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(code, jt, jf, k)` of each.
    fn raw(program: &[(u16, u8, u8, u32)]) -> RawFilter {
        let bytes = |&(code, jt, jf, k): &(u16, u8, u8, u32)| {
            let ([c0, c1], [k0, k1, k2, k3]) = (code.to_ne_bytes(), k.to_ne_bytes());
            [c0, c1, jt, jf, k0, k1, k2, k3]
        };
        RawFilter { pointer: "/annotations/x", instructions: program.iter().map(bytes).collect() }
    }

    const RETURN: (u16, u8, u8, u32) = (0x06, 0, 0, super::super::ALLOW);

    #[test]
    fn what_we_compile_ourselves_passes_as_ready_made() {
        let program = [(0x20, 0, 0, 0), (0x15, 0, 1, 95), (0x06, 0, 0, 0x0005_0001), RETURN];
        let adopted = adopt(&raw(&program), true).expect("a filter");
        let fields = adopted.instructions.iter().map(|one| (one.code, one.jt, one.jf, one.k));
        assert_eq!(fields.collect::<Vec<_>>(), program);
        assert_eq!((adopted.flags, adopted.notifies), (4, false));
        assert_eq!(adopted.description, "4 instructions, ready-made");
    }

    #[test]
    fn each_rule_of_the_kernels_is_broken_by_an_instruction_that_is_named() {
        let fill = |count: usize| vec![RETURN; count];
        for (program, says) in [
            (fill(4097), "more than 4096"),
            // MOD, LD ABS of a byte, LD IND, LD MSH and an unknown one: classic BPF, but not seccomp's.
            (vec![(0x94, 0, 0, 2), RETURN], "instruction 0 (code 0x94"),
            (vec![RETURN, (0x30, 0, 0, 0), RETURN], "instruction 1 (code 0x30"),
            (vec![(0x40, 0, 0, 0), RETURN], "none that seccomp(2) takes"),
            (vec![(0xb1, 0, 0, 0), RETURN], "none that seccomp(2) takes"),
            (vec![(0xffff, 0, 0, 0), RETURN], "none that seccomp(2) takes"),
            (vec![(0x20, 0, 0, 2), RETURN], "no word of seccomp_data"),
            (vec![(0x20, 0, 0, 64), RETURN], "no word of seccomp_data"),
            (vec![(0x34, 0, 0, 0), RETURN], "divides by zero"),
            (vec![(0x64, 0, 0, 32), RETURN], "more than 31 bits"),
            (vec![(0x74, 0, 0, 99), RETURN], "more than 31 bits"),
            (vec![(0x02, 0, 0, 16), RETURN], "no such cell"),
            (vec![(0x61, 0, 0, 16), RETURN], "no such cell"),
            (vec![(0x60, 0, 0, 3), RETURN], "not every way"),
            (vec![(0x05, 0, 0, 1), RETURN], "beyond the end"),
            (vec![(0x05, 0, 0, u32::MAX), RETURN], "beyond the end"),
            (vec![(0x15, 0, 1, 1), RETURN], "beyond the end"),
            (vec![(0x15, 255, 0, 1), RETURN], "beyond the end"),
            (vec![(0x20, 0, 0, 0)], "does not return"),
            (vec![RETURN, (0x15, 0, 0, 1)], "beyond the end"),
            (vec![(0x06, 0, 0, 0x7fc0_0001)], "no listener"),
        ] {
            let error = adopt(&raw(&program), true).expect_err(says);
            assert!(error.to_string().contains(says), "{says}: {error}");
            assert_eq!(error.pointer(), Some("/annotations/x"));
        }
        assert!(adopt(&raw(&fill(4096)), true).is_ok());
    }

    #[test]
    fn a_cell_counts_as_written_when_every_way_writes_it() {
        let (store, recall) = ((0x02, 0, 0, 3), (0x60, 0, 0, 3));
        let written = [store, (0x15, 0, 0, 1), recall, (0x16, 0, 0, 0)];
        assert!(adopt(&raw(&written), true).is_ok());
        // One of two ways goes round it.
        let around = [(0x15, 0, 1, 1), store, recall, RETURN];
        let error = adopt(&raw(&around), true).expect_err("not on every way");
        assert!(error.to_string().contains("instruction 2"), "{error}");
        let both = [(0x15, 0, 2, 1), store, (0x05, 0, 0, 1), (0x03, 0, 0, 3), recall, RETURN];
        assert!(adopt(&raw(&both), true).is_ok());
    }
}
