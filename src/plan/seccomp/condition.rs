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

/// Goes to `yes` when `condition` holds, else to `no`. Both are entries, and so is the answer.
pub(super) fn condition(
    graph: &mut Graph,
    layout: Layout,
    condition: Condition,
    (yes, no): (NodeId, NodeId),
) -> NodeId {
    let mut ways =
        Ways { graph, at: Halves::places(condition.index, layout.big_endian), width: layout.width };
    match condition.comparator {
        Comparator::Equal(value) => ways.equal(value, yes, no),
        Comparator::NotEqual(value) => ways.equal(value, no, yes),
        Comparator::Greater(value) => ways.order(Test::Greater, value, yes, no),
        Comparator::LessOrEqual(value) => ways.order(Test::Greater, value, no, yes),
        Comparator::GreaterOrEqual(value) => ways.order(Test::AtLeast, value, yes, no),
        Comparator::Less(value) => ways.order(Test::AtLeast, value, no, yes),
        Comparator::MaskedEqual { mask, value } => ways.masked(mask, value & mask, yes, no),
    }
}

struct Ways<'g> {
    graph: &'g mut Graph,
    at: Halves,
    width: Width,
}

impl Ways<'_> {
    /// Rules often list several values of one argument: what the next rule would ask of the upper half again, and the
    /// loads it would repeat, are left out.
    fn equal(&mut self, value: u64, yes: NodeId, no: NodeId) -> NodeId {
        let value = Halves::of(value);
        if self.width == Width::Bits32 {
            return self.test(self.at.lower, Test::Equal, value.lower, yes, no);
        }
        let (mut lower_no, mut upper_no) = (no, no);
        if let Node::Load { offset, next } = self.graph.node(no)
            && offset == self.at.upper
            && let Node::Branch { test: Test::Equal, operand, yes: same, no: other } =
                self.graph.node(next)
            && operand == value.upper
            && self.graph.is_entry(same)
        {
            (lower_no, upper_no) = (same, other);
        }
        let lower = self.test(self.at.lower, Test::Equal, value.lower, yes, lower_no);
        self.test(self.at.upper, Test::Equal, value.upper, lower, upper_no)
    }

    /// `test` is `Greater` or `AtLeast`.
    fn order(&mut self, test: Test, value: u64, yes: NodeId, no: NodeId) -> NodeId {
        let value = Halves::of(value);
        if self.width == Width::Bits32 {
            return if value.upper > 0 {
                no
            } else {
                self.test(self.at.lower, test, value.lower, yes, no)
            };
        }
        let lower = self.test(self.at.lower, test, value.lower, yes, no);
        let (yes, no) =
            (self.graph.loaded(self.at.upper, yes), self.graph.loaded(self.at.upper, no));
        let tie = self.graph.branch(Test::Equal, value.upper, lower, no);
        let upper = self.graph.branch(Test::Greater, value.upper, yes, tie);
        self.graph.load(self.at.upper, upper)
    }

    fn masked(&mut self, mask: u64, value: u64, yes: NodeId, no: NodeId) -> NodeId {
        let (mask, value) = (Halves::of(mask), Halves::of(value));
        let lower = self.masked_half(self.at.lower, mask.lower, value.lower, yes, no);
        match self.width {
            Width::Bits32 => lower,
            Width::Bits64 => self.masked_half(self.at.upper, mask.upper, value.upper, lower, no),
        }
    }

    fn masked_half(
        &mut self,
        offset: u32,
        mask: u32,
        value: u32,
        yes: NodeId,
        no: NodeId,
    ) -> NodeId {
        match (mask, value) {
            (0, _) => yes,
            (u32::MAX, _) => self.test(offset, Test::Equal, value, yes, no),
            (_, 0) => self.test(offset, Test::AnyBit, mask, no, yes),
            _ => {
                let equal = self.graph.branch(Test::Equal, value, yes, no);
                let masked = self.graph.mask(mask, equal);
                self.graph.load(offset, masked)
            }
        }
    }

    fn test(&mut self, offset: u32, test: Test, operand: u32, yes: NodeId, no: NodeId) -> NodeId {
        let (yes, no) = (self.graph.loaded(offset, yes), self.graph.loaded(offset, no));
        let branch = self.graph.branch(test, operand, yes, no);
        self.graph.load(offset, branch)
    }
}
