//! Docker's, podman's and containerd's profiles: right, short and few steps.

use super::super::emulate::{self, Call, is_always_allowed, mean_steps};
use super::profiles::{FIELD, parse};
use super::reference::{self, Reading};
use super::{AUDIT_X86, AUDIT_X86_64, program};
use crate::spec::Action;

/// Numbers that matter: all that exist, x32's, and the edges.
fn numbers() -> impl Iterator<Item = u32> {
    (0..600).chain(0x4000_0000..0x4000_0258).chain([
        0x3fff_ffff,
        0x7fff_ffff,
        0x8000_0000,
        0xc000_0001,
        u32::MAX - 1,
        u32::MAX,
    ])
}

#[test]
fn profiles_of_the_field_mean_what_the_reference_reads() {
    let args = [0, 1, 8, 9, 16, 40, 131_072, 131_080, 0x1000_0000, 0xffff_ffff, u64::MAX];
    for (name, json) in FIELD {
        let profile = parse(json);
        let reading = Reading::of(&profile);
        let program = program(&profile);
        for (arch, number) in [AUDIT_X86_64, AUDIT_X86, 0xc000_00b7]
            .into_iter()
            .flat_map(|arch| numbers().map(move |number| (arch, number)))
        {
            for first in args {
                let call = Call { arch, number, args: [first, 2, 9, first, 5, 6] };
                let answer = emulate::run(&program, &call).unwrap();
                assert_eq!(answer.verdict, reading.verdict(&call), "{name} {call:x?}");
            }
        }
    }
}

#[test]
fn calls_that_are_allowed_without_conditions_are_proved_to_be() {
    let allowed = reference::value(Action::Allow);
    for (name, json) in FIELD {
        let profile = parse(json);
        let reading = Reading::of(&profile);
        let program = program(&profile);
        let conditional = |call: &str| {
            profile
                .rules
                .iter()
                .any(|rule| !rule.args.is_empty() && rule.names.iter().any(|each| each == call))
        };
        for (arch, set) in
            [(AUDIT_X86_64, reference::Names::X86_64), (AUDIT_X86, reference::Names::X86)]
        {
            for number in 0..600 {
                let call = Call { arch, number, args: [0; 6] };
                let expected = reading.verdict(&call) == allowed
                    && set.name(number).is_some_and(|call| !conditional(call));
                assert_eq!(
                    is_always_allowed(&program, arch, number),
                    expected,
                    "{name} {arch:x} {number}"
                );
            }
        }
    }
}

#[test]
fn filters_of_the_field_stay_short_and_shallow() {
    for (name, json) in FIELD {
        let program = program(&parse(json));
        let x86_64 = mean_steps(&program, AUDIT_X86_64, 0..512).unwrap();
        let x86 = mean_steps(&program, AUDIT_X86, 0..512).unwrap();
        assert!(program.len() <= 200, "{name}: {} instructions", program.len());
        assert!(x86_64 <= 12.0 && x86 <= 12.0, "{name}: {x86_64} and {x86} steps");
    }
}
