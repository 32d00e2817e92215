//! What of a bundle this host will refuse: every field that a start would stumble over, not only the first.
//!
//! It knows how to go on after a refusal: the field is taken out of the configuration, which is then read, planned and
//! tried again. It refuses to have rules of its own where a start has some: the parser, the plan and the making of the
//! cgroup are asked; only what happens after the clone is looked up here.
//! What a newcomer would get wrong: what is taken out of a list moves the rest of it up. A pointer of the changed
//! configuration is told as one of the configuration that was written.

use super::{Refusal, look};
use crate::cmd::args::{CreateArgs, DoctorArgs, Globals};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::host::{Host, OwnCgroup};
use crate::id::ContainerId;
use crate::launch::cgroup::Cgroup;
use crate::plan::Plan;
use crate::plan::cgroup::CgroupPlan;
use crate::runtime::Bundle;
use crate::spec::Spec;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// More than anybody wants to read at once.
const MOST: usize = 100;

/// All refusals, in the order in which a start would meet them.
pub(super) fn refusals(globals: &Globals, args: &DoctorArgs) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    if let Err(error) = judge(globals, args, &mut refusals) {
        refusals.push(refusal(&error, error.pointer().unwrap_or_default().to_owned()));
    }
    refusals
}

fn judge(globals: &Globals, args: &DoctorArgs, refusals: &mut Vec<Refusal>) -> Result<()> {
    let path = std::path::absolute(args.bundle.as_deref().unwrap_or(Path::new(".")))
        .context(|| "find the working directory")?;
    let file = args.config.clone().unwrap_or_else(|| path.join("config.json"));
    let json = std::fs::read(&file).context(|| format!("read {}", file.display()))?;
    let mut trial = Trial { globals, path, json, removed: Vec::new() };
    let (bundle, plan) = loop {
        let error = match trial.perform() {
            Ok(done) => break done,
            Err(error) => error,
        };
        let pointer = error.pointer().unwrap_or_default().to_owned();
        if trial.is_ours(&pointer) {
            // Missing because it was taken out: what needs it goes, too, and is no refusal of its own.
            let parent = pointer.rsplit_once('/').map(|(parent, _)| parent.to_owned());
            if !parent.is_some_and(|parent| trial.remove(&parent)) {
                return Ok(());
            }
            continue;
        }
        refusals.push(refusal(&error, trial.as_written(&pointer)));
        if refusals.len() >= MOST || !trial.remove(&pointer) {
            return Ok(());
        }
    };
    for found in look::refusals(&bundle, &plan) {
        refusals.push(Refusal { pointer: trial.as_written(&found.pointer), ..found });
    }
    Ok(())
}

fn refusal(error: &Error, pointer: String) -> Refusal {
    let fix = error.hint_text().map(str::to_owned);
    let place = error.pointer().map(|pointer| format!(" (at {pointer})")).unwrap_or_default();
    let mut why = error.to_string().replacen(&place, "", usize::from(!place.is_empty()));
    // The text of an error ends with what is told apart here.
    if let Some(rest) = fix.as_ref().and_then(|fix| why.strip_suffix(&format!("; {fix}"))) {
        why = rest.to_owned();
    }
    Refusal { pointer, why, fix }
}

/// A configuration that gets smaller.
struct Trial<'a> {
    globals: &'a Globals,
    path: PathBuf,
    json: Vec<u8>,
    /// What was taken out, as it was written.
    removed: Vec<String>,
}

impl Trial<'_> {
    fn perform(&self) -> Result<(Bundle, Plan)> {
        let spec = Spec::parse(&self.json, &self.path)?;
        let mut host = Host::probe(OwnCgroup::Wanted)?;
        host.ask_security();
        let bundle = Bundle { path: self.path.clone(), config: None, spec, host };
        let id = ContainerId::new(&format!("rrun-doctor-{}", std::process::id()))?;
        let request = crate::cmd::request(self.globals, &CreateArgs::plain(id.clone()), &bundle);
        let plan = bundle.plan(&id, &request)?;
        if let Some(cgroup) = &plan.cgroup {
            Cgroup::check_free(cgroup)?;
            try_cgroup(cgroup)?;
        }
        Ok((bundle, plan))
    }

    /// Whether something at `pointer`, or in it, was taken out.
    fn is_ours(&self, pointer: &str) -> bool {
        let written = self.as_written(pointer);
        let below = |removed: &String| {
            removed
                .strip_prefix(&written)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.removed.iter().any(below)
    }

    /// Takes out what is at `pointer`; false when there is nothing, or all of it.
    fn remove(&mut self, pointer: &str) -> bool {
        let Some((parent, last)) = pointer.rsplit_once('/') else { return false };
        let Ok(mut document) = serde_json::from_slice::<Value>(&self.json) else { return false };
        let key = last.replace("~1", "/").replace("~0", "~");
        let gone = match document.pointer_mut(parent) {
            Some(Value::Object(object)) => object.remove(&key).is_some(),
            Some(Value::Array(list)) => match key.parse::<usize>() {
                Ok(index) if index < list.len() => {
                    list.remove(index);
                    true
                }
                Ok(_) | Err(_) => false,
            },
            _ => false,
        };
        self.removed.push(self.as_written(pointer));
        self.json = document.to_string().into_bytes();
        gone
    }

    /// A pointer of what is left, as one of what was written.
    fn as_written(&self, pointer: &str) -> String {
        let mut written = String::new();
        for part in pointer.split('/').skip(1) {
            let mut place = part.to_owned();
            if let Ok(mut index) = part.parse::<usize>() {
                let mut gone: Vec<usize> = self.gone_from(&written).collect();
                gone.sort_unstable();
                gone.iter().for_each(|taken| index += usize::from(*taken <= index));
                place = index.to_string();
            }
            written.push('/');
            written.push_str(&place);
        }
        written
    }

    /// Which elements were taken out of a list.
    fn gone_from(&self, list: &str) -> impl Iterator<Item = usize> {
        let rest = |removed: &String| removed.strip_prefix(list)?.strip_prefix('/')?.parse().ok();
        self.removed.iter().filter_map(rest).collect::<Vec<_>>().into_iter()
    }
}

/// Makes a cgroup with these limits beside the one that it would be, and removes it.
fn try_cgroup(plan: &CgroupPlan) -> Result<()> {
    let mut plan = plan.clone();
    let places = plan.unified.iter_mut().chain(plan.v1.iter_mut().map(|v1| &mut v1.place));
    for place in places {
        place.path.push_str(&format!(".rrun-doctor-{}", std::process::id()));
    }
    let (cgroup, directory) = Cgroup::make(&plan)?;
    drop(directory);
    cgroup.remove().map_err(|error| error.with_kind(Kind::Kernel))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_taken_out_of_a_list_does_not_change_what_the_others_are_called() {
        let globals = Globals::default();
        let json = json!({ "a": [0, 1, 2, 3], "b~/": 1 }).to_string().into_bytes();
        let mut trial = Trial { globals: &globals, path: PathBuf::new(), json, removed: vec![] };
        assert!(trial.remove("/a/1"));
        assert_eq!(trial.as_written("/a/1"), "/a/2");
        assert!(trial.remove("/a/0"));
        assert_eq!(
            (trial.as_written("/a/0"), trial.as_written("/a/1")),
            ("/a/2".into(), "/a/3".into())
        );
        assert!(trial.remove("/b~0~1"));
        assert!(!trial.remove("/c") && !trial.remove(""));
        assert_eq!(trial.json, br#"{"a":[2,3]}"#);
        assert!(trial.is_ours("/c") && !trial.is_ours("/a/0"));
    }
}
