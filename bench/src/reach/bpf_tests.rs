//! Filters made by hand, with known answers.

use super::*;

const X86_64: u32 = 0xc000_003e;
const EPERM: u32 = ERRNO | 1;

fn ins(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

fn call(number: u32, first: u64) -> Call {
    Call { number, arch: X86_64, arguments: Some([first, 0, 0, 0, 0, 0]) }
}

/// Number 1 is allowed, number 2 when bits 4..8 of its first argument are 0x30, all others fail.
fn filter() -> Vec<sock_filter> {
    vec![
        ins(0x20, 0, 0, 0),
        ins(0x15, 5, 0, 1),
        ins(0x15, 0, 3, 2),
        ins(0x20, 0, 0, 16),
        ins(0x54, 0, 0, 0xf0),
        ins(0x15, 1, 0, 0x30),
        ins(0x06, 0, 0, EPERM),
        ins(0x06, 0, 0, ALLOW),
    ]
}

#[test]
fn a_call_is_answered_in_as_many_steps_as_its_path_has() {
    let stack = [filter()];
    assert_eq!(run(&stack, &call(1, 0)), Some((ALLOW, 3)));
    assert_eq!(run(&stack, &call(2, 0x1230)), Some((ALLOW, 7)));
    assert_eq!(run(&stack, &call(2, 0x1240)), Some((EPERM, 7)));
    assert_eq!(run(&stack, &call(3, 0)), Some((EPERM, 4)));
}

#[test]
fn a_number_is_judged_whatever_its_arguments_are() {
    let stack = [filter()];
    let judged = [1, 2, 3].map(|number| verdict(&stack, number, X86_64));
    let expected = [Verdict::Always, Verdict::Sometimes, Verdict::Errno].map(Some);
    assert_eq!(judged, expected);
    assert_eq!(verdict(&[], 3, X86_64), Some(Verdict::Always));
}

#[test]
fn of_two_filters_the_stricter_counts_and_both_are_paid() {
    let kills = vec![ins(0x06, 0, 0, KILL_PROCESS)];
    let logs = vec![ins(0x06, 0, 0, LOG)];
    assert_eq!(run(&[logs.clone(), filter()], &call(3, 0)), Some((EPERM, 5)));
    assert_eq!(run(&[filter(), logs], &call(1, 0)), Some((LOG, 4)));
    assert_eq!(run(&[filter(), kills.clone()], &call(1, 0)), Some((KILL_PROCESS, 4)));
    assert_eq!(verdict(&[filter(), kills], 3, X86_64), Some(Verdict::Kill));
}

#[test]
fn what_libseccomp_writes_beside_comparisons_is_understood() {
    // The scratch memory, a bit test, an answer from the accumulator, a jump.
    let program = vec![
        ins(0x20, 0, 0, 20),
        ins(0x02, 0, 0, 3),
        ins(0x00, 0, 0, 7),
        ins(0x05, 0, 0, 1),
        ins(0x06, 0, 0, KILL_THREAD),
        ins(0x60, 0, 0, 3),
        ins(0x45, 0, 2, 0x8000_0000),
        ins(0x00, 0, 0, EPERM),
        ins(0x16, 0, 0, 0),
        ins(0x06, 0, 0, ALLOW),
    ];
    let stack = [program];
    assert_eq!(run(&stack, &call(5, 0x8000_0000_0000_0000)), Some((EPERM, 8)));
    assert_eq!(run(&stack, &call(5, 0x8000_0000)), Some((ALLOW, 7)));
    assert_eq!(verdict(&stack, 5, X86_64), Some(Verdict::Sometimes));
}

#[test]
fn arithmetic_is_that_of_32_bits() {
    let program = |code, k| vec![ins(0x00, 0, 0, 6), ins(code, 0, 0, k), ins(0x16, 0, 0, 0)];
    let answer = |code, k| run(&[program(code, k)], &call(0, 0)).map(|(answer, _)| answer);
    // Every answer below is a kill, which is stricter than the allowance that a stack begins with.
    let expected = [0x04, 0x14, 0x24, 0x34, 0x44, 0x54, 0x64, 0x74, 0xa4];
    let values = [9, 3, 18, 2, 7, 2, 48, 0, 5];
    assert_eq!(expected.map(|code| answer(code, 3)), values.map(Some));
    assert_eq!(answer(0x34, 0), Some(KILL_THREAD));
    // -6 is 0xffff_fffa, whose action is stricter than ALLOW as a signed number.
    assert_eq!(answer(0x84, 0), Some(0xffff_fffa));
}

#[test]
fn a_program_that_runs_off_its_end_or_that_nobody_knows_is_no_filter() {
    assert_eq!(run(&[vec![ins(0x20, 0, 0, 0)]], &call(0, 0)), None);
    assert_eq!(run(&[vec![ins(0xff, 0, 0, 0), ins(0x06, 0, 0, ALLOW)]], &call(0, 0)), None);
    assert_eq!(run(&[vec![ins(0x20, 0, 0, 64), ins(0x06, 0, 0, ALLOW)]], &call(0, 0)), None);
}
