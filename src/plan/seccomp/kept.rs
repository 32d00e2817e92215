//! Filters that were made before in this process: a shim's containers have mostly one profile, and each `exec` asks for
//! its filter again.
//!
//! It knows whole profiles and what became of them. It refuses to take one profile for another because their digests are
//! the same: who writes a profile could choose it for that, so profiles are compared. What a newcomer would get wrong:
//! nothing of this is on disk. There a filter would have to be believed, and one process for one container would read a
//! file in place of a fraction of a millisecond's work.

use super::{Program, compile};
use crate::error::Result;
use crate::spec::Profile;
use std::sync::{Arc, Mutex, PoisonError};

/// How many: a pod has the profile of its pause container, and that of its others.
const MOST: usize = 4;

/// The last filters of a process that lives on, the newest at the end.
#[derive(Debug, Clone, Default)]
pub struct Filters(Arc<Mutex<Vec<Kept>>>);

#[derive(Debug)]
struct Kept {
    profile: Profile,
    no_new_privs: bool,
    program: Program,
}

impl Filters {
    /// As [`compile`], which is asked only when this profile is none of the last.
    ///
    /// # Errors
    /// As [`compile`]; a profile that has no filter is not kept.
    pub fn compile(&self, profile: &Profile, no_new_privs: bool) -> Result<Program> {
        // Whoever panicked had not begun to change the list: it is changed by one call.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |one: &Kept| one.no_new_privs == no_new_privs && one.profile == *profile;
        if let Some(place) = kept.iter().position(is_it) {
            kept[place..].rotate_left(1);
            return Ok(kept[kept.len() - 1].program.clone());
        }
        let program = compile(profile, no_new_privs)?;
        if kept.len() == MOST {
            kept.remove(0);
        }
        kept.push(Kept { profile: profile.clone(), no_new_privs, program: program.clone() });
        Ok(program)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Action, Rule};

    /// A profile that is another for each number.
    fn profile(number: u16) -> Profile {
        let rule =
            Rule { names: vec!["mkdir".into()], action: Action::Errno(number), args: Vec::new() };
        Profile {
            default_action: Action::Allow,
            architectures: Vec::new(),
            flags: None,
            listener_path: None,
            listener_metadata: None,
            rules: vec![rule],
        }
    }

    fn errors(filters: &Filters) -> Vec<Action> {
        let kept = filters.0.lock().expect("nobody panicked");
        kept.iter().map(|one| one.profile.rules[0].action).collect()
    }

    #[test]
    fn a_filter_is_made_once_for_a_profile_and_is_the_one_that_would_be_made() {
        let filters = Filters::default();
        for number in [1, 2, 1, 2] {
            let made = compile(&profile(number), true).expect("a filter");
            assert_eq!(filters.compile(&profile(number), true).expect("a filter"), made);
        }
        assert_eq!(errors(&filters), [1, 2].map(Action::Errno));
        // What is said about who installs it differs.
        let other = filters.clone().compile(&profile(1), false).expect("a filter");
        assert_eq!(other, compile(&profile(1), false).expect("a filter"));
        assert_eq!(errors(&filters), [1, 2, 1].map(Action::Errno));
    }

    #[test]
    fn who_was_not_asked_for_longest_goes_first_and_a_failure_is_not_kept() {
        let filters = Filters::default();
        for number in [1, 2, 3, 4, 1, 5] {
            filters.compile(&profile(number), true).expect("a filter");
        }
        assert_eq!(errors(&filters), [3, 4, 1, 5].map(Action::Errno));
        let wrong = Profile { default_action: Action::Notify, ..profile(6) };
        filters.compile(&wrong, true).expect_err("a refusal");
        assert_eq!(errors(&filters).len(), MOST);
    }
}
