//! Each decision of the module documentation, by example.

use super::super::machine::{
    AARCH64, ARM, LOONGARCH64, MIPS64, POWERPC64, POWERPC64LE, RISCV64, S390X, X86, X86_64,
};
use super::super::{Program, compile, describe, supported};
use super::{AUDIT_X86, AUDIT_X86_64, answer, profile, program, program_on, rule};
use crate::error::Kind;
use crate::spec::{Action, Arch, Comparator, Condition, FilterFlag, Profile};

const ALLOW: u32 = 0x7fff_0000;
const EPERM: u32 = 0x0005_0001;
const ENOSYS: u32 = 0x0005_0026;
const KILL_THREAD: u32 = 0;

const DENY: Action = Action::Errno(1);

fn when(index: u8, comparator: Comparator) -> Condition {
    Condition { index, comparator }
}

fn first_argument(value: u64) -> [u64; 6] {
    [value, 0, 0, 0, 0, 0]
}

#[test]
fn an_unlisted_architecture_kills_the_thread() {
    let program = program(&profile(DENY, &[], &[rule(&["read"], Action::Allow, &[])]));
    assert_eq!(answer(&program, AUDIT_X86_64, 0, [0; 6]), ALLOW);
    assert_eq!(answer(&program, AUDIT_X86, 3, [0; 6]), KILL_THREAD);
    assert_eq!(answer(&program, AUDIT_X86_64, 0x4000_0000, [0; 6]), KILL_THREAD);
    assert_eq!(answer(&program, 0xc000_00b7, 63, [0; 6]), KILL_THREAD);
}

#[test]
fn minus_one_is_not_taken_for_x32() {
    let program = program(&profile(DENY, &[], &[rule(&["read"], Action::Allow, &[])]));
    assert_eq!(answer(&program, AUDIT_X86_64, u32::MAX, [0; 6]), EPERM);
}

#[test]
fn the_native_architecture_is_listed_even_when_it_is_not() {
    let rules = [rule(&["read"], Action::Allow, &[])];
    let program = program(&profile(DENY, &[Arch::X86, Arch::Sheb], &rules));
    assert_eq!(answer(&program, AUDIT_X86_64, 0, [0; 6]), ALLOW);
    assert_eq!(answer(&program, AUDIT_X86, 3, [0; 6]), ALLOW);
}

#[test]
fn foreign_architectures_need_no_code() {
    let rules = [rule(&["read", "set_tls"], Action::Allow, &[])];
    let alone = program(&profile(DENY, &[Arch::X86_64], &rules));
    let foreign = [Arch::X86_64, Arch::Aarch64, Arch::Parisc, Arch::M68k, Arch::S390x];
    assert_eq!(program(&profile(DENY, &foreign, &rules)), alone);
}

#[test]
fn numbers_newer_than_the_profile_get_enosys() {
    let rules = [rule(&["read", "openat2"], Action::Allow, &[])];
    let program = program(&profile(DENY, &[Arch::X86, Arch::X32], &rules));
    for (arch, bit) in [(AUDIT_X86_64, 0), (AUDIT_X86_64, 0x4000_0000), (AUDIT_X86, 0)] {
        assert_eq!(answer(&program, arch, bit + 436, [0; 6]), EPERM);
        assert_eq!(answer(&program, arch, bit + 437, [0; 6]), ALLOW);
        assert_eq!(answer(&program, arch, bit + 438, [0; 6]), ENOSYS);
        assert_eq!(answer(&program, arch, bit + 5000, [0; 6]), ENOSYS);
    }
}

#[test]
fn numbers_newer_than_a_permissive_profile_are_let_through() {
    let rules = [rule(&["read"], DENY, &[])];
    for (default, expected) in
        [(Action::Allow, ALLOW), (Action::Log, 0x7ffc_0000), (Action::Trace(3), 0x7ff0_0003)]
    {
        let program = program(&profile(default, &[], &rules));
        assert_eq!(answer(&program, AUDIT_X86_64, 0, [0; 6]), EPERM);
        assert_eq!(answer(&program, AUDIT_X86_64, 400, [0; 6]), expected);
    }
}

#[test]
fn a_rule_that_repeats_the_default_still_makes_its_names_known() {
    let rules = [rule(&["read"], Action::Allow, &[]), rule(&["bpf"], DENY, &[])];
    let program = program(&profile(DENY, &[], &rules));
    assert_eq!(answer(&program, AUDIT_X86_64, 320, [0; 6]), EPERM);
    assert_eq!(answer(&program, AUDIT_X86_64, 321, [0; 6]), EPERM);
    assert_eq!(answer(&program, AUDIT_X86_64, 322, [0; 6]), ENOSYS);
}

#[test]
fn a_rule_without_conditions_beats_one_with_conditions() {
    let zero = when(0, Comparator::Equal(0));
    let rules = [
        rule(&["read"], Action::Trap, &[zero]),
        rule(&["read"], Action::Allow, &[]),
        rule(&["read"], Action::KillProcess, &[]),
    ];
    let program = program(&profile(DENY, &[], &rules));
    assert_eq!(answer(&program, AUDIT_X86_64, 0, [0; 6]), ALLOW);
}

#[test]
fn the_first_conditional_rule_that_holds_decides() {
    let rules = [
        rule(&["read"], Action::Allow, &[when(0, Comparator::Less(10))]),
        rule(&["read"], Action::Trap, &[when(0, Comparator::Less(20))]),
    ];
    let program = program(&profile(DENY, &[], &rules));
    assert_eq!(answer(&program, AUDIT_X86_64, 0, first_argument(9)), ALLOW);
    assert_eq!(answer(&program, AUDIT_X86_64, 0, first_argument(19)), 0x0003_0000);
    assert_eq!(answer(&program, AUDIT_X86_64, 0, first_argument(20)), EPERM);
}

#[test]
fn conditions_of_one_rule_all_hold_unless_two_are_on_one_argument() {
    let (a, b) = (when(0, Comparator::Equal(1)), when(1, Comparator::Equal(2)));
    let both = program(&profile(DENY, &[], &[rule(&["read"], Action::Allow, &[a, b])]));
    assert_eq!(answer(&both, AUDIT_X86_64, 0, [1, 2, 0, 0, 0, 0]), ALLOW);
    assert_eq!(answer(&both, AUDIT_X86_64, 0, [1, 3, 0, 0, 0, 0]), EPERM);
    let c = when(0, Comparator::Equal(7));
    let any = program(&profile(DENY, &[], &[rule(&["read"], Action::Allow, &[a, b, c])]));
    for args in [[1, 0, 0, 0, 0, 0], [0, 2, 0, 0, 0, 0], [7, 0, 0, 0, 0, 0]] {
        assert_eq!(answer(&any, AUDIT_X86_64, 0, args), ALLOW);
    }
}

#[test]
fn socketcall_follows_socket() {
    let rules = [rule(&["socket", "recv", "shmat"], Action::Allow, &[])];
    let program = program(&profile(DENY, &[Arch::X86], &rules));
    assert_eq!(answer(&program, AUDIT_X86, 359, [0; 6]), ALLOW);
    assert_eq!(answer(&program, AUDIT_X86, 102, first_argument(1)), ALLOW);
    assert_eq!(answer(&program, AUDIT_X86, 102, first_argument(2)), EPERM);
    assert_eq!(answer(&program, AUDIT_X86, 102, first_argument(10)), ALLOW);
    assert_eq!(answer(&program, AUDIT_X86, 117, first_argument(0x1_0015)), ALLOW);
    assert_eq!(answer(&program, AUDIT_X86, 117, first_argument(22)), EPERM);
}

#[test]
fn socketcall_is_known_to_a_profile_that_names_what_it_does() {
    let program = program(&profile(DENY, &[Arch::X86], &[rule(&["recv"], Action::Allow, &[])]));
    assert_eq!(answer(&program, AUDIT_X86, 102, first_argument(10)), ALLOW);
    assert_eq!(answer(&program, AUDIT_X86, 102, first_argument(1)), EPERM);
    assert_eq!(answer(&program, AUDIT_X86, 3, [0; 6]), EPERM);
    assert_eq!(answer(&program, AUDIT_X86, 103, [0; 6]), ENOSYS);
}

#[test]
fn conditions_that_socketcall_hides_are_taken_for_the_worse() {
    let af_vsock = rule(&["socket"], DENY, &[when(0, Comparator::Equal(40))]);
    let denied = program(&profile(Action::Allow, &[Arch::X86], &[af_vsock]));
    assert_eq!(answer(&denied, AUDIT_X86, 359, first_argument(1)), ALLOW);
    assert_eq!(answer(&denied, AUDIT_X86, 102, first_argument(1)), EPERM);
    let af_unix = rule(&["socket"], Action::Allow, &[when(0, Comparator::Equal(1))]);
    let allowed = program(&profile(DENY, &[Arch::X86], &[af_unix]));
    assert_eq!(answer(&allowed, AUDIT_X86, 359, first_argument(1)), ALLOW);
    assert_eq!(answer(&allowed, AUDIT_X86, 102, first_argument(1)), EPERM);
}

#[test]
fn other_machines_have_their_own_numbers() {
    let rules = [rule(&["read", "set_tls", "setns"], Action::Allow, &[])];
    let read_by_machine = [
        (&AARCH64, 0xc000_00b7, 63),
        (&AARCH64, 0x4000_0028, 3),
        (&AARCH64, 0x4000_0028, 0xf_0005),
        (&ARM, 0x4000_0028, 3),
        (&X86, AUDIT_X86, 3),
        (&RISCV64, 0xc000_00f3, 63),
        (&LOONGARCH64, 0xc000_0102, 63),
        (&S390X, 0x8000_0016, 3),
        (&POWERPC64LE, 0xc000_0015, 3),
        (&POWERPC64, 0x8000_0015, 3),
        (&POWERPC64, 0x0000_0014, 3),
        (&MIPS64, 0xc000_0008, 5000),
        (&MIPS64, 0x4000_0008, 4003),
    ];
    let archs = [Arch::Arm, Arch::Ppc, Arch::Mipsel, Arch::Mips];
    for (machine, arch, number) in read_by_machine {
        let program = program_on(machine, &profile(DENY, &archs, &rules));
        assert_eq!(answer(&program, arch, number, [0; 6]), ALLOW, "{arch:x} {number}");
        assert_eq!(answer(&program, arch, number + 1, [0; 6]), unnamed(number), "{arch:x}");
        assert_eq!(answer(&program, AUDIT_X86_64, 0, [0; 6]), KILL_THREAD);
    }
}

/// What meets the number after `number`: after ARM's private calls nothing is known.
fn unnamed(number: u32) -> u32 {
    if number > 0xf_0000 { ENOSYS } else { EPERM }
}

#[test]
fn s390x_has_no_call_0() {
    let program = program_on(&S390X, &profile(DENY, &[], &[rule(&["exit"], Action::Allow, &[])]));
    assert_eq!(answer(&program, 0x8000_0016, 0, [0; 6]), ENOSYS);
    assert_eq!(answer(&program, 0x8000_0016, 1, [0; 6]), ALLOW);
}

fn flags_of(flags: Option<&[FilterFlag]>, notifies: bool) -> crate::error::Result<Program> {
    let action = if notifies { Action::Notify } else { Action::Trap };
    let profile = Profile {
        flags: flags.map(<[FilterFlag]>::to_vec),
        listener_path: notifies.then(|| "/agent".to_owned()),
        ..profile(Action::Allow, &[], &[rule(&["mount"], action, &[])])
    };
    compile(&profile, true)
}

#[test]
fn speculation_is_left_alone_unless_flags_are_given() {
    assert_eq!(flags_of(None, false).unwrap().flags, 4);
    assert_eq!(flags_of(Some(&[]), false).unwrap().flags, 0);
    assert_eq!(flags_of(Some(&[FilterFlag::Log, FilterFlag::Tsync]), false).unwrap().flags, 3);
}

#[test]
fn a_rule_that_notifies_asks_for_a_listener() {
    let program = flags_of(Some(&[FilterFlag::WaitKillableRecv]), true).unwrap();
    assert_eq!((program.flags, program.notifies), (8 + 32, true));
    assert_eq!(flags_of(Some(&[FilterFlag::Tsync]), true).unwrap().flags, 1 + 8 + 16);
    assert!(!flags_of(None, false).unwrap().notifies);
}

#[test]
fn a_listener_and_a_rule_that_notifies_need_each_other() {
    let notify = profile(Action::Allow, &[], &[rule(&["mount"], Action::Notify, &[])]);
    let error = compile(&notify, true).unwrap_err();
    assert_eq!(error.pointer(), Some("/linux/seccomp/listenerPath"));
    let listener = Profile { listener_path: Some("/a".into()), ..profile(DENY, &[], &[]) };
    let error = compile(&listener, true).unwrap_err();
    assert_eq!(error.pointer(), Some("/linux/seccomp/listenerPath"));
    let error = compile(&profile(Action::Notify, &[], &[]), true).unwrap_err();
    assert_eq!(error.pointer(), Some("/linux/seccomp/defaultAction"));
    let error = flags_of(Some(&[FilterFlag::WaitKillableRecv]), false).unwrap_err();
    assert_eq!(error.pointer(), Some("/linux/seccomp/flags"));
}

#[test]
fn a_program_that_the_kernel_would_refuse_is_refused_by_name() {
    let rules: Vec<_> = (0..3000)
        .map(|value| rule(&["read"], Action::Allow, &[when(0, Comparator::Greater(value << 32))]))
        .collect();
    let error = compile(&profile(DENY, &[], &rules), true).unwrap_err();
    assert_eq!(
        (error.kind(), error.pointer()),
        (Kind::Unsupported, Some("/linux/seccomp/syscalls"))
    );
}

#[test]
fn a_long_program_still_reaches_its_verdicts() {
    let rules: Vec<_> = (0..600)
        .flat_map(|value| {
            let condition = when(0, Comparator::Equal(value << 32 | value));
            [
                rule(&["read", "write"], Action::Errno(value as u16), &[condition]),
                rule(&["mmap"], Action::Allow, &[when(1, Comparator::Equal(value * 3))]),
            ]
        })
        .collect();
    let program = program(&profile(Action::Trap, &[], &rules));
    assert!(program.len() > 1000, "{}", program.len());
    for value in 0..600 {
        let args = [value << 32 | value, value * 3, 0, 0, 0, 0];
        assert_eq!(answer(&program, AUDIT_X86_64, 0, args), 0x0005_0000 + value as u32);
        assert_eq!(answer(&program, AUDIT_X86_64, 1, args), 0x0005_0000 + value as u32);
        assert_eq!(answer(&program, AUDIT_X86_64, 9, args), ALLOW);
    }
    assert_eq!(answer(&program, AUDIT_X86_64, 0, first_argument(5)), 0x0003_0000);
}

#[test]
fn a_description_says_what_was_made() {
    let profile = profile(DENY, &[Arch::X86, Arch::X32], &[rule(&["read"], Action::Allow, &[])]);
    assert_eq!(
        describe(&profile, &X86_64, 7, false),
        "7 instructions for x86_64 x86 x32, default errno EPERM, installed with CAP_SYS_ADMIN"
    );
}

#[test]
fn all_that_a_profile_may_say_is_listed() {
    let supported = supported();
    assert_eq!((supported.actions.len(), supported.operators.len()), (9, 7));
    assert_eq!(supported.archs.len(), 23);
    assert!(supported.supported_flags.iter().all(|flag| supported.known_flags.contains(flag)));
}
