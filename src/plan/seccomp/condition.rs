//! Conditions on arguments become tests of 32-bit halves.
//!
//! It knows the seven comparators and where halves lie. It refuses to know which calls they guard. What a newcomer
//! would get wrong: a pointer's target cannot be seen, only the register; and 32-bit architectures have no upper half.

use super::graph::{ARGUMENTS, Graph, Node, NodeId, Test};
use super::machine::Width;
use crate::spec::{Comparator, Condition};

/// How arguments lie in `seccomp_data`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub width: Width,
    pub big_endian: bool,
}

/// A value, or the places of an argument's value, as halves.
#[derive(Debug, Clone, Copy)]
struct Halves {
    upper: u32,
    lower: u32,
}

impl Halves {
    fn of(value: u64) -> Self {
        Self { upper: (value >> 32) as u32, lower: value as u32 }
    }

    fn places(index: u8, big_endian: bool) -> Self {
        let first = ARGUMENTS + 8 * u32::from(index);
        let (upper, lower) = if big_endian { (first, first + 4) } else { (first + 4, first) };
        Self { upper, lower }
    }
}

/// Where a condition leads. Both ways are entries of the graph.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exits {
    pub yes: NodeId,
    pub no: NodeId,
}

impl Exits {
    fn swapped(self) -> Self {
        Self { yes: self.no, no: self.yes }
    }
}

/// An entry that leads to one of `exits`, as `condition` holds or does not.
pub(super) fn condition(
    graph: &mut Graph,
    layout: Layout,
    condition: Condition,
    exits: Exits,
) -> NodeId {
    let at = Halves::places(condition.index, layout.big_endian);
    let mut argument = Argument { graph, at, width: layout.width };
    match condition.comparator {
        Comparator::Equal(value) => argument.equal(value, exits),
        Comparator::NotEqual(value) => argument.equal(value, exits.swapped()),
        Comparator::Greater(value) => argument.exceeds(Test::Greater, value, exits),
        Comparator::LessOrEqual(value) => argument.exceeds(Test::Greater, value, exits.swapped()),
        Comparator::GreaterOrEqual(value) => argument.exceeds(Test::AtLeast, value, exits),
        Comparator::Less(value) => argument.exceeds(Test::AtLeast, value, exits.swapped()),
        // Bits of the value outside the mask do not count, as in libseccomp.
        Comparator::MaskedEqual { mask, value } => argument.masked(mask, value & mask, exits),
    }
}

/// An argument that is being asked about.
struct Argument<'g> {
    graph: &'g mut Graph,
    at: Halves,
    width: Width,
}

impl Argument<'_> {
    /// Rules often list several values of one argument: what the next rule would ask of the upper half again, and the
    /// loads it would repeat, are left out.
    fn equal(&mut self, value: u64, exits: Exits) -> NodeId {
        let value = Halves::of(value);
        if self.width == Width::Bits32 {
            return self.half(self.at.lower, Test::Equal, value.lower, exits);
        }
        let (when_same, otherwise) = self.next_of_upper(value.upper, exits.no);
        let lower_exits = Exits { yes: exits.yes, no: when_same };
        let lower = self.half(self.at.lower, Test::Equal, value.lower, lower_exits);
        self.half(self.at.upper, Test::Equal, value.upper, Exits { yes: lower, no: otherwise })
    }

    /// Where `next` goes when the upper half is `value`, and where when it is not, if that is what it asks first.
    fn next_of_upper(&self, value: u32, next: NodeId) -> (NodeId, NodeId) {
        if let Node::Load { offset, next: asks } = self.graph.node(next)
            && offset == self.at.upper
            && let Node::Branch { test: Test::Equal, operand, yes, no } = self.graph.node(asks)
            && operand == value
            && self.graph.is_entry(yes)
        {
            return (yes, no);
        }
        (next, next)
    }

    /// `test` is `Greater` or `AtLeast`. It settles only the lower half: the upper one must be greater, or the same.
    fn exceeds(&mut self, test: Test, value: u64, exits: Exits) -> NodeId {
        let value = Halves::of(value);
        match (self.width, value.upper) {
            (Width::Bits32, 0) => self.half(self.at.lower, test, value.lower, exits),
            (Width::Bits32, _) => exits.no,
            (Width::Bits64, _) => {
                let same = self.half(self.at.lower, test, value.lower, exits);
                let yes = self.graph.loaded(self.at.upper, exits.yes);
                let no = self.graph.loaded(self.at.upper, exits.no);
                let tie = self.graph.branch(Test::Equal, value.upper, same, no);
                let upper = self.graph.branch(Test::Greater, value.upper, yes, tie);
                self.graph.load(self.at.upper, upper)
            }
        }
    }

    fn masked(&mut self, mask: u64, value: u64, exits: Exits) -> NodeId {
        let (mask, value) = (Halves::of(mask), Halves::of(value));
        let lower = self.masked_half(self.at.lower, mask.lower, value.lower, exits);
        match self.width {
            Width::Bits32 => lower,
            Width::Bits64 => {
                let exits = Exits { yes: lower, ..exits };
                self.masked_half(self.at.upper, mask.upper, value.upper, exits)
            }
        }
    }

    fn masked_half(&mut self, offset: u32, mask: u32, value: u32, exits: Exits) -> NodeId {
        match (mask, value) {
            (0, _) => exits.yes,
            (u32::MAX, _) => self.half(offset, Test::Equal, value, exits),
            (_, 0) => self.half(offset, Test::AnyBit, mask, exits.swapped()),
            _ => {
                let equal = self.graph.branch(Test::Equal, value, exits.yes, exits.no);
                let masked = self.graph.mask(mask, equal);
                self.graph.load(offset, masked)
            }
        }
    }

    /// One test of the half at `offset`.
    fn half(&mut self, offset: u32, test: Test, operand: u32, exits: Exits) -> NodeId {
        let yes = self.graph.loaded(offset, exits.yes);
        let no = self.graph.loaded(offset, exits.no);
        let branch = self.graph.branch(test, operand, yes, no);
        self.graph.load(offset, branch)
    }
}
