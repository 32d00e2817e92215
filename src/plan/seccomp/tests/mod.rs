//! The compiler against a reading of profiles that shares no code with it, and against profiles of the field.

#![allow(clippy::unwrap_used)]

mod field;
mod profiles;
mod random;
mod reference;
mod semantics;

use super::emulate::{self, Call};
use super::machine::{Machine, X86_64};
use super::{Instruction, instructions};
use crate::spec::{Action, Arch, Condition, Profile, Rule};

pub(super) const AUDIT_X86_64: u32 = 0xc000_003e;
pub(super) const AUDIT_X86: u32 = 0x4000_0003;

pub(super) fn rule(names: &[&str], action: Action, args: &[Condition]) -> Rule {
    Rule { names: names.iter().map(|&name| name.to_owned()).collect(), action, args: args.to_vec() }
}

pub(super) fn profile(default_action: Action, architectures: &[Arch], rules: &[Rule]) -> Profile {
    Profile {
        default_action,
        architectures: architectures.to_vec(),
        flags: None,
        listener_path: None,
        listener_metadata: None,
        rules: rules.to_vec(),
    }
}

pub(super) fn program_on(machine: &Machine, profile: &Profile) -> Vec<Instruction> {
    instructions(profile, machine).unwrap()
}

pub(super) fn program(profile: &Profile) -> Vec<Instruction> {
    program_on(&X86_64, profile)
}

pub(super) fn answer(program: &[Instruction], arch: u32, number: u32, args: [u64; 6]) -> u32 {
    emulate::run(program, &Call { arch, number, args }).unwrap().verdict
}
