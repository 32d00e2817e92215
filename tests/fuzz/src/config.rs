//! `config.json` to a plan, on five kinds of host, for `create` and for `exec`.
//!
//! What a newcomer would get wrong: most of what a random document does wrong is found by the JSON parser. The seeds are
//! whole configurations for that reason.

use super::is_one_line;
use rrun::error::Error;
use rrun::host::Host;
use rrun::id::ContainerId;
use rrun::plan::show::{explain, explain_json};
use rrun::plan::{ExecRequest, Plan, Request, order};
use rrun::spec::Spec;
use std::path::Path;

/// Any document is a plan that keeps the rules of order and can be shown, or an error of one line.
pub fn check(data: &[u8]) {
    let spec = match Spec::parse(data, Path::new("/bundle")) {
        Ok(spec) => spec,
        Err(error) => return told(&error),
    };
    spec.warnings.iter().for_each(|warning| is_one_line(warning));
    let again = Spec::parse(data, Path::new("/bundle"));
    assert!(again.is_ok_and(|again| again.mounts == spec.mounts), "it parses in two ways");
    let id = ContainerId::new("fuzz").unwrap();
    let hosts = [
        Host::fixture(),
        Host::hybrid_fixture(),
        Host::rootless_fixture(&[]),
        Host::rootless_fixture(&["cpu", "memory", "pids"]),
        Host { permitted_caps: 0, ..Host::fixture() },
    ];
    let requests = [
        Request::default(),
        Request { gate: true, no_pivot: true, no_new_keyring: true, ..Request::default() },
    ];
    for host in &hosts {
        for request in &requests {
            match Plan::create(&id, &spec, host, request) {
                Ok(plan) => planned(&plan, &spec, host),
                Err(error) => told(&error),
            }
        }
        exec(&id, &spec, host);
    }
}

fn planned(plan: &Plan, spec: &Spec, host: &Host) {
    let broken = order::violations(&plan.steps);
    assert!(broken.is_empty(), "{broken:?}");
    assert!(!explain(plan, spec, host, "/bundle").is_empty());
    let shown = explain_json(plan, spec, host, "/bundle").to_string();
    let read: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert!(read.is_object(), "{shown}");
    plan.warnings.iter().for_each(|warning| is_one_line(warning));
}

fn exec(id: &ContainerId, spec: &Spec, host: &Host) {
    let Some(process) = &spec.process else { return };
    let request = ExecRequest {
        kinds: u32::MAX,
        cgroup_join: true,
        profile: spec.seccomp.clone(),
        personality: spec.personality,
        memory_policy: spec.memory_policy.clone(),
        hardening: spec.hardening.clone(),
        gid_map: Vec::new(),
        keep_groups: spec.crun.keep_groups,
    };
    match Plan::exec(id, process, host, &Request::default(), &request) {
        Ok(plan) => {
            let broken = order::violations(&plan.steps);
            assert!(broken.is_empty(), "{broken:?}");
        }
        Err(error) => told(&error),
    }
}

fn told(error: &Error) {
    is_one_line(&error.to_string());
}
