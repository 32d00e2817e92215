//! The kernel's side, for tests and measurements: what a filter answers, in how many steps, and what is proved of it.
//!
//! It knows the instructions that `compile` writes, and takes any other for a mistake. It refuses to know profiles.
//! What a newcomer would get wrong: at run time the kernel skips the filter for calls it has proved to be always
//! allowed, so the steps of such a call are paid when the filter is *loaded*, once for each number.

use rrun_sys::seccomp::Instruction;

use super::ALLOW;
use super::assemble::{
    AND, JUMP, JUMP_ANY_BIT, JUMP_AT_LEAST, JUMP_EQUAL, JUMP_GREATER, LOAD, RETURN,
};
use super::graph::{ARCH, ARGUMENTS, NUMBER};

/// `struct seccomp_data` of a little-endian machine, without the instruction pointer, which no profile can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// `AUDIT_ARCH_*`.
    pub arch: u32,
    /// The number, with x32's bit.
    pub number: u32,
    /// The registers.
    pub args: [u64; 6],
}

/// An answer, and what it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// `SECCOMP_RET_*` with its data.
    pub verdict: u32,
    /// Instructions executed.
    pub steps: usize,
}

/// What `program` answers to `call`. `None` when it is no valid filter.
#[must_use]
pub fn run(program: &[Instruction], call: &Call) -> Option<Answer> {
    walk(program, |offset| call.word(offset))
}

/// Whether the kernel can prove that `program` allows `number` whatever its arguments are: the twin of its
/// `seccomp_is_const_allow`.
#[must_use]
pub fn is_always_allowed(program: &[Instruction], arch: u32, number: u32) -> bool {
    let known = |offset| match offset {
        NUMBER => Some(number),
        ARCH => Some(arch),
        _ => None,
    };
    walk(program, known).is_some_and(|answer| answer.verdict == ALLOW)
}

/// The mean number of steps of those among `numbers` that `program` allows with all arguments 0. `None` when it allows
/// none.
#[must_use]
pub fn mean_steps(
    program: &[Instruction],
    arch: u32,
    numbers: impl IntoIterator<Item = u32>,
) -> Option<f64> {
    let (mut calls, mut steps) = (0_u32, 0);
    for number in numbers {
        let answer = run(program, &Call { arch, number, args: [0; 6] })?;
        if answer.verdict == ALLOW {
            calls += 1;
            steps += answer.steps;
        }
    }
    (calls > 0).then(|| steps as f64 / f64::from(calls))
}

impl Call {
    fn word(&self, offset: u32) -> Option<u32> {
        match offset {
            NUMBER => Some(self.number),
            ARCH => Some(self.arch),
            ARGUMENTS.. if offset.is_multiple_of(4) => {
                let half = (offset - ARGUMENTS) / 4;
                let value = self.args.get(half as usize / 2)?;
                Some((value >> (32 * (half % 2))) as u32)
            }
            _ => None,
        }
    }
}

/// Executes `program` on what `word` knows of the call.
fn walk(program: &[Instruction], word: impl Fn(u32) -> Option<u32>) -> Option<Answer> {
    let mut accumulator = 0;
    let mut at = 0;
    let mut steps = 0;
    loop {
        let instruction = program.get(at)?;
        at += 1;
        steps += 1;
        let Instruction { code, jt, jf, k } = *instruction;
        let holds = match code {
            LOAD => {
                accumulator = word(k)?;
                continue;
            }
            AND => {
                accumulator &= k;
                continue;
            }
            JUMP => {
                at += k as usize;
                continue;
            }
            RETURN => return Some(Answer { verdict: k, steps }),
            JUMP_EQUAL => accumulator == k,
            JUMP_GREATER => accumulator > k,
            JUMP_AT_LEAST => accumulator >= k,
            JUMP_ANY_BIT => accumulator & k != 0,
            _ => return None,
        };
        at += usize::from(if holds { jt } else { jf });
    }
}
