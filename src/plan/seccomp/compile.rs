//! A profile and a machine become a program.
//!
//! It knows which architecture is asked first and what meets a call that no rule names. It refuses to know opcodes.
//! What a newcomer would get wrong: an unnamed number *below* the newest that the profile names gets the default action,
//! one *above* gets ENOSYS, so that a libc newer than the profile falls back instead of failing with EPERM.
//!
//! ```text
//! arch == x86_64? ── yes ── nr without the x32 bit ── search ─┬─ verdict
//!      │                                                      ├─ conditions on arguments ── verdict
//!      │                                                      └─ 512 and above ── nr again ── x32's own search
//! arch == i386? ──── yes ── nr ── search ── …
//!      └─ kill the thread
//! ```
//!
//! * An architecture that the profile does not list kills the thread, as libseccomp's default for a bad architecture
//!   does and runc keeps. The native one is always listed, since libseccomp adds it.
//! * x32 shares `x86_64`'s search: the kernel gives both one table, except for x32's own numbers from 512 on. Arguments
//!   are compared in 64 bits, which is what x32's registers hold. When x32 is not listed its numbers kill the thread;
//!   -1, with which a tracer skips a call, gets the default action.
//! * ENOSYS for newer numbers is runc's rule: it applies unless the default action lets calls through (ALLOW, LOG,
//!   TRACE), and on an architecture of which the profile names at least one call.

use super::condition::Layout;
use super::graph::{ARCH, Graph, NUMBER, NodeId, Test};
use super::machine::{Abi, Machine, X32_BIT, X32_OWN};
use super::rules::{Claims, Ruling};
use super::search::Ranges;
use super::{ALLOW, ERRNO, KILL_PROCESS, KILL_THREAD, LOG, NOTIFY, TRACE, TRAP};
use crate::spec::{Action, Arch, Profile};

/// The graph of a profile, and where it begins.
pub(super) fn compile(profile: &Profile, machine: &Machine) -> (Graph, NodeId) {
    let mut compiler = Compiler::new(profile, machine);
    let bad = compiler.graph.verdict(KILL_THREAD);
    let mut root = bad;
    // From the last to the first: the native architecture is asked first.
    let claims = compiler.claims(profile);
    for (abi, claims) in claims.into_iter().rev() {
        let search = compiler.architecture(abi, claims);
        root = compiler.graph.branch(Test::Equal, abi.audit, search, root);
    }
    let root = compiler.graph.load(ARCH, root);
    (compiler.graph, root)
}

/// The architectures of `machine` that `profile` lists, the native one first.
pub(super) fn architectures<'m>(profile: &Profile, machine: &'m Machine) -> Vec<&'m Abi> {
    let (native, others) = machine.abis.split_at(1);
    let listed = others.iter().filter(|abi| profile.architectures.contains(&abi.arch));
    native.iter().chain(listed).collect()
}

/// Whether `profile` lists x32 and `machine` has it.
pub(super) fn has_x32(profile: &Profile, machine: &Machine) -> bool {
    machine.x32.is_some() && profile.architectures.contains(&Arch::X32)
}

struct Compiler<'m> {
    graph: Graph,
    machine: &'m Machine,
    with_x32: bool,
    default: NodeId,
    /// What meets a number that is newer than the profile.
    newer: NodeId,
}

/// The claims on one architecture's blocks.
struct Claimed<'p> {
    block: Claims<'p>,
    /// ARM's private numbers, or x32's own.
    apart: Option<Claims<'p>>,
}

impl<'m> Compiler<'m> {
    fn new(profile: &Profile, machine: &'m Machine) -> Self {
        let mut graph = Graph::default();
        let default = graph.verdict(verdict(profile.default_action));
        let newer = match profile.default_action {
            Action::Allow | Action::Log | Action::Trace(_) => default,
            Action::KillProcess
            | Action::KillThread
            | Action::Trap
            | Action::Errno(_)
            | Action::Notify => graph.verdict(ERRNO | ENOSYS),
        };
        Self { graph, machine, with_x32: has_x32(profile, machine), default, newer }
    }

    /// Every name is looked up once, for all architectures.
    fn claims<'p>(&mut self, profile: &'p Profile) -> Vec<(&'m Abi, Claimed<'p>)> {
        let machine = self.machine;
        let mut claimed: Vec<_> = architectures(profile, machine)
            .into_iter()
            .map(|abi| (abi, self.claimed(abi)))
            .collect();
        for rule in &profile.rules {
            let verdict = self.graph.verdict(verdict(rule.action));
            let ruling = Ruling::of(rule, verdict, profile.default_action);
            for entry in rule.names.iter().filter_map(|name| machine.table.find(name)) {
                for (_, claimed) in &mut claimed {
                    claimed.block.add(entry, ruling);
                    if let Some(apart) = &mut claimed.apart {
                        apart.add(entry, ruling);
                    }
                }
            }
        }
        claimed
    }

    fn claimed<'p>(&self, abi: &Abi) -> Claimed<'p> {
        let layout = Layout { width: abi.width, big_endian: self.machine.big_endian };
        let apart = match (abi.arch, self.with_x32) {
            (Arch::X86_64, true) => self.machine.x32,
            _ => abi.apart,
        };
        Claimed {
            block: Claims::new(abi.block, layout, abi.multiplexes),
            apart: apart.map(|block| Claims::new(block, layout, false)),
        }
    }

    /// An entry that decides on every call of `abi`.
    fn architecture(&mut self, abi: &Abi, claimed: Claimed<'_>) -> NodeId {
        let Claimed { block, apart } = claimed;
        let newer = if block.names_any() { self.newer } else { self.default };
        let mut ranges = Ranges::default();
        ranges.from(0, self.default);
        let (_, end) = block.span();
        block.settle(&mut self.graph, self.default, &mut ranges);
        if abi.zero_is_unknown {
            ranges.begin_with(self.newer);
        }
        ranges.from(end, newer);
        match (abi.arch, apart) {
            (Arch::X86_64, Some(x32)) => return self.sharing_x32(ranges, x32, newer),
            (Arch::X86_64, None) => {
                let bad = self.graph.verdict(KILL_THREAD);
                ranges.from(X32_BIT, bad);
                ranges.from(u32::MAX, self.default);
            }
            (_, Some(apart)) => self.settle_apart(apart, newer, &mut ranges),
            (_, None) => {}
        }
        self.search(&ranges)
    }

    /// Numbers without the x32 bit, and x32's own behind them.
    fn sharing_x32(&mut self, mut shared: Ranges, x32: Claims<'_>, newer: NodeId) -> NodeId {
        let mut own = Ranges::default();
        own.from(0, newer);
        self.settle_apart(x32, newer, &mut own);
        let own = self.search(&own);
        shared.from(X32_OWN, own);
        match shared.search(&mut self.graph) {
            Some(search) => {
                let search = self.graph.mask(!X32_BIT, search);
                self.graph.load(NUMBER, search)
            }
            None => self.default,
        }
    }

    fn settle_apart(&mut self, apart: Claims<'_>, newer: NodeId, ranges: &mut Ranges) {
        if apart.names_any() {
            let (_, end) = apart.span();
            apart.settle(&mut self.graph, self.default, ranges);
            ranges.from(end, newer);
        }
    }

    fn search(&mut self, ranges: &Ranges) -> NodeId {
        match ranges.search(&mut self.graph) {
            Some(search) => self.graph.load(NUMBER, search),
            None => self.default,
        }
    }
}

/// `ENOSYS` is one number on each architecture that has a table here, except MIPS.
const ENOSYS: u32 = libc::ENOSYS as u32;

/// `SECCOMP_RET_*` with its data. The kernel reads an errno above 4,095 as 4,095.
fn verdict(action: Action) -> u32 {
    match action {
        Action::KillProcess => KILL_PROCESS,
        Action::KillThread => KILL_THREAD,
        Action::Trap => TRAP,
        Action::Errno(errno) => ERRNO | u32::from(errno),
        Action::Notify => NOTIFY,
        Action::Trace(message) => TRACE | u32::from(message),
        Action::Log => LOG,
        Action::Allow => ALLOW,
    }
}
