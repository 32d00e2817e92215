//! The device program against a direct reading of the rules.

use super::*;
use proptest::prelude::*;

/// An access as the kernel presents it.
#[derive(Debug, Clone, Copy)]
struct Access {
    kind: DeviceKind,
    major: u32,
    minor: u32,
    bits: i32,
}

/// The rules read as OCI words them, bit by bit: the last match wins, nothing matches: denied.
fn reading(rules: &[DeviceRule], access: Access) -> bool {
    [1, 2, 4].into_iter().filter(|bit| access.bits & bit != 0).all(|bit| {
        let one = Match {
            kind: Some(access.kind),
            major: Some(access.major),
            minor: Some(access.minor),
            bits: bit,
        };
        rules.iter().rev().find(|rule| Match::new(rule).covers(&one)).is_some_and(|rule| rule.allow)
    })
}

/// Runs the dozen operations we use, as the kernel would; `None` when it leaves the program or reads what it never set.
fn execute(program: &[Instruction], access: Access) -> Option<bool> {
    let context = [
        (access.bits.cast_unsigned() << 16) | kind_number(access.kind).cast_unsigned(),
        access.major,
        access.minor,
    ];
    let mut registers: [Option<u64>; 11] = [None; 11];
    let mut at = 0;
    loop {
        let now = *program.get(at)?;
        at += 1;
        let (to, from) = (usize::from(now.destination()), usize::from(now.source()));
        let immediate = i64::from(now.immediate).cast_unsigned();
        let word = |value: Option<u64>| value.map(|value| value as u32);
        let taken = match now.code {
            LOAD_WORD => {
                assert_eq!(now.source(), CONTEXT);
                registers[to] = Some(context[usize::try_from(now.offset).ok()? / 4].into());
                false
            }
            MOVE => {
                registers[to] = Some(registers[from]?);
                false
            }
            MOVE_IMMEDIATE => {
                registers[to] = Some(immediate);
                false
            }
            AND => {
                registers[to] = Some(registers[to]? & immediate);
                false
            }
            SHIFT_RIGHT => {
                registers[to] = Some(registers[to]? >> immediate);
                false
            }
            JUMP => true,
            JUMP_IF_EQUAL => word(registers[to])? == immediate as u32,
            JUMP_UNLESS_EQUAL => word(registers[to])? != immediate as u32,
            JUMP_IF_ANY_BIT => word(registers[to])? & immediate as u32 != 0,
            EXIT => return Some(registers[0]? == 1),
            other => panic!("unknown operation {other:#x}"),
        };
        if taken {
            at += usize::try_from(now.offset).ok()?;
        }
    }
}

fn allowed(rules: &[DeviceRule], access: Access) -> bool {
    match compile(rules).expect("compiles") {
        Some(program) => execute(&program.instructions, access).expect("a sound program"),
        None => true,
    }
}

fn deny_all() -> DeviceRule {
    use DeviceNumber::Any;
    DeviceRule { allow: false, kind: None, major: Any, minor: Any, access: ALL }
}

fn char_device(allow: bool, major: u32, minor: u32) -> DeviceRule {
    use DeviceNumber::Is;
    DeviceRule {
        allow,
        kind: Some(DeviceKind::Char),
        major: Is(major),
        minor: Is(minor),
        access: ALL,
    }
}

/// What Docker 20.10 writes for `docker run`.
fn docker() -> Vec<DeviceRule> {
    let mut rules = vec![deny_all()];
    rules.extend([5, 3, 9, 8].map(|minor| char_device(true, 1, minor)));
    rules.extend([0, 1].map(|minor| char_device(true, 5, minor)));
    rules.push(char_device(false, 10, 229));
    rules
}

#[test]
fn usual_lists_make_small_programs() {
    let size = |rules: &[DeviceRule]| {
        compile(rules).expect("compiles").map_or(0, |program| program.instructions.len())
    };
    assert_eq!(size(&[]), 24);
    assert_eq!(size(&[deny_all()]), 24);
    assert_eq!(size(&docker()), 24, "all of it is in the list that every container gets");
    let twice: Vec<_> = docker().into_iter().chain(docker()).collect();
    assert_eq!(size(&twice), 24);
}

#[test]
fn privileged_container_needs_no_program() {
    let allow_all = DeviceRule { allow: true, ..deny_all() };
    assert_eq!(compile(&[deny_all(), allow_all]).expect("compiles"), None);
}

#[test]
fn without_rules_only_the_usual_nodes_open() {
    let open = |major, minor| {
        let access = Access { kind: DeviceKind::Char, major, minor, bits: 6 };
        allowed(&[], access)
    };
    assert!(open(1, 3) && open(1, 9) && open(5, 2) && open(136, 77));
    assert!(!open(1, 1) && !open(10, 200) && !open(2, 3));
    for kind in [DeviceKind::Char, DeviceKind::Block] {
        assert!(allowed(&[], Access { kind, major: 8, minor: 0, bits: 1 }), "mknod");
        assert!(!allowed(&[], Access { kind, major: 8, minor: 0, bits: 3 }), "mknod and read");
    }
}

#[test]
fn last_matching_rule_wins_for_each_bit() {
    let read_only = DeviceRule {
        access: DeviceAccess { read: true, write: false, mknod: false },
        ..char_device(true, 10, 229)
    };
    let rules = [deny_all(), char_device(false, 10, 229), read_only];
    let fuse =
        |bits| allowed(&rules, Access { kind: DeviceKind::Char, major: 10, minor: 229, bits });
    assert!(fuse(2));
    assert!(!fuse(4));
    assert!(!fuse(6));
}

#[test]
fn absurdly_long_list_is_refused_and_not_miscompiled() {
    let rules: Vec<_> = (0..40_000).map(|minor| char_device(true, 10, minor)).collect();
    let list = Simplified {
        runs: vec![(Verdict::Allow, rules.iter().map(Match::new).collect())],
        otherwise: Verdict::Deny,
    };
    assert!(Assembler::program(&list).is_none());
}

fn number() -> impl Strategy<Value = DeviceNumber> {
    prop_oneof![
        Just(DeviceNumber::Any),
        prop::sample::select(vec![0, 1, 2, 3, 5, 136, u32::MAX]).prop_map(DeviceNumber::Is),
    ]
}

fn rule() -> impl Strategy<Value = DeviceRule> {
    let kind = prop::sample::select(vec![None, Some(DeviceKind::Char), Some(DeviceKind::Block)]);
    let bits = prop_oneof![Just(ALL_BITS), 1..=7];
    (any::<bool>(), kind, number(), number(), bits).prop_map(|(allow, kind, major, minor, bits)| {
        let access =
            DeviceAccess { read: bits & 2 != 0, write: bits & 4 != 0, mknod: bits & 1 != 0 };
        DeviceRule { allow, kind, major, minor, access }
    })
}

proptest! {
    #[test]
    fn program_agrees_with_the_rules_on_every_access(rules in prop::collection::vec(rule(), 0..8)) {
        let mut all = rules.clone();
        all.extend(always_allowed());
        let program = compile(&rules).expect("compiles");
        let mut numbers = vec![0, 1, 2, 3, 5, 136, u32::MAX];
        numbers.push(77);
        for kind in [DeviceKind::Char, DeviceKind::Block] {
            for (&major, &minor) in numbers.iter().flat_map(|a| numbers.iter().map(move |b| (a, b))) {
                for bits in 1..=7 {
                    let access = Access { kind, major, minor, bits };
                    let got = match &program {
                        Some(program) => execute(&program.instructions, access).expect("a sound program"),
                        None => true,
                    };
                    prop_assert_eq!(got, reading(&all, access), "{:?}", access);
                }
            }
        }
    }
}

#[test]
fn what_allows_everything_is_a_program_in_place_of_another_and_has_no_dead_end() {
    let all = DeviceRule {
        allow: true,
        kind: None,
        major: DeviceNumber::Any,
        minor: DeviceNumber::Any,
        access: ALL,
    };
    assert_eq!(compile(std::slice::from_ref(&all)).unwrap(), None);
    let program = compile_in_place(&[all]).unwrap();
    // Load, verdict, end: the verifier refuses an instruction that nothing reaches.
    assert_eq!(program.instructions.len(), 3);
    for kind in [DeviceKind::Char, DeviceKind::Block] {
        let access = Access { kind, major: 8, minor: 1, bits: ALL_BITS };
        assert_eq!(execute(&program.instructions, access), Some(true));
    }
}
