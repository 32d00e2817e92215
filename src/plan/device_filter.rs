//! Device rules become an eBPF program, as small as they allow.
//!
//! It knows `linux.resources.devices`, the nodes every container needs, and a dozen eBPF operations; it refuses to load
//! anything. The meaning is OCI's "the last matching rule wins", read for each of read, write and mknod on its own: an
//! access is allowed when for each of its bits the last rule that names the bit and the device allows it. Nothing
//! matches: denied. As in runc, rules or no rules, [`always_allowed`] come last.
//! What a newcomer would get wrong: the program walks the rules backwards, so the first one that decides ends it, and
//! everything before a rule for all devices is dead text.
//!
//! ```text
//!   r2 = bits asked for that no rule has decided yet      r4 = major
//!   r3 = block or char                                    r5 = minor
//!   an allowing rule clears its bits; none left: allow.   A denying rule that meets one of them: deny.
//! ```

use crate::error::{Error, Kind, Result};
use crate::spec::{DeviceAccess, DeviceKind, DeviceNumber, DeviceRule};
use rrun_sys::bpf::Instruction;
use std::fmt;

/// A finished program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceProgram {
    /// What bpf(2) takes.
    pub instructions: Vec<Instruction>,
    /// How many rules it stands for, ours included.
    pub rules: usize,
}

impl fmt::Display for DeviceProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rules, {} instructions", self.rules, self.instructions.len())
    }
}

impl serde::Serialize for DeviceProgram {
    fn serialize<S: serde::Serializer>(
        &self,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

const ALL: DeviceAccess = DeviceAccess { read: true, write: true, mknod: true };
const MKNOD: DeviceAccess = DeviceAccess { read: false, write: false, mknod: true };

/// The rules appended to every list, as runc does: making any node is harmless where opening it is refused, and
/// null, zero, full, random, urandom, tty, console, ptmx and the ptys are what the runtime-spec gives every container.
#[must_use]
pub fn always_allowed() -> Vec<DeviceRule> {
    use DeviceNumber::{Any, Is};
    let rule = |kind, major, minor, access| DeviceRule {
        allow: true,
        kind: Some(kind),
        major,
        minor,
        access,
    };
    let node = |major, minor| rule(DeviceKind::Char, Is(major), minor, ALL);
    let mut rules = vec![
        rule(DeviceKind::Char, Any, Any, MKNOD),
        rule(DeviceKind::Block, Any, Any, MKNOD),
        node(136, Any),
    ];
    rules.extend([3, 5, 7, 8, 9].map(|minor| node(1, Is(minor))));
    rules.extend([0, 1, 2].map(|minor| node(5, Is(minor))));
    rules
}

/// Compiles `rules` followed by [`always_allowed`]. `None` when they allow everything and no program is needed.
///
/// # Errors
/// [`Kind::Spec`] for a list whose program would outgrow a jump's 15 bits, some thousands of rules.
pub fn compile(rules: &[DeviceRule]) -> Result<Option<DeviceProgram>> {
    let (list, count) = simplified(rules);
    if list.runs.is_empty() && list.otherwise == Verdict::Allow {
        return Ok(None);
    }
    assemble(&list, count).map(Some)
}

/// The same for a cgroup that has a program already: what allows everything must be said, too.
///
/// # Errors
/// As [`compile`].
pub fn compile_in_place(rules: &[DeviceRule]) -> Result<DeviceProgram> {
    let (list, count) = simplified(rules);
    assemble(&list, count)
}

pub(super) fn simplified(rules: &[DeviceRule]) -> (Simplified, usize) {
    let mut all = rules.to_vec();
    all.extend(always_allowed());
    (Simplified::new(&all), all.len())
}

fn assemble(list: &Simplified, rules: usize) -> Result<DeviceProgram> {
    let instructions = Assembler::program(list).ok_or_else(|| {
        Error::new(Kind::Spec, format!("{rules} device rules are too many for a program"))
            .at("/linux/resources/devices")
            .hint("join rules, or remove some")
    })?;
    Ok(DeviceProgram { instructions, rules })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Deny = 0,
    Allow = 1,
}

/// Which devices and accesses a rule is about. `None` is any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Match {
    pub kind: Option<DeviceKind>,
    pub major: Option<u32>,
    pub minor: Option<u32>,
    pub bits: i32,
}

const ALL_BITS: i32 = 7;

impl Match {
    fn new(rule: &DeviceRule) -> Self {
        let number = |number| match number {
            DeviceNumber::Any => None,
            DeviceNumber::Is(number) => Some(number),
        };
        let DeviceAccess { read, write, mknod } = rule.access;
        // BPF_DEVCG_ACC_MKNOD, _READ and _WRITE of linux/bpf.h.
        let bits = i32::from(mknod) | (i32::from(read) << 1) | (i32::from(write) << 2);
        Self { kind: rule.kind, major: number(rule.major), minor: number(rule.minor), bits }
    }

    /// Whether every access `other` matches is matched by this one too.
    pub fn covers(&self, other: &Self) -> bool {
        fn holds<T: PartialEq>(wide: &Option<T>, narrow: &Option<T>) -> bool {
            wide.is_none() || wide == narrow
        }
        holds(&self.kind, &other.kind)
            && holds(&self.major, &other.major)
            && holds(&self.minor, &other.minor)
            && self.bits & other.bits == other.bits
    }

    fn is_everything(&self) -> bool {
        self.covers(&Self { kind: None, major: None, minor: None, bits: ALL_BITS })
    }

    /// The one match for what `self` and `other` match together, where it is just char and block of the same.
    fn joined(&self, other: &Self) -> Option<Self> {
        let both = self.kind.is_some() && other.kind.is_some() && self.kind != other.kind;
        let any = Self { kind: None, ..*self };
        (both && any == Self { kind: None, ..*other }).then_some(any)
    }
}

/// The rules last first, cut into runs of one verdict, without those that decide nothing. Within a run the order is free.
pub(super) struct Simplified {
    pub runs: Vec<(Verdict, Vec<Match>)>,
    otherwise: Verdict,
}

impl Simplified {
    fn new(rules: &[DeviceRule]) -> Self {
        let mut list = Self { runs: Vec::new(), otherwise: Verdict::Deny };
        for rule in rules.iter().rev() {
            let verdict = if rule.allow { Verdict::Allow } else { Verdict::Deny };
            let this = Match::new(rule);
            if this.is_everything() {
                list.otherwise = verdict;
                break;
            }
            list.add(verdict, this);
        }
        // What the end answers anyway need not be asked.
        if list.runs.last().is_some_and(|(verdict, _)| *verdict == list.otherwise) {
            list.runs.pop();
        }
        for (_, run) in &mut list.runs {
            run.sort_by_key(|one| {
                (one.bits == ALL_BITS, one.bits, one.kind.map(kind_number), one.major, one.minor)
            });
        }
        list
    }

    fn add(&mut self, verdict: Verdict, mut this: Match) {
        if self.runs.iter().flat_map(|(_, run)| run).any(|later| later.covers(&this)) {
            return;
        }
        if self.runs.last().is_none_or(|(last, _)| *last != verdict) {
            self.runs.push((verdict, Vec::new()));
        }
        let Some((_, run)) = self.runs.last_mut() else { return };
        if let Some(joined) = run.iter().find_map(|other| other.joined(&this)) {
            this = joined;
        }
        run.retain(|other| !this.covers(other));
        run.push(this);
    }
}

/// BPF_DEVCG_DEV_BLOCK and _CHAR of linux/bpf.h.
fn kind_number(kind: DeviceKind) -> i32 {
    match kind {
        DeviceKind::Block => 1,
        DeviceKind::Char => 2,
    }
}

const LOAD_WORD: u8 = 0x61;
const MOVE_IMMEDIATE: u8 = 0xb7;
const MOVE: u8 = 0xbf;
const AND: u8 = 0x57;
const SHIFT_RIGHT: u8 = 0x77;
const JUMP: u8 = 0x05;
const EXIT: u8 = 0x95;
// 32-bit comparisons: device numbers are unsigned words, and a 64-bit one would sign-extend its immediate.
const JUMP_IF_EQUAL: u8 = 0x16;
const JUMP_UNLESS_EQUAL: u8 = 0x56;
const JUMP_IF_ANY_BIT: u8 = 0x46;

const CONTEXT: u8 = 1;
const BITS: u8 = 2;
const KIND: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

#[derive(Debug, Clone, Copy)]
struct Label(usize);

/// Instructions whose jumps name labels until all places are known.
#[derive(Default)]
struct Assembler {
    code: Vec<Instruction>,
    jumps: Vec<(usize, Label)>,
    places: Vec<Option<usize>>,
}

impl Assembler {
    fn program(list: &Simplified) -> Option<Vec<Instruction>> {
        let mut this = Self::default();
        this.load(list);
        let verdicts = [this.label(), this.label()];
        for (verdict, run) in &list.runs {
            this.run(*verdict, run, verdicts[*verdict as usize]);
        }
        let other = if list.otherwise == Verdict::Deny { Verdict::Allow } else { Verdict::Deny };
        for verdict in [list.otherwise, other] {
            this.bind(verdicts[verdict as usize]);
            this.emit(MOVE_IMMEDIATE, 0, 0, verdict as i32);
            this.emit(EXIT, 0, 0, 0);
            // Nobody would jump to the second, and the verifier refuses what nothing reaches.
            if list.runs.is_empty() {
                break;
            }
        }
        this.finish()
    }

    /// Loads what some rule asks for: `struct bpf_cgroup_dev_ctx { u32 access_type, major, minor; }`, whose first word is
    /// the kind in the low half and the access bits in the high one.
    fn load(&mut self, list: &Simplified) {
        let any = |asks: fn(&Match) -> bool| list.runs.iter().flat_map(|(_, run)| run).any(asks);
        self.emit(LOAD_WORD, BITS, CONTEXT, 0);
        if any(|one| one.kind.is_some()) {
            self.emit(MOVE, KIND, BITS, 0);
            self.emit(AND, KIND, 0, 0xffff);
        }
        if any(|one| one.bits != ALL_BITS) {
            self.emit(SHIFT_RIGHT, BITS, 0, 16);
        }
        if any(|one| one.major.is_some()) {
            self.emit_at(LOAD_WORD, MAJOR, CONTEXT, 4);
        }
        if any(|one| one.minor.is_some()) {
            self.emit_at(LOAD_WORD, MINOR, CONTEXT, 8);
        }
    }

    /// A run of one verdict, sorted: what is asked of many rules (the kind, the major) is asked once.
    fn run(&mut self, verdict: Verdict, run: &[Match], decided: Label) {
        for of_kind in run.chunk_by(|a, b| (a.bits, a.kind) == (b.bits, b.kind)) {
            let after_kind = self.label();
            if let Some(kind) = of_kind[0].kind {
                self.jump(JUMP_UNLESS_EQUAL, KIND, kind_number(kind), after_kind);
            }
            for of_major in of_kind.chunk_by(|a, b| a.major == b.major) {
                self.numbers(verdict, of_major, decided);
            }
            self.bind(after_kind);
        }
    }

    /// Rules of one kind, one major and the same bits.
    fn numbers(&mut self, verdict: Verdict, rules: &[Match], decided: Label) {
        let whole = rules[0].bits == ALL_BITS;
        let after_major = self.label();
        if let Some(major) = rules[0].major {
            if whole && rules[0].minor.is_none() {
                return self.jump(JUMP_IF_EQUAL, MAJOR, major.cast_signed(), decided);
            }
            self.jump(JUMP_UNLESS_EQUAL, MAJOR, major.cast_signed(), after_major);
        }
        for rule in rules {
            match rule.minor {
                Some(minor) if whole => {
                    self.jump(JUMP_IF_EQUAL, MINOR, minor.cast_signed(), decided);
                }
                Some(minor) => {
                    let after_minor = self.label();
                    self.jump(JUMP_UNLESS_EQUAL, MINOR, minor.cast_signed(), after_minor);
                    self.decide(verdict, rule.bits, decided);
                    self.bind(after_minor);
                }
                None => self.decide(verdict, rule.bits, decided),
            }
        }
        self.bind(after_major);
    }

    /// What a rule that matches the device does with its bits.
    fn decide(&mut self, verdict: Verdict, bits: i32, decided: Label) {
        match verdict {
            _ if bits == ALL_BITS => self.jump(JUMP, 0, 0, decided),
            Verdict::Allow => {
                self.emit(AND, BITS, 0, !bits);
                self.jump(JUMP_IF_EQUAL, BITS, 0, decided);
            }
            Verdict::Deny => self.jump(JUMP_IF_ANY_BIT, BITS, bits, decided),
        }
    }

    fn emit(&mut self, code: u8, to: u8, from: u8, immediate: i32) {
        self.code.push(Instruction::new(code, to, from, 0, immediate));
    }

    fn emit_at(&mut self, code: u8, to: u8, from: u8, offset: i16) {
        self.code.push(Instruction::new(code, to, from, offset, 0));
    }

    fn jump(&mut self, code: u8, register: u8, immediate: i32, to: Label) {
        self.jumps.push((self.code.len(), to));
        self.emit(code, register, 0, immediate);
    }

    fn label(&mut self) -> Label {
        self.places.push(None);
        Label(self.places.len() - 1)
    }

    fn bind(&mut self, label: Label) {
        self.places[label.0] = Some(self.code.len());
    }

    /// Resolves the jumps. `None` when one is longer than its field.
    fn finish(mut self) -> Option<Vec<Instruction>> {
        for (at, label) in self.jumps {
            // A jump counts from the instruction after it.
            let distance = self.places[label.0]?.checked_sub(at + 1)?;
            self.code[at].offset = i16::try_from(distance).ok()?;
        }
        Some(self.code)
    }
}

#[cfg(test)]
#[path = "device_filter_tests.rs"]
mod tests;
