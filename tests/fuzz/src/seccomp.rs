//! The seccomp compiler against its emulator and a slow reading of the profile that shares no line with it.
//!
//! What a newcomer would get wrong: the program is for this machine's architecture, and the reading knows `x86_64` only.

use crate::reading::{
    self,
    emulate::{self, Call},
};
use arbitrary::{Result, Unstructured};
use rrun::error::Kind;
use rrun::plan::seccomp::compile;
use rrun::spec::{Action, Arch, Comparator, Condition, Profile, Rule};

/// A profile and calls made of the values it mentions: the filter answers as the profile reads, and what the kernel
/// would take for proved is true.
pub fn check(data: &[u8]) {
    // Too little data makes zeros, not errors: every input is a profile.
    let mut data = Unstructured::new(data);
    let Ok(profile) = profile(&mut data) else { return };
    let program = match compile(&profile, true) {
        Ok(program) => program.instructions,
        Err(error) => {
            super::is_one_line(&error.to_string());
            let notifies = profile.default_action == Action::Notify;
            assert!(notifies || error.kind() == Kind::Unsupported, "{error}");
            return;
        }
    };
    assert!(program.len() <= 4096, "{} instructions", program.len());
    for _ in 0..24 {
        let Ok(call) = call(&mut data, &profile) else { return };
        let answer = emulate::run(&program, &call);
        let answer = answer.unwrap_or_else(|| panic!("no answer to {call:x?} by {profile:?}"));
        let expected = reading::tests::verdict(&profile, &call);
        assert_eq!(answer.verdict, expected, "{call:x?} by {profile:?}");
        if emulate::is_always_allowed(&program, call.arch, call.number) {
            assert_eq!(answer.verdict, 0x7fff_0000, "proved and wrong: {call:x?} by {profile:?}");
        }
    }
}

fn profile(data: &mut Unstructured<'_>) -> Result<Profile> {
    let default_action = action(data)?;
    let all = [Arch::X86_64, Arch::X86, Arch::X32, Arch::Aarch64];
    let which = data.int_in_range(0..=15_u8)?;
    let chosen = all.into_iter().enumerate().filter(|(bit, _)| which >> bit & 1 == 1);
    let architectures = chosen.map(|(_, arch)| arch).collect();
    let mut rules = Vec::new();
    for _ in 0..data.int_in_range(0..=20_u8)? {
        rules.push(rule(data)?);
    }
    let notifies = rules.iter().any(|rule| rule.action == Action::Notify);
    Ok(Profile {
        default_action,
        architectures,
        flags: None,
        listener_path: notifies.then(|| "/run/agent".into()),
        listener_metadata: None,
        rules,
    })
}

fn rule(data: &mut Unstructured<'_>) -> Result<Rule> {
    let mut names = Vec::new();
    for _ in 0..data.int_in_range(1..=6_u8)? {
        names.push(name(data)?);
    }
    let action = action(data)?;
    let mut args = Vec::new();
    for _ in 0..data.int_in_range(0..=4_u8)? {
        args.push(condition(data)?);
    }
    Ok(Rule { names, action, args })
}

/// Any name of either table, and now and then one that nobody knows.
fn name(data: &mut Unstructured<'_>) -> Result<String> {
    let number = usize::from(data.int_in_range(0..=479_u16)?);
    let of_32_bits: bool = data.arbitrary()?;
    let name = if of_32_bits {
        syscalls::x86::Sysno::new(number).map(|call| call.name())
    } else {
        syscalls::x86_64::Sysno::new(number).map(|call| call.name())
    };
    Ok(name.unwrap_or("no_such_call").to_owned())
}

fn action(data: &mut Unstructured<'_>) -> Result<Action> {
    Ok(match data.int_in_range(0..=9_u8)? {
        0..=2 => Action::Allow,
        3 => Action::Errno(data.int_in_range(0..=4095)?),
        4 => Action::KillProcess,
        5 => Action::KillThread,
        6 => Action::Trap,
        7 => Action::Trace(data.arbitrary()?),
        8 => Action::Log,
        _ => Action::Notify,
    })
}

fn condition(data: &mut Unstructured<'_>) -> Result<Condition> {
    let index = data.int_in_range(0..=5_u8)?;
    let value = value(data)?;
    let comparator = match data.int_in_range(0..=6_u8)? {
        0 => Comparator::NotEqual(value),
        1 => Comparator::Less(value),
        2 => Comparator::LessOrEqual(value),
        3 => Comparator::Equal(value),
        4 => Comparator::GreaterOrEqual(value),
        5 => Comparator::Greater(value),
        _ => Comparator::MaskedEqual { mask: self::value(data)?, value },
    };
    Ok(Condition { index, comparator })
}

/// Numbers near the edges of their halves, and any.
fn value(data: &mut Unstructured<'_>) -> Result<u64> {
    let edges = [0, 1, 0xffff_ffff, 0x1_0000_0000, u64::MAX, 0x8000_0000, 0x8000_0000_0000_0000];
    match data.int_in_range(0..=3_u8)? {
        0 => data.arbitrary(),
        1 => Ok(u64::from(data.arbitrary::<u8>()?)),
        _ => Ok(*data.choose(&edges)?),
    }
}

fn call(data: &mut Unstructured<'_>, profile: &Profile) -> Result<Call> {
    let arch = *data.choose(&[0xc000_003e, 0xc000_003e, 0x4000_0003, 0xc000_00b7])?;
    let number = match data.int_in_range(0..=7_u8)? {
        0 => data.arbitrary()?,
        1 => 0x4000_0000 + data.int_in_range(0..=600_u32)?,
        _ => data.int_in_range(0..=600_u32)?,
    };
    let mut args = [0; 6];
    for arg in &mut args {
        *arg = near(data, profile)?;
    }
    Ok(Call { arch, number, args })
}

/// A value that a rule mentions, one beside it, or any.
fn near(data: &mut Unstructured<'_>, profile: &Profile) -> Result<u64> {
    let mentioned: Vec<u64> = profile
        .rules
        .iter()
        .flat_map(|rule| &rule.args)
        .map(|condition| match condition.comparator {
            Comparator::NotEqual(value)
            | Comparator::Less(value)
            | Comparator::LessOrEqual(value)
            | Comparator::Equal(value)
            | Comparator::GreaterOrEqual(value)
            | Comparator::Greater(value)
            | Comparator::MaskedEqual { value, .. } => value,
        })
        .collect();
    if mentioned.is_empty() {
        return value(data);
    }
    let mentioned = *data.choose(&mentioned)?;
    Ok(match data.int_in_range(0..=4_u8)? {
        0 => value(data)?,
        1 => mentioned.wrapping_sub(1),
        2 => mentioned.wrapping_add(1),
        _ => mentioned,
    })
}
