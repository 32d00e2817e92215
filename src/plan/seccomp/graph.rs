//! The program before it has addresses: a graph of decisions without cycles.
//!
//! It knows the handful of operations that the kernel's prover follows (`seccomp_is_const_allow`), and no others can be
//! written. It refuses to know profiles and distances. What a newcomer would get wrong: only [`Node::Return`] and
//! [`Node::Load`] may be entered with anything in the accumulator; the rest continue from the load before them.

use std::collections::BTreeMap;

/// Where `seccomp_data.nr` is.
pub(super) const NUMBER: u32 = 0;
/// Where `seccomp_data.arch` is.
pub(super) const ARCH: u32 = 4;
/// Where `seccomp_data.args` begins.
pub(super) const ARGUMENTS: u32 = 16;

/// A node of a [`Graph`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeId(u32);

impl NodeId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// One operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    /// The verdict, as `SECCOMP_RET_*`.
    Return(u32),
    /// Four bytes of `seccomp_data` into the accumulator.
    Load { offset: u32, next: NodeId },
    /// The accumulator loses all bits but these.
    Mask { bits: u32, next: NodeId },
    /// Two ways.
    Branch { test: Test, operand: u32, yes: NodeId, no: NodeId },
}

/// What a branch asks of the accumulator, unsigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Test {
    Equal,
    Greater,
    AtLeast,
    AnyBit,
}

/// Nodes; a node refers only to older ones.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    known: BTreeMap<Node, NodeId>,
}

impl Graph {
    pub(super) fn node(&self, id: NodeId) -> Node {
        self.nodes[id.index()]
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// A verdict; the same verdict is the same node.
    pub(super) fn verdict(&mut self, value: u32) -> NodeId {
        self.shared(Node::Return(value))
    }

    /// A load before `next`, unless `next` does not look at the accumulator.
    pub(super) fn load(&mut self, offset: u32, next: NodeId) -> NodeId {
        if self.is_entry(next) { next } else { self.shared(Node::Load { offset, next }) }
    }

    /// A mask before `next`, unless `next` does not look at the accumulator.
    pub(super) fn mask(&mut self, bits: u32, next: NodeId) -> NodeId {
        if self.is_entry(next) { next } else { self.shared(Node::Mask { bits, next }) }
    }

    /// Two ways, unless they are one. Equal branches are one node.
    pub(super) fn branch(&mut self, test: Test, operand: u32, yes: NodeId, no: NodeId) -> NodeId {
        if yes == no { yes } else { self.shared(Node::Branch { test, operand, yes, no }) }
    }

    /// Like [`Graph::branch`], for a branch that cannot have been made before.
    pub(super) fn new_branch(
        &mut self,
        test: Test,
        operand: u32,
        yes: NodeId,
        no: NodeId,
    ) -> NodeId {
        if yes == no { yes } else { self.push(Node::Branch { test, operand, yes, no }) }
    }

    /// `id` as it may be entered when the accumulator already holds what lies at `offset`.
    pub(super) fn loaded(&self, offset: u32, id: NodeId) -> NodeId {
        match self.node(id) {
            Node::Load { offset: same, next } if same == offset => next,
            _ => id,
        }
    }

    /// Whether `id` may be entered with anything in the accumulator.
    pub(super) fn is_entry(&self, id: NodeId) -> bool {
        matches!(self.node(id), Node::Return(_) | Node::Load { .. })
    }

    fn shared(&mut self, node: Node) -> NodeId {
        if let Some(&id) = self.known.get(&node) {
            return id;
        }
        let id = self.push(node);
        self.known.insert(node, id);
        id
    }

    fn push(&mut self, node: Node) -> NodeId {
        // Unreachable overflow: 2³² nodes are 96 GiB.
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(node);
        id
    }
}
