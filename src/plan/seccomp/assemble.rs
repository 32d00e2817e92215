//! Decisions get addresses: a graph becomes instructions.
//!
//! It knows opcodes and the reach of a jump. It refuses to know what is decided. What a newcomer would get wrong: the
//! program is written from its end, because every jump goes forward and a distance is known only once its target is
//! placed.

use rrun_sys::seccomp::Instruction;

use super::graph::{Graph, Node, NodeId, Test};

/// `BPF_LD | BPF_W | BPF_ABS`
pub(super) const LOAD: u16 = 0x20;
/// `BPF_ALU | BPF_AND | BPF_K`
pub(super) const AND: u16 = 0x54;
/// `BPF_JMP | BPF_JA`
pub(super) const JUMP: u16 = 0x05;
/// `BPF_JMP | BPF_JEQ | BPF_K`
pub(super) const JUMP_EQUAL: u16 = 0x15;
/// `BPF_JMP | BPF_JGT | BPF_K`
pub(super) const JUMP_GREATER: u16 = 0x25;
/// `BPF_JMP | BPF_JGE | BPF_K`
pub(super) const JUMP_AT_LEAST: u16 = 0x35;
/// `BPF_JMP | BPF_JSET | BPF_K`
pub(super) const JUMP_ANY_BIT: u16 = 0x45;
/// `BPF_RET | BPF_K`
pub(super) const RETURN: u16 = 0x06;

/// The program that begins at `root`.
pub(super) fn assemble(graph: &Graph, root: NodeId) -> Vec<Instruction> {
    let mut program =
        Backwards { graph, placed: vec![None; graph.len()], written: Vec::with_capacity(512) };
    program.place_all(root);
    program.written.reverse();
    program.written
}

/// A program written from its last instruction to its first.
struct Backwards<'g> {
    graph: &'g Graph,
    /// Where in `written` a node can be reached.
    placed: Vec<Option<usize>>,
    written: Vec<Instruction>,
}

impl Backwards<'_> {
    /// Places everything below `root`, each node before those that lead to it.
    fn place_all(&mut self, root: NodeId) {
        let mut open = vec![(root, false)];
        while let Some((id, ready)) = open.pop() {
            if self.placed[id.index()].is_some() {
                continue;
            }
            if ready {
                self.place(id);
                continue;
            }
            open.push((id, true));
            match self.graph.node(id) {
                Node::Return(_) => {}
                Node::Load { next, .. } | Node::Mask { next, .. } => open.push((next, false)),
                // `yes` is placed last, so it follows the branch.
                Node::Branch { yes, no, .. } => open.extend([(yes, false), (no, false)]),
            }
        }
    }

    fn place(&mut self, id: NodeId) {
        let instruction = match self.graph.node(id) {
            Node::Return(verdict) => plain(RETURN, verdict),
            Node::Load { offset, next } => {
                self.fall_into(next);
                plain(LOAD, offset)
            }
            Node::Mask { bits, next } => {
                self.fall_into(next);
                plain(AND, bits)
            }
            Node::Branch { test, operand, yes, no } => {
                let (jt, jf) = self.reach(yes, no);
                Instruction { code: opcode(test), jt, jf, k: operand }
            }
        };
        self.placed[id.index()] = Some(self.written.len());
        self.written.push(instruction);
    }

    /// How many instructions lie between the next one written and `id`.
    fn distance(&self, id: NodeId) -> usize {
        let target = self.placed[id.index()].unwrap_or_default();
        self.written.len().saturating_sub(target + 1)
    }

    /// Makes `next` what the next instruction written is followed by.
    fn fall_into(&mut self, next: NodeId) {
        if self.distance(next) > 0 {
            self.bring_near(next);
        }
    }

    /// The distances of both ways, which fit a byte each after far targets were brought near.
    fn reach(&mut self, yes: NodeId, no: NodeId) -> (u8, u8) {
        loop {
            let (to_yes, to_no) = (self.distance(yes), self.distance(no));
            match (u8::try_from(to_yes), u8::try_from(to_no)) {
                (Ok(jt), Ok(jf)) => return (jt, jf),
                (Err(_), _) => self.bring_near(yes),
                (_, Err(_)) => self.bring_near(no),
            }
        }
    }

    /// A copy of a verdict, or a long jump, right here; later branches use it too.
    fn bring_near(&mut self, id: NodeId) {
        let stand_in = match self.graph.node(id) {
            Node::Return(verdict) => plain(RETURN, verdict),
            // Unreachable overflow: programs longer than 4,096 are refused.
            _ => plain(JUMP, self.distance(id) as u32),
        };
        self.placed[id.index()] = Some(self.written.len());
        self.written.push(stand_in);
    }
}

fn plain(code: u16, k: u32) -> Instruction {
    Instruction { code, jt: 0, jf: 0, k }
}

fn opcode(test: Test) -> u16 {
    match test {
        Test::Equal => JUMP_EQUAL,
        Test::Greater => JUMP_GREATER,
        Test::AtLeast => JUMP_AT_LEAST,
        Test::AnyBit => JUMP_ANY_BIT,
    }
}
