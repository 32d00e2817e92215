//! What annotations of ours take away, as steps.
//!
//! It knows where in the child's life they belong. What a newcomer would get wrong: Landlock wants CAP_SYS_ADMIN or
//! no_new_privs, and forbids writes to procfs that nobody allowed; so it comes after the label is written and before the
//! capabilities go.

use crate::error::{Error, Kind, Result};
use crate::host::Host;
use crate::plan::step::{Act, LandlockRules, Phase, Step, Steps};
use crate::plan::text;
use crate::spec::{Hardening, Landlock};
use rrun_sys::landlock::{Handled, PortRule};

const LANDLOCK: &str = "/annotations/org.rrun.landlock";
const MDWE: &str = "/annotations/org.rrun.mdwe";

/// Adds them before the first of the identity's steps that gives something up.
pub fn harden(
    hardening: &Hardening,
    host: &Host,
    steps: &mut Steps,
    warnings: &mut Vec<String>,
) -> Result<()> {
    let mut acts = Vec::new();
    if hardening.mdwe {
        acts.push((Act::DenyWriteExecute, MDWE));
    }
    if let Some(landlock) = &hardening.landlock
        && let Some(rules) = rules(landlock, host.landlock, warnings)?
    {
        acts.push((Act::Landlock(rules), LANDLOCK));
    }
    let before = |step: &Step| matches!(step.act, Act::LimitBounding { .. });
    let at = steps.list.iter().position(before).unwrap_or(steps.list.len());
    let added = acts.into_iter().map(|(act, pointer)| Step {
        phase: Phase::Identity,
        act,
        pointer: pointer.into(),
    });
    steps.list.splice(at..at, added);
    Ok(())
}

/// What this kernel takes of the ruleset; `None` when that is nothing.
fn rules(
    landlock: &Landlock,
    version: u32,
    warnings: &mut Vec<String>,
) -> Result<Option<LandlockRules>> {
    let (known, missing) = landlock.on(version);
    if !missing.is_empty() {
        let lacks = match version {
            0 => "this kernel has no Landlock".to_owned(),
            _ => format!("Landlock {version} of this kernel lacks {}", missing.join(", ")),
        };
        if !landlock.lenient {
            return Err(Error::new(Kind::Host, lacks)
                .at(LANDLOCK)
                .hint("boot a newer kernel with lsm=landlock, or say \"mode\": \"bestEffort\""));
        }
        warnings.push(format!("{LANDLOCK}: {lacks}; the rest is enforced"));
    }
    let Landlock { files, network, scopes, paths, ports, lenient } = known;
    let handled = Handled { files, network, scopes };
    if handled == Handled::default() {
        return Ok(None);
    }
    let paths = paths.iter();
    let paths = paths.map(|(path, access)| Ok((text(LANDLOCK, path.relative())?, *access)));
    let ports =
        ports.iter().map(|(port, access)| PortRule { access: *access, port: (*port).into() });
    Ok(Some(LandlockRules {
        handled,
        paths: paths.collect::<Result<_>>()?,
        ports: ports.collect(),
        lenient,
    }))
}
