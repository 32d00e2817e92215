//! The kernel's side of seccomp, for filters of anyone: every instruction that it takes, and stacks of filters.
//!
//! ```text
//! run       one call, arguments and all            what it is answered, in how many steps
//! verdicts  one number, whatever the arguments     everything that it could be answered
//! ```
//!
//! rrun's own emulation knows what rrun compiles and takes the rest for a mistake; libseccomp writes other instructions.
//! What a newcomer would get wrong: of several filters all are run, and the *strictest* answer counts, by the action
//! read as a signed number.

use libc::sock_filter;
use std::collections::BTreeSet;

/// Actions of `SECCOMP_RET_*`.
const ACTION: u32 = 0xffff_0000;
const KILL_PROCESS: u32 = 0x8000_0000;
const KILL_THREAD: u32 = 0;
const ERRNO: u32 = 0x0005_0000;
const LOG: u32 = 0x7ffc_0000;
const ALLOW: u32 = 0x7fff_0000;

/// `struct seccomp_data` is 64 bytes: the number, the architecture, the instruction pointer, six arguments.
const DATA: u32 = 64;

/// What a process may do with a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Allowed, whatever the arguments are.
    Always,
    /// Allowed with some arguments.
    Sometimes,
    /// Fails with an errno.
    Errno,
    /// Ends the process or its thread.
    Kill,
    /// Something else: a signal, a tracer, a listener.
    Other,
}

impl Verdict {
    /// The letter of a grid.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::Always => 'A',
            Self::Sometimes => 'a',
            Self::Errno => 'e',
            Self::Kill => 'k',
            Self::Other => 'o',
        }
    }
}

/// A call: as much as is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Its number.
    pub number: u32,
    /// `AUDIT_ARCH_*`.
    pub arch: u32,
    /// Its arguments; `None` when they can be anything.
    pub arguments: Option<[u64; 6]>,
}

impl Call {
    /// A word of seccomp_data on a little-endian machine; `Some(None)` when it can be anything.
    fn word(&self, offset: u32) -> Option<Option<u32>> {
        match offset {
            0 => Some(Some(self.number)),
            4 => Some(Some(self.arch)),
            // The instruction pointer: anything, and 0 where arguments are given.
            8 | 12 => Some(self.arguments.map(|_| 0)),
            16.. if offset < DATA && offset.is_multiple_of(4) => {
                let half = (offset - 16) / 4;
                Some(self.arguments.map(|arguments| {
                    let value = arguments[(half / 2) as usize];
                    (value >> (32 * (half % 2)) & 0xffff_ffff) as u32
                }))
            }
            _ => None,
        }
    }
}

/// The state of the machine; a register that can be anything is `None`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    at: usize,
    a: Option<u32>,
    x: Option<u32>,
    memory: [Option<u32>; 16],
    steps: usize,
}

/// What comes after an instruction.
enum Next {
    On,
    Either(usize, usize),
    Return(u32),
}

/// What a stack of filters answers to a call whose arguments are known, and how many steps all of them take. `None` when
/// one is no valid filter.
#[must_use]
pub fn run(stack: &[Vec<sock_filter>], call: &Call) -> Option<(u32, usize)> {
    let (mut verdict, mut steps) = (ALLOW, 0);
    for filter in stack {
        let answers = answers(filter, call)?;
        let [(answer, took)] = answers.as_slice() else { return None };
        steps += took;
        if strictness(*answer) < strictness(verdict) {
            verdict = *answer;
        }
    }
    Some((verdict, steps))
}

/// Whether an answer lets a call through.
#[must_use]
pub const fn allows(answer: u32) -> bool {
    matches!(answer & ACTION, ALLOW | LOG)
}

/// What may be done with a number under a stack of filters.
#[must_use]
pub fn verdict(stack: &[Vec<sock_filter>], number: u32, arch: u32) -> Option<Verdict> {
    let call = Call { number, arch, arguments: None };
    let (mut always, mut sometimes, mut strictest) = (true, true, ALLOW);
    for filter in stack {
        let answers = answers(filter, &call)?;
        always &= answers.iter().all(|(answer, _)| allows(*answer));
        sometimes &= answers.iter().any(|(answer, _)| allows(*answer));
        let refusals = answers.iter().map(|(answer, _)| *answer).filter(|answer| !allows(*answer));
        let refusal = refusals.min_by_key(|answer| strictness(*answer)).unwrap_or(ALLOW);
        if strictness(refusal) < strictness(strictest) {
            strictest = refusal;
        }
    }
    Some(match strictest & ACTION {
        _ if always => Verdict::Always,
        _ if sometimes => Verdict::Sometimes,
        ERRNO => Verdict::Errno,
        KILL_PROCESS | KILL_THREAD => Verdict::Kill,
        _ => Verdict::Other,
    })
}

const fn strictness(answer: u32) -> i32 {
    (answer & ACTION).cast_signed()
}

/// All answers that can be reached, each with its steps. One, when everything is known.
fn answers(filter: &[sock_filter], call: &Call) -> Option<Vec<(u32, usize)>> {
    let begin = State { at: 0, a: Some(0), x: Some(0), memory: [Some(0); 16], steps: 0 };
    let (mut open, mut seen, mut found) = (vec![begin], BTreeSet::new(), Vec::new());
    while let Some(mut state) = open.pop() {
        // A filter only jumps forward, so states are as many as its paths that differ.
        let key = State { steps: 0, ..state.clone() };
        if !seen.insert(key) {
            continue;
        }
        let instruction = filter.get(state.at)?;
        state.at += 1;
        state.steps += 1;
        match step(instruction, &mut state, call)? {
            Next::On => open.push(state),
            Next::Return(answer) => found.push((answer, state.steps)),
            Next::Either(one, other) => {
                if one != other {
                    open.push(State { at: state.at + other, ..state.clone() });
                }
                open.push(State { at: state.at + one, ..state });
            }
        }
    }
    Some(found)
}

fn step(instruction: &sock_filter, state: &mut State, call: &Call) -> Option<Next> {
    let sock_filter { code, jt, jf, k } = *instruction;
    let (jt, jf) = (usize::from(jt), usize::from(jf));
    let operand = if code & 0x08 == 0 { Some(k) } else { state.x };
    let slot = || state.memory.get(k as usize).copied();
    match code {
        0x20 => state.a = call.word(k)?,
        0x80 => state.a = Some(DATA),
        0x81 => state.x = Some(DATA),
        0x00 => state.a = Some(k),
        0x01 => state.x = Some(k),
        0x60 => state.a = slot()?,
        0x61 => state.x = slot()?,
        0x02 => *state.memory.get_mut(k as usize)? = state.a,
        0x03 => *state.memory.get_mut(k as usize)? = state.x,
        0x07 => state.x = state.a,
        0x87 => state.a = state.x,
        0x84 => state.a = state.a.map(u32::wrapping_neg),
        0x04 | 0x0c | 0x14 | 0x1c | 0x24 | 0x2c | 0x34 | 0x3c | 0x44 | 0x4c | 0x54 | 0x5c
        | 0x64 | 0x6c | 0x74 | 0x7c | 0xa4 | 0xac => {
            // Division by a register that is zero ends a filter with 0.
            if code & 0xf0 == 0x30 && operand == Some(0) {
                return Some(Next::Return(KILL_THREAD));
            }
            state.a = state.a.zip(operand).map(|(a, operand)| compute(code, a, operand));
        }
        0x06 => return Some(Next::Return(k)),
        0x16 => return state.a.map(Next::Return),
        0x05 => state.at += k as usize,
        0x15 | 0x1d | 0x25 | 0x2d | 0x35 | 0x3d | 0x45 | 0x4d => {
            return Some(match state.a.zip(operand) {
                Some((a, operand)) if holds(code, a, operand) => Next::Either(jt, jt),
                Some(_) => Next::Either(jf, jf),
                None => Next::Either(jt, jf),
            });
        }
        _ => return None,
    }
    Some(Next::On)
}

fn compute(code: u16, a: u32, operand: u32) -> u32 {
    match code & 0xf0 {
        0x00 => a.wrapping_add(operand),
        0x10 => a.wrapping_sub(operand),
        0x20 => a.wrapping_mul(operand),
        0x30 => a / operand,
        0x40 => a | operand,
        0x50 => a & operand,
        0x60 => a.wrapping_shl(operand),
        0x70 => a.wrapping_shr(operand),
        _ => a ^ operand,
    }
}

fn holds(code: u16, a: u32, operand: u32) -> bool {
    match code & 0xf0 {
        0x10 => a == operand,
        0x20 => a > operand,
        0x30 => a >= operand,
        _ => a & operand != 0,
    }
}

#[cfg(test)]
#[path = "bpf_tests.rs"]
mod tests;
