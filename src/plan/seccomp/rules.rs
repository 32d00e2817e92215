//! What a profile says of each number of one block.
//!
//! It knows how rules compete. It refuses to know how numbers are searched. What a newcomer would get wrong: a rule
//! whose action is the default is not a rule (runc skips it, libseccomp refuses it), yet the names it lists still count
//! as known to the profile.
//!
//! When several rules name a call, a rule without conditions beats those with conditions, and the first of them counts,
//! as in libseccomp. Among conditional rules the first that holds counts; libseccomp goes by an order of its own there,
//! but only overlapping rules of different actions can tell. Conditions of one rule must all hold; when two of them
//! look at one argument, any one suffices (runc turns such a rule into several).

use super::condition::{Exits, Layout, condition};
use super::graph::{Graph, NodeId};
use super::machine::Block;
use super::search::Ranges;
use super::table::{Entry, IPC, MULTIPLEXED};
use crate::spec::{Action, Comparator, Condition, Rule};

/// `socketcall`, counted from the first number of its block, on every architecture that has it.
const SOCKETCALL: u16 = 102;
/// `ipc`, likewise.
const IPC_CALL: u16 = 117;

/// No table of today reaches further.
const USUAL: usize = 512;

/// The rules that reach one block of numbers.
pub(super) struct Claims<'p> {
    block: Block,
    layout: Layout,
    multiplexes: bool,
    slots: Vec<Slot>,
    conditional: Vec<Claim<'p>>,
    newest: Option<u16>,
}

/// What is known of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    /// No rule names it.
    Unnamed,
    /// Only rules with conditions name it.
    Sometimes,
    /// A rule without conditions names it.
    Always(NodeId),
}

/// A conditional rule for a number.
struct Claim<'p> {
    number: u16,
    guard: Guard<'p>,
    verdict: NodeId,
}

/// When a [`Claim`] holds.
#[derive(Clone, Copy)]
enum Guard<'p> {
    All(&'p [Condition]),
    Any(&'p [Condition]),
    /// The first argument of `socketcall` or `ipc` asks for one call.
    Asks(Condition),
}

/// A rule, with what is the same for all its names.
#[derive(Clone, Copy)]
pub(super) struct Ruling<'p> {
    guard: Guard<'p>,
    verdict: NodeId,
    /// It says what the default says.
    redundant: bool,
    /// It is stricter than the default.
    stricter: bool,
}

impl<'p> Ruling<'p> {
    pub(super) fn of(rule: &'p Rule, verdict: NodeId, default: Action) -> Self {
        let args = rule.args.as_slice();
        let repeated =
            args.iter().enumerate().any(|(i, a)| args[..i].iter().any(|b| a.index == b.index));
        Self {
            guard: if repeated { Guard::Any(args) } else { Guard::All(args) },
            verdict,
            redundant: rule.action == default,
            stricter: strictness(rule.action) > strictness(default),
        }
    }

    fn is_unconditional(self) -> bool {
        matches!(self.guard, Guard::All([]))
    }
}

impl<'p> Claims<'p> {
    pub(super) fn new(block: Block, layout: Layout, multiplexes: bool) -> Self {
        Self {
            block,
            layout,
            multiplexes,
            slots: vec![Slot::Unnamed; USUAL],
            conditional: Vec::new(),
            newest: None,
        }
    }

    /// `ruling` names `entry`.
    pub(super) fn add(&mut self, entry: &Entry, ruling: Ruling<'p>) {
        if let Some(number) = entry.number(self.block.column) {
            self.claim(number, ruling);
        }
        if self.multiplexes
            && let Some(call) = entry.number(MULTIPLEXED)
        {
            self.claim_multiplexed(call, ruling);
        }
    }

    fn claim(&mut self, number: u16, ruling: Ruling<'p>) {
        self.make_known(number);
        if ruling.redundant {
            return;
        }
        let slot = &mut self.slots[usize::from(number)];
        match (*slot, ruling.is_unconditional()) {
            (Slot::Always(_), _) => {}
            (_, true) => *slot = Slot::Always(ruling.verdict),
            (_, false) => {
                *slot = Slot::Sometimes;
                let Ruling { guard, verdict, .. } = ruling;
                self.conditional.push(Claim { number, guard, verdict });
            }
        }
    }

    fn make_known(&mut self, number: u16) {
        self.newest = self.newest.max(Some(number));
        if self.slots.len() <= usize::from(number) {
            self.slots.resize(usize::from(number) + 1, Slot::Unnamed);
        }
    }

    /// A rule for `socket` also covers `socketcall(SYS_SOCKET, …)`, as in libseccomp. Its conditions cannot be checked
    /// there, since the arguments lie in memory: a rule that is stricter than the default is then applied whatever
    /// they are, and any other is not applied.
    fn claim_multiplexed(&mut self, call: u16, ruling: Ruling<'p>) {
        let (number, comparator) = if call >= IPC {
            // The upper bits are the version of the interface (ipc(2), linux/ipc.c).
            let value = u64::from(call - IPC);
            (IPC_CALL, Comparator::MaskedEqual { mask: 0xffff, value })
        } else {
            (SOCKETCALL, Comparator::Equal(u64::from(call)))
        };
        let guard = Guard::Asks(Condition { index: 0, comparator });
        let lenient = !ruling.is_unconditional() && !ruling.stricter;
        let redundant = ruling.redundant || lenient;
        self.claim(number, Ruling { guard, redundant, ..ruling });
    }

    /// Whether the profile names any number of the block.
    pub(super) fn names_any(&self) -> bool {
        self.newest.is_some()
    }

    /// The first number of the block, and the first that is newer than all that the profile names.
    pub(super) fn span(&self) -> (u32, u32) {
        let first = self.block.first;
        (first, self.newest.map_or(first, |newest| first + u32::from(newest) + 1))
    }

    /// Adds the block's verdicts, up to the newest number that the profile names.
    pub(super) fn settle(mut self, graph: &mut Graph, default: NodeId, ranges: &mut Ranges) {
        // Stable: claims for one number stay in the order of the profile.
        self.conditional.sort_by_key(|claim| claim.number);
        let mut claims = self.conditional.as_slice();
        ranges.from(self.block.first, default);
        let (first, end) = self.span();
        for (number, slot) in (first..end).zip(&self.slots) {
            let verdict = match slot {
                Slot::Unnamed => default,
                Slot::Always(verdict) => *verdict,
                Slot::Sometimes => {
                    let offset = number - first;
                    let start = claims.partition_point(|claim| u32::from(claim.number) < offset);
                    let end = claims.partition_point(|claim| u32::from(claim.number) <= offset);
                    let verdict = decide(graph, self.layout, &claims[start..end], default);
                    claims = &claims[end..];
                    verdict
                }
            };
            ranges.from(number, verdict);
        }
    }
}

/// The first claim that holds decides.
fn decide(graph: &mut Graph, layout: Layout, claims: &[Claim<'_>], default: NodeId) -> NodeId {
    claims.iter().rev().fold(default, |otherwise, claim| {
        let mut ask = |each, yes, no| condition(graph, layout, each, Exits { yes, no });
        let verdict = claim.verdict;
        match claim.guard {
            Guard::All(all) => {
                all.iter().rev().fold(verdict, |yes, &each| ask(each, yes, otherwise))
            }
            Guard::Any(any) => any.iter().rev().fold(otherwise, |no, &each| ask(each, verdict, no)),
            Guard::Asks(asked) => ask(asked, verdict, otherwise),
        }
    })
}

/// The kernel's own order among filters, strictest highest (seccomp(2)).
fn strictness(action: Action) -> u8 {
    match action {
        Action::Allow => 0,
        Action::Log => 1,
        Action::Trace(_) => 2,
        Action::Notify => 3,
        Action::Errno(_) => 4,
        Action::Trap => 5,
        Action::KillThread => 6,
        Action::KillProcess => 7,
    }
}
