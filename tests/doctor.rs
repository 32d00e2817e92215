//! `doctor`: a verdict is worth what `create` and `start` make of it.
//!
//! Knows bundles that some host refuses, each with what is wrong in it. Refuses to know which host this is: a bundle is
//! refused here if and only if it does not start here, and then for a field that the doctor named. A newcomer would write
//! down the verdicts of one machine.

#[path = "doctor/cases.rs"]
mod cases;

use cases::{CASES, Case};
use rrun_harness::{Bundle, Leftovers, Must, Output, Runtime, requires};
use serde_json::{Value, json};
use std::fs;

fn doctor(bundle: &Bundle) -> Output {
    bundle.write_config();
    let path = bundle.path().to_string_lossy().into_owned();
    bundle.runtime().call(["doctor", "--json", "--bundle", &path])
}

fn pointers(verdict: &Value) -> Vec<String> {
    let refused = verdict["refused"].as_array().must("find what is refused");
    refused.iter().map(|one| one["pointer"].as_str().must("a pointer").to_owned()).collect()
}

/// The entry that a failed `verb` logs.
fn failure(bundle: &Bundle, verb: &[&str]) -> Option<Value> {
    let log = bundle.path().join("log.json");
    drop(fs::remove_file(&log));
    let name = log.to_string_lossy().into_owned();
    let words = ["--log", &name, "--log-format", "json"];
    let words = words.into_iter().chain(verb.iter().copied()).chain([bundle.id()]);
    let output = bundle.runtime().call(words);
    if output.exit_code() == 0 {
        return None;
    }
    let text = fs::read_to_string(&log).must("read the log");
    Some(serde_json::from_str(text.lines().last().must("a failure")).must("an entry"))
}

/// Why the bundle does not start; `None` when it does.
fn reason(bundle: &Bundle) -> Option<Value> {
    bundle.write_config();
    let path = bundle.path().to_string_lossy().into_owned();
    let reason =
        failure(bundle, &["create", "--bundle", &path]).or_else(|| failure(bundle, &["start"]));
    bundle.delete_force().success();
    reason
}

/// Whether a pointer is one of RFC 6901, to what is there, or to what is missing in an object that is there.
fn leads_somewhere(config: &Value, pointer: &str) -> bool {
    let parent = pointer.rsplit_once('/').map(|(parent, _)| config.pointer(parent));
    let in_object = matches!(parent, Some(Some(Value::Object(_))));
    config.pointer(pointer).is_some() || in_object && !pointer.contains(' ')
}

fn agree(case: &Case, bundle: &Bundle) {
    let verdict = doctor(bundle).json();
    let refused = pointers(&verdict);
    let reason = reason(bundle);
    let told = format!("{}: refused {refused:?}, and it failed by {reason:?}", case.name);
    let config = bundle.config();
    let named = match case.named.split_once("/LAST") {
        None => case.named.to_owned(),
        Some((list, rest)) => {
            let list_of = config.pointer(list).and_then(Value::as_array).must("find a list");
            format!("{list}/{}{rest}", list_of.len() - 1)
        }
    };
    for pointer in &refused {
        assert!(leads_somewhere(config, pointer), "{pointer} is nowhere; {told}");
    }
    match &reason {
        None => assert!(refused.is_empty(), "{told}"),
        Some(_) => {
            assert!(refused.contains(&named), "{named} is not named; {told}");
        }
    }
    // What the start says of itself is among it, too.
    if let Some(pointer) = reason.as_ref().and_then(|reason| reason["pointer"].as_str()) {
        let near = |one: &String| pointer.starts_with(one.as_str()) || one.starts_with(pointer);
        assert!(refused.iter().any(near), "{told}");
    }
    for one in verdict["refused"].as_array().into_iter().flatten() {
        assert!(one["why"].as_str().is_some_and(|why| why.len() > 5), "{told}");
    }
}

#[test]
fn a_bundle_is_refused_if_and_only_if_it_does_not_start() {
    requires!(root, rrun);
    let mut failed = 0;
    for case in CASES {
        let bundle = (case.edit)(Bundle::new().args(["probe", "sleep"]));
        agree(case, &bundle);
        failed += usize::from(!pointers(&doctor(&bundle).json()).is_empty());
        Leftovers::assert_none(&bundle);
    }
    assert!(failed >= 12, "only {failed} of the bundles were refused: the others asked nothing");
}

#[test]
fn every_refusal_is_told_at_once_by_the_pointers_that_were_written() {
    requires!(root, rrun);
    let bundle = Bundle::new()
        .args(["nobody"])
        .set(
            "/process/rlimits",
            json!([
                { "type": "RLIMIT_BOGUS", "soft": 1, "hard": 1 },
                { "type": "RLIMIT_CORE", "soft": 1, "hard": 1 },
                { "type": "RLIMIT_BOGUS", "soft": 1, "hard": 1 },
            ]),
        )
        .mount("", "tmpfs", "tmpfs", &[])
        .mount("/x", "bind", "/nowhere/at/all", &["bind"])
        .set("/linux/sysctl", json!({ "kernel.nobody": "1" }));
    let count = bundle.config()["mounts"].as_array().must("find the mounts").len();
    let verdict = doctor(&bundle).code(1).json();
    let refused = pointers(&verdict);
    let config = bundle.config();
    assert!(refused.iter().all(|pointer| leads_somewhere(config, pointer)), "{refused:?}");
    for expected in [
        "/process/rlimits/0/type".to_owned(),
        "/process/rlimits/2/type".to_owned(),
        format!("/mounts/{}/destination", count - 2),
        format!("/mounts/{}/source", count - 1),
        "/process/args/0".to_owned(),
    ] {
        assert!(refused.contains(&expected), "{expected} is not in {refused:?}");
    }
    assert!(refused.iter().any(|pointer| pointer.starts_with("/linux/sysctl")), "{refused:?}");
    assert!(!refused.iter().any(|pointer| pointer.starts_with("/process/rlimits/1")));
    assert_eq!(verdict["good"], false);
}

#[test]
fn the_host_is_judged_by_what_it_does_and_nothing_is_left() {
    requires!(root, rrun);
    let runtime = Runtime::under_test();
    let running = runtime.start_command(["doctor", "--json"]);
    let own = format!("rrun-doctor-{}", running.pid());
    let output = running.wait();
    for root in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
        let left = fs::read_dir(root).map(|all| all.flatten().any(|one| *one.file_name() == *own));
        assert!(!left.unwrap_or(false), "{own} is left in {root}");
    }
    let verdict = output.json();
    let checks = verdict["host"].as_array().must("find the checks");
    let of = |name: &str| {
        let found = checks.iter().find(|check| check["check"] == name);
        found.must(name)["verdict"].as_str().must("a verdict").to_owned()
    };
    // Tests run containers here, so this much is known.
    for name in ["kernel", "system calls", "cgroups", "device guard", "seccomp", "file systems"] {
        assert_eq!(of(name), "good", "{verdict:#}");
    }
    assert_eq!(verdict["good"], true);
    assert_eq!(output.exit_code(), 0);
    for check in checks {
        assert_eq!(check["fix"].is_null(), check["verdict"] == "good", "{check}");
    }
    let text = runtime.call(["doctor"]).success().stdout();
    assert!(text.ends_with("containers will start here\n"), "{text}");
    for check in checks {
        assert!(text.contains(check["check"].as_str().must("a name")), "{text}");
    }
    assert_eq!(
        of("capabilities") == "good",
        rrun_harness::requires::missing(rrun_harness::requires::Need::Capability(24)).is_none()
    );
}

#[test]
fn a_bundle_that_is_not_there_is_refused_as_a_whole() {
    requires!(rrun);
    let runtime = Runtime::under_test();
    let output = runtime.call(["doctor", "--bundle", "/nowhere/at/all"]).code(1);
    output.stdout_has("refused  bundle: read /nowhere/at/all/config.json");
}
