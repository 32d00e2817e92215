//! `linux.memoryPolicy`: from which NUMA nodes memory comes.
//!
//! It knows which nodes and flags a mode takes (set_mempolicy(2)). It refuses to know which nodes this machine has.
//! What a newcomer would get wrong: an empty `nodes` is no list of nothing but no list; MPOL_PREFERRED takes either.

use super::at::At;
use super::number_set::NumberSet;
use super::wire;
use super::wire::Text;
use crate::error::Result;

/// `linux.memoryPolicy`, as set_mempolicy(2) takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryPolicy {
    /// `MPOL_*`, the kernel's number, without flags.
    pub mode: u32,
    /// Its name.
    pub name: &'static str,
    /// `MPOL_F_*`.
    pub flags: u32,
    /// The nodes.
    pub nodes: NumberSet,
}

const DEFAULT: u32 = 0;
const PREFERRED: u32 = 1;
const BIND: u32 = 2;
const LOCAL: u32 = 4;
const PREFERRED_MANY: u32 = 5;
const WEIGHTED_INTERLEAVE: u32 = 6;

/// `MPOL_*` of set_mempolicy(2).
pub const MODES: &[(&str, (u32, &str))] = &[
    ("MPOL_DEFAULT", (DEFAULT, "MPOL_DEFAULT")),
    ("MPOL_BIND", (BIND, "MPOL_BIND")),
    ("MPOL_INTERLEAVE", (3, "MPOL_INTERLEAVE")),
    ("MPOL_WEIGHTED_INTERLEAVE", (WEIGHTED_INTERLEAVE, "MPOL_WEIGHTED_INTERLEAVE")),
    ("MPOL_PREFERRED", (PREFERRED, "MPOL_PREFERRED")),
    ("MPOL_PREFERRED_MANY", (PREFERRED_MANY, "MPOL_PREFERRED_MANY")),
    ("MPOL_LOCAL", (LOCAL, "MPOL_LOCAL")),
];

/// `MPOL_F_*`.
pub const FLAGS: &[(&str, u32)] = &[
    ("MPOL_F_NUMA_BALANCING", BALANCING),
    ("MPOL_F_RELATIVE_NODES", RELATIVE),
    ("MPOL_F_STATIC_NODES", STATIC),
];
const BALANCING: u32 = 1 << 13;
const RELATIVE: u32 = 1 << 14;
const STATIC: u32 = 1 << 15;

impl MemoryPolicy {
    pub(super) fn read(at: At<'_>, policy: wire::MemoryPolicy<'_>) -> Result<Self> {
        let wire::MemoryPolicy { mode, nodes, flags } = policy;
        let mode = at.required("mode", mode)?;
        let (mode, name) = at.key("mode").one_of(&mode, "memory policy", MODES)?;
        let nodes = match nodes {
            Some(list) => NumberSet::read(at.key("nodes"), &list)?,
            None => NumberSet::default(),
        };
        let flags = read_flags(at.key("flags"), flags)?;
        let this = Self { mode, name, flags, nodes };
        this.check(at)?;
        Ok(this)
    }

    /// The first kernel that has this mode: major and minor.
    #[must_use]
    pub fn since(&self) -> (u32, u32) {
        match self.mode {
            PREFERRED_MANY => (5, 15),
            WEIGHTED_INTERLEAVE => (6, 9),
            _ => (2, 6),
        }
    }

    fn check(&self, at: At<'_>) -> Result<()> {
        let (mode, name, flags) = (self.mode, self.name, self.flags);
        match (mode, self.nodes.is_empty()) {
            (DEFAULT | LOCAL, false) => {
                let error = at.key("nodes").wrong(format!("{name} takes no nodes"));
                return Err(error.hint("leave them out"));
            }
            (DEFAULT | LOCAL | PREFERRED, _) | (_, false) => {}
            (_, true) => {
                let message = format!("{name} needs a node");
                return Err(at.key("nodes").wrong(message).hint("write a list like 0-3,7"));
            }
        }
        let at = at.key("flags");
        if flags & RELATIVE != 0 && flags & STATIC != 0 {
            return Err(at
                .wrong("nodes can't be relative and static")
                .hint("use one of MPOL_F_RELATIVE_NODES, MPOL_F_STATIC_NODES"));
        }
        if flags & (RELATIVE | STATIC) != 0 && self.nodes.is_empty() {
            let error = at.wrong("there are no nodes that could be relative or static");
            return Err(error.hint("name nodes, or leave the flag out"));
        }
        if flags & BALANCING != 0 && mode != BIND && mode != PREFERRED_MANY {
            let message =
                format!("{name} has no balancing; MPOL_BIND and MPOL_PREFERRED_MANY have");
            return Err(at.wrong(message).hint("use one of the two, or leave the flag out"));
        }
        Ok(())
    }
}

fn read_flags(at: At<'_>, flags: wire::Texts<'_>) -> Result<u32> {
    let mut all = 0;
    at.each(flags, |at, flag: Text<'_>| {
        let bit = at.one_of(&flag, "flag of a memory policy", FLAGS)?;
        if all & bit != 0 {
            return Err(at.twice(&flag));
        }
        all |= bit;
        Ok(())
    })?;
    Ok(all)
}

/// The names of a policy's flags, without their common beginning.
pub(crate) fn flag_names(flags: u32) -> Vec<&'static str> {
    let set = FLAGS.iter().filter(|(_, bit)| flags & bit != 0);
    set.map(|(name, _)| name.trim_start_matches("MPOL_F_")).collect()
}
