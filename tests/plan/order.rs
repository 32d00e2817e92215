//! The rules of `plan::order`: every plan keeps them, and each can be broken.

use super::{fixtures, machines};
use rrun::plan::order::{rules, violations};
use rrun::plan::{Act, Step};
use std::collections::BTreeSet;

/// Every plan of every fixture that a machine doesn't refuse.
fn plans() -> Vec<(String, Vec<Step>)> {
    let mut plans = Vec::new();
    for machine in machines() {
        let created = fixtures(false).into_iter().map(|f| (f.plan(&machine.host), f.name));
        let kinds = (libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWUSER).unsigned_abs();
        let executed = fixtures(true).into_iter().map(|f| (f.exec(&machine.host, kinds), f.name));
        for (plan, name) in created.chain(executed) {
            if let Ok(plan) = plan {
                plans.push((format!("{name}, {}", machine.name), plan.steps));
            }
        }
    }
    plans
}

#[test]
fn every_plan_keeps_every_rule() {
    let plans = plans();
    assert!(plans.len() > 20, "only {} plans", plans.len());
    for (name, steps) in plans {
        assert_eq!(violations(&steps), Vec::<String>::new(), "{name}");
    }
}

/// Moves a step to another place.
fn moved(steps: &[Step], from: usize, to: usize) -> Vec<Step> {
    let mut steps = steps.to_vec();
    let step = steps.remove(from);
    steps.insert(to, step);
    steps
}

/// The sentence of a rule: without where it was broken.
fn rule(violation: &str) -> &str {
    violation.split(": ").next().unwrap_or_default()
}

#[test]
fn every_rule_speaks_when_a_step_is_in_the_wrong_place() {
    let mut spoken = BTreeSet::new();
    for (_, steps) in plans() {
        for from in 0..steps.len() {
            // To either end, and one place on.
            for to in [0, (from + 1).min(steps.len() - 1), steps.len() - 1] {
                let broken = violations(&moved(&steps, from, to));
                spoken.extend(broken.iter().map(|violation| rule(violation).to_owned()));
            }
        }
    }
    let silent: Vec<&str> = rules().filter(|rule| !spoken.contains(*rule)).collect();
    assert_eq!(silent, Vec::<&str>::new(), "no plan here could break these rules");
}

/// Which step.
type Wanted = fn(&Act) -> bool;

#[test]
fn each_swap_that_endangers_the_host_is_named() {
    let is_filter = |act: &Act| matches!(act, Act::Seccomp { .. });
    let cases: [(Wanted, Wanted, &str); 5] = [
        (
            |act| matches!(act, Act::LimitBounding { .. }),
            |act| matches!(act, Act::Ids { .. }),
            "the bounding set shrinks while CAP_SETPCAP is held",
        ),
        (
            |act| matches!(act, Act::Mask { .. }),
            |act| *act == Act::Pivot,
            "everything is hidden before the root changes",
        ),
        (
            |act| matches!(act, Act::WorkingDirectory { lenient: false, .. }),
            |act| matches!(act, Act::Ids { .. }),
            "the working directory is entered as the user",
        ),
        (
            is_filter,
            |act| *act == Act::Announce,
            "the host is told before the filter could forbid it",
        ),
        (
            |act| *act == Act::NoNewPrivileges,
            is_filter,
            "no_new_privs precedes the filter that relies on it",
        ),
    ];
    for (one, other, says) in cases {
        let mut tried = 0;
        for (name, mut steps) in plans() {
            let place = |wanted: Wanted| steps.iter().position(|step| wanted(&step.act));
            let (Some(a), Some(b)) = (place(one), place(other)) else { continue };
            steps.swap(a, b);
            let broken = violations(&steps);
            assert!(broken.iter().any(|v| rule(v) == says), "{name}: {says}: {broken:?}");
            tried += 1;
        }
        assert!(tried > 0, "no plan has both steps of: {says}");
    }
}

#[test]
fn a_plan_without_its_ends_is_none() {
    for (name, steps) in plans() {
        let (last, rest) = steps.split_last().expect("steps");
        assert_eq!(last.act, Act::Exec, "{name}");
        assert!(violations(rest).contains(&"exec is the last step".to_owned()), "{name}");
        let headless = violations(&steps[1..]);
        let says = "descriptors are marked before anything else".to_owned();
        assert!(headless.contains(&says), "{name}");
    }
}
