//! The order of the steps as rules: what today's runtimes keep in comments, checked here for every plan that a test makes.

use crate::plan::step::{Act, Step};
use rrun_sys::script::Checkpoint;

/// Every rule that `steps` breaks, as a sentence. Empty for a sound plan.
#[must_use]
pub fn violations(steps: &[Step]) -> Vec<String> {
    let mut broken = Vec::new();
    let first = |wanted: fn(&Act) -> bool| steps.iter().position(|step| wanted(&step.act));
    let last = |wanted: fn(&Act) -> bool| steps.iter().rposition(|step| wanted(&step.act));
    let mut before = |what: &str, earlier: Option<usize>, later: Option<usize>| {
        if let (Some(earlier), Some(later)) = (earlier, later) {
            if earlier >= later {
                broken.push(format!("{what}: step {earlier} must come before step {later}"));
            }
        }
    };
    let cloned = first(|act| matches!(act, Act::Reach(Checkpoint::Cloned)));
    let become_root = first(|act| matches!(act, Act::BecomeRoot { .. }));
    before("the id maps are written before any id changes", cloned, become_root);
    let ids = first(|act| matches!(act, Act::Ids { .. }));
    let bounding = last(|act| matches!(act, Act::LimitBounding { .. }));
    before("the bounding set shrinks while CAP_SETPCAP is held", bounding, ids);
    let groups = last(|act| matches!(act, Act::Groups(_)));
    before("groups change while CAP_SETGID is held", groups, ids);
    let caps = last(|act| matches!(act, Act::Capabilities { .. }));
    before("the last capability change follows the change of user", ids, caps);
    let root = last(|act| matches!(act, Act::Pivot | Act::MoveRoot | Act::Chroot));
    let hidden = last(|act| matches!(act, Act::Mask { .. } | Act::ReadOnly { .. }));
    before("everything is hidden before the root changes", hidden, root);
    let mounted = last(|act| matches!(act, Act::Mount { .. } | Act::Bind { .. }));
    let first_hidden = first(|act| matches!(act, Act::Mask { .. } | Act::ReadOnly { .. }));
    before("masks come after the mounts they hide", mounted, first_hidden);
    let entered = last(|act| matches!(act, Act::WorkingDirectory { lenient: false, .. }));
    before("the working directory is checked inside the new root", root, entered);
    before("the working directory is entered as the user", ids, entered);
    let ready = first(|act| matches!(act, Act::Reach(Checkpoint::Ready)));
    before(
        "the program is looked for before the container counts as created",
        first(|act| matches!(act, Act::FindProgram)),
        ready,
    );
    before("the identity changes after start", ready, ids);
    let filter = first(|act| matches!(act, Act::Seccomp { .. }));
    let no_new = first(|act| matches!(act, Act::NoNewPrivileges));
    before("no_new_privs precedes the filter that relies on it", no_new, filter);
    before(
        "descriptors are closed before the filter could forbid it",
        last(|act| matches!(act, Act::CloseFrom(_))),
        filter,
    );
    before(
        "the host is told before the filter could forbid it",
        first(|act| matches!(act, Act::Announce)),
        filter,
    );
    let exec = first(|act| matches!(act, Act::Exec));
    if exec != Some(steps.len().saturating_sub(1)) {
        broken.push("exec is the last step".to_owned());
    }
    if filter.is_some() && no_new.is_some() && filter != exec.and_then(|exec| exec.checked_sub(1)) {
        broken.push("with no_new_privs the filter comes directly before exec".to_owned());
    }
    if steps.first().is_none_or(|step| !matches!(step.act, Act::CloseFrom(_))) {
        broken.push("descriptors are marked before anything else".to_owned());
    }
    for pair in steps.windows(2) {
        if let [earlier, later] = pair {
            if earlier.phase > later.phase {
                broken.push(format!("{:?} comes after {:?}", earlier.phase, later.phase));
            }
        }
    }
    broken
}
