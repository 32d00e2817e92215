//! Random profiles, and calls made of the values they mention.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, SeccompRule, TargetArch};

use super::super::Instruction;
use super::super::emulate::{self, Call, is_always_allowed};
use super::reference::{Names, Reading};
use super::{AUDIT_X86, AUDIT_X86_64, answer, profile, program};
use crate::spec::{Action, Arch, Comparator, Condition, Profile, Rule};

/// Calls with something to them: multiplexed ones, both ends of the tables, neighbours, x32's own, nobody's.
const NAMES: [&str; 30] = [
    "read",
    "write",
    "open",
    "close",
    "stat",
    "mmap",
    "ioctl",
    "socket",
    "accept",
    "accept4",
    "send",
    "recv",
    "socketcall",
    "ipc",
    "shmat",
    "msgget",
    "semop",
    "restart_syscall",
    "clone",
    "clone3",
    "personality",
    "execve",
    "execveat",
    "pwritev2",
    "openat2",
    "io_pgetevents",
    "rseq",
    "file_setattr",
    "ptrace",
    "no_such_call",
];

const VALUES: [u64; 11] = [
    0,
    1,
    2,
    21,
    40,
    0x0001_0015,
    0xffff_fffe,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0028,
    u64::MAX,
];

fn action() -> impl Strategy<Value = Action> {
    select(vec![
        Action::Allow,
        Action::Allow,
        Action::Errno(1),
        Action::Errno(38),
        Action::KillProcess,
        Action::KillThread,
        Action::Trap,
        Action::Trace(7),
        Action::Log,
        Action::Notify,
    ])
}

fn condition() -> impl Strategy<Value = Condition> {
    let comparator = (0..7, select(&VALUES[..]), select(&VALUES[..])).prop_map(
        |(which, value, mask)| match which {
            0 => Comparator::NotEqual(value),
            1 => Comparator::Less(value),
            2 => Comparator::LessOrEqual(value),
            3 => Comparator::Equal(value),
            4 => Comparator::GreaterOrEqual(value),
            5 => Comparator::Greater(value),
            _ => Comparator::MaskedEqual { mask, value },
        },
    );
    (0..3_u8, comparator).prop_map(|(index, comparator)| Condition { index, comparator })
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let args = prop_oneof![3 => Just(Vec::new()), 4 => vec(condition(), 1..4)];
    let names = vec(select(&NAMES[..]).prop_map(str::to_owned), 1..8);
    vec(
        (names, action(), args).prop_map(|(names, action, args)| Rule { names, action, args }),
        0..14,
    )
}

fn profiles() -> impl Strategy<Value = Profile> {
    let archs = subsequence(vec![Arch::X86_64, Arch::X86, Arch::X32, Arch::Aarch64], 0..=4);
    (action(), archs, rules()).prop_map(|(default, archs, rules)| profile(default, &archs, &rules))
}

fn calls() -> impl Strategy<Value = Call> {
    let number = prop_oneof![
        8 => select(&NAMES[..]).prop_flat_map(|name| select(numbers_of(name))),
        1 => 0..600_u32,
        1 => 0x4000_0000..0x4000_0258_u32,
        1 => any::<u32>(),
    ];
    let arch = select(vec![AUDIT_X86_64, AUDIT_X86_64, AUDIT_X86, AUDIT_X86, 0xc000_00b7]);
    let args = proptest::array::uniform6(select(&VALUES[..]));
    (arch, number, args).prop_map(|(arch, number, args)| Call { arch, number, args })
}

/// Wherever `name` lies on any of the three.
fn numbers_of(name: &str) -> Vec<u32> {
    let sets = [Names::X86_64, Names::X86];
    let mut numbers: Vec<u32> = (0..600)
        .filter(|&number| sets.iter().any(|set| set.name(number) == Some(name)))
        .flat_map(|number| [number, number | 0x4000_0000])
        .collect();
    numbers.extend(
        (512..600)
            .filter(|&number| Names::X32Own.name(number) == Some(name))
            .map(|number| number | 0x4000_0000),
    );
    numbers.push(470);
    numbers
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn every_verdict_is_the_references(profile in profiles(), calls in vec(calls(), 60)) {
        let reading = Reading::of(&profile);
        let program = program(&profile);
        for call in calls {
            let answer = emulate::run(&program, &call).unwrap();
            prop_assert_eq!(answer.verdict, reading.verdict(&call), "{:x?}", call);
        }
    }

    #[test]
    fn what_is_proved_to_be_allowed_is(profile in profiles(), calls in vec(calls(), 60)) {
        let reading = Reading::of(&profile);
        let program = program(&profile);
        for call in calls {
            if is_always_allowed(&program, call.arch, call.number) {
                prop_assert_eq!(reading.verdict(&call), 0x7fff_0000, "{:x?}", call);
            }
        }
    }

    #[test]
    fn seccompiler_agrees_where_it_can_say_the_same(
        rules in vec((select(&NAMES[..]), vec(condition(), 0..3)), 1..12),
        calls in vec(calls(), 60),
    ) {
        let rules: Vec<Rule> = rules
            .into_iter()
            .map(|(name, args)| super::rule(&[name], Action::Errno(1), &one_per_index(args)))
            .collect();
        let theirs = second_opinion(&rules);
        let ours = program(&profile(Action::Allow, &[], &rules));
        for call in calls.iter().filter(|call| {
            call.arch == AUDIT_X86_64 && call.number < 0x4000_0000
        }) {
            prop_assert_eq!(
                answer(&ours, call.arch, call.number, call.args),
                answer(&theirs, call.arch, call.number, call.args),
                "{:x?}", call
            );
        }
    }
}

/// Two conditions on one argument mean something else to it.
fn one_per_index(args: Vec<Condition>) -> Vec<Condition> {
    let by_index: BTreeMap<u8, Condition> =
        args.into_iter().map(|condition| (condition.index, condition)).collect();
    by_index.into_values().collect()
}

fn second_opinion(rules: &[Rule]) -> Vec<Instruction> {
    let mut by_number: BTreeMap<i64, Vec<&Rule>> = BTreeMap::new();
    for rule in rules {
        if let Ok(call) = rule.names[0].parse::<syscalls::x86_64::Sysno>() {
            by_number.entry(i64::from(call.id())).or_default().push(rule);
        }
    }
    // No rule means "always" to it, so one without conditions stands alone.
    let chains = by_number
        .into_iter()
        .map(|(number, rules)| {
            let always = rules.iter().any(|rule| rule.args.is_empty());
            (number, if always { Vec::new() } else { rules.into_iter().map(theirs).collect() })
        })
        .collect();
    let filter = SeccompFilter::new(
        chains,
        SeccompAction::Allow,
        SeccompAction::Errno(1),
        TargetArch::x86_64,
    );
    BpfProgram::try_from(filter.unwrap())
        .unwrap()
        .iter()
        .map(|each| Instruction { code: each.code, jt: each.jt, jf: each.jf, k: each.k })
        .collect()
}

fn theirs(rule: &Rule) -> SeccompRule {
    use seccompiler::{SeccompCmpArgLen, SeccompCmpOp, SeccompCondition};
    let conditions = rule.args.iter().map(|condition| {
        let (operator, value) = match condition.comparator {
            Comparator::NotEqual(value) => (SeccompCmpOp::Ne, value),
            Comparator::Less(value) => (SeccompCmpOp::Lt, value),
            Comparator::LessOrEqual(value) => (SeccompCmpOp::Le, value),
            Comparator::Equal(value) => (SeccompCmpOp::Eq, value),
            Comparator::GreaterOrEqual(value) => (SeccompCmpOp::Ge, value),
            Comparator::Greater(value) => (SeccompCmpOp::Gt, value),
            Comparator::MaskedEqual { mask, value } => (SeccompCmpOp::MaskedEq(mask), value),
        };
        SeccompCondition::new(condition.index, SeccompCmpArgLen::Qword, operator, value).unwrap()
    });
    SeccompRule::new(conditions.collect()).unwrap()
}
