//! The order of the steps as rules: what other runtimes keep in comments, checked here for every plan that a test makes.
//!
//! It knows which order is safe and why; it refuses to sort: `plan` makes the steps in their order, and a test that
//! finds a violation has found a bug there. What a newcomer would get wrong: a rule about steps that a plan doesn't have
//! is kept, so a rule is only worth what the plans are that tests check it on.

use crate::plan::step::{Act, Step};
use rrun_sys::script::Checkpoint;

/// One rule, named by the sentence it says when it is broken.
struct Rule {
    says: &'static str,
    earlier: Place,
    later: Place,
}

/// A step of a plan: the first or the last of a kind.
#[derive(Clone, Copy)]
enum Place {
    First(fn(&Act) -> bool),
    Last(fn(&Act) -> bool),
}

impl Place {
    fn find(self, steps: &[Step]) -> Option<usize> {
        match self {
            Self::First(is) => steps.iter().position(|step| is(&step.act)),
            Self::Last(is) => steps.iter().rposition(|step| is(&step.act)),
        }
    }
}

/// `place!(first PATTERN)`: the first step whose act matches.
macro_rules! place {
    (first $act:pat) => {
        Place::First(|act| matches!(act, $act))
    };
    (last $act:pat) => {
        Place::Last(|act| matches!(act, $act))
    };
}

const CLONED: Place = place!(first Act::Reach(Checkpoint::Cloned));
const READY: Place = place!(first Act::Reach(Checkpoint::Ready));
const ROOT: Place =
    place!(last Act::Pivot | Act::MoveRoot | Act::Chroot | Act::Withdraw { .. } | Act::EnterRoot);
const IDS: Place = place!(first Act::Ids { .. });
const ENTERED: Place = place!(last Act::WorkingDirectory { lenient: false, .. });
const NO_NEW: Place = place!(first Act::NoNewPrivileges);
const FILTER: Place = place!(first Act::Seccomp { .. });
const EXEC: Place = place!(first Act::Exec);

/// What comes before what.
const RULES: [Rule; 14] = [
    Rule {
        says: "the id maps are written before any id changes",
        earlier: CLONED,
        later: place!(first Act::BecomeRoot { .. }),
    },
    Rule {
        says: "processors are chosen in the cgroup that has them",
        earlier: place!(first Act::JoinCgroups),
        later: place!(first Act::Affinity(_)),
    },
    Rule {
        says: "masks come after the mounts they hide",
        earlier: place!(last Act::Mount { .. } | Act::Bind { .. } | Act::BindLink { .. }),
        later: place!(first Act::Mask { .. } | Act::ReadOnly { .. }),
    },
    Rule {
        says: "everything is hidden before the root changes",
        earlier: place!(last Act::Mask { .. } | Act::ReadOnly { .. }),
        later: ROOT,
    },
    Rule {
        says: "the program is looked for before the container counts as created",
        earlier: place!(first Act::FindProgram),
        later: READY,
    },
    Rule { says: "the identity changes after start", earlier: READY, later: IDS },
    Rule {
        says: "the bounding set shrinks while CAP_SETPCAP is held",
        earlier: place!(last Act::LimitBounding { .. }),
        later: IDS,
    },
    Rule {
        says: "groups change while CAP_SETGID is held",
        earlier: place!(last Act::Groups(_)),
        later: IDS,
    },
    Rule {
        says: "the last capability change follows the change of user",
        earlier: IDS,
        later: place!(last Act::Capabilities { .. }),
    },
    Rule {
        says: "the working directory is checked inside the new root",
        earlier: ROOT,
        later: ENTERED,
    },
    Rule { says: "the working directory is entered as the user", earlier: IDS, later: ENTERED },
    Rule {
        says: "no_new_privs precedes the filter that relies on it",
        earlier: NO_NEW,
        later: FILTER,
    },
    Rule {
        says: "descriptors are closed before the filter could forbid it",
        earlier: place!(last Act::CloseFrom(_)),
        later: FILTER,
    },
    Rule {
        says: "the host is told before the filter could forbid it",
        earlier: place!(first Act::Announce),
        later: FILTER,
    },
];

const EXEC_LAST: &str = "exec is the last step";
const FILTER_LAST: &str = "with no_new_privs the filter comes directly before exec";
const MARKED_FIRST: &str = "descriptors are marked before anything else";
const PHASES: &str = "phases follow each other";

/// The sentence of every rule.
pub fn rules() -> impl Iterator<Item = &'static str> {
    let ends = [EXEC_LAST, FILTER_LAST, MARKED_FIRST, PHASES];
    RULES.iter().map(|rule| rule.says).chain(ends)
}

/// Every rule that `steps` breaks: its sentence, then where. Empty for a sound plan.
#[must_use]
pub fn violations(steps: &[Step]) -> Vec<String> {
    let mut broken: Vec<String> = RULES.iter().filter_map(|rule| rule.broken_by(steps)).collect();
    let exec = EXEC.find(steps);
    if exec != Some(steps.len().saturating_sub(1)) {
        broken.push(EXEC_LAST.to_owned());
    }
    let (filter, no_new) = (FILTER.find(steps), NO_NEW.find(steps));
    if filter.is_some() && no_new.is_some() && filter != exec.and_then(|exec| exec.checked_sub(1)) {
        broken.push(FILTER_LAST.to_owned());
    }
    if steps.first().is_none_or(|step| !matches!(step.act, Act::CloseFrom(_))) {
        broken.push(MARKED_FIRST.to_owned());
    }
    for (earlier, later) in steps.iter().zip(steps.iter().skip(1)) {
        if earlier.phase > later.phase {
            broken.push(format!("{PHASES}: {:?} comes before {:?}", earlier.phase, later.phase));
        }
    }
    broken
}

impl Rule {
    fn broken_by(&self, steps: &[Step]) -> Option<String> {
        let earlier = self.earlier.find(steps)?;
        let later = self.later.find(steps)?;
        (earlier >= later)
            .then(|| format!("{}: step {earlier} must come before step {later}", self.says))
    }
}
