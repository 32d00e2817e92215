//! What the failure of a hook means.

use crate::journal::{Hooked, Journal, PHASES, script};
use rrun_harness::{Bundle, Leftovers, eventually, requires};
use serde_json::json;

/// Kinds whose failure fails `create`.
const CREATING: [&str; 3] = ["prestart", "createRuntime", "createContainer"];

#[test]
fn a_hook_that_fails_while_creating_is_an_error_and_the_container_is_gone() {
    requires!(root, busybox);
    for phase in CREATING {
        let (bundle, journal) = Journal::of(Bundle::new());
        let bundle = bundle
            .hook(phase, script(phase, "echo no luck >&2; exit 3"))
            .notes(phase, &journal, "second")
            .notes("poststop", &journal, "poststop")
            .args(["probe", "say", "program"]);
        let output = bundle.create().failure().stderr_has("exit status 3").stderr_has("no luck");
        assert_eq!(output.stdout(), "", "{phase}");
        bundle.runtime().state(bundle.id()).failure();
        // What earlier hooks did is undone by their counterparts.
        assert_eq!(journal.lines(), ["poststop"], "{phase}");
        bundle.run().failure().stdout_is("");
        Leftovers::assert_none(&bundle);
    }
}

#[test]
fn a_start_container_hook_that_fails_keeps_the_program_from_running() {
    requires!(root, busybox);
    let (bundle, journal) = Journal::of(Bundle::new());
    let bundle = bundle
        .hook("startContainer", script("startContainer", "exit 3"))
        .notes("startContainer", &journal, "second")
        .notes("poststart", &journal, "poststart")
        .notes("poststop", &journal, "poststop")
        .args(["probe", "say", "program"]);
    let created = bundle.create().success();
    let started = bundle.start();
    // runc 1.1 says "started" before the hooks run: its start succeeds.
    if bundle.runtime().is_rrun() {
        started.code(1).stderr_has("startContainer hook").stderr_has("exit status 3");
    }
    bundle.expect_status("stopped");
    assert_eq!(created.stdout(), "");
    bundle.delete().success();
    let mut lines = journal.lines();
    lines.retain(|line| bundle.runtime().is_rrun() || line != "poststart");
    assert_eq!(lines, ["poststop"]);
    Leftovers::assert_none(&bundle);
    bundle.run().failure().stdout_is("");
    Leftovers::assert_none(&bundle);
}

/// What is asked of `create` makes the plan shorter before the gate; `start` makes it again and does not know.
#[test]
fn a_failed_start_is_told_in_the_words_of_its_own_step() {
    requires!(root, rrun, busybox);
    for flags in [&[][..], &["--no-new-keyring"], &["--no-pivot", "--no-new-keyring"]] {
        let bundle = Bundle::new().hook("startContainer", script("startContainer", "exit 3"));
        bundle.create_with(flags).success();
        bundle.start().code(1).stderr_has("startContainer hook").stderr_has("exit status 3");
        bundle.expect_status("stopped");
        bundle.delete().success();
        Leftovers::assert_none(&bundle);
    }
}

/// runc 1.1 runs them as part of `create`, and fails that.
#[test]
fn a_poststart_hook_that_fails_stops_the_container() {
    requires!(root, rrun, busybox);
    let (bundle, journal) = Journal::of(Bundle::new().args(["probe", "sleep"]));
    let bundle = bundle
        .hook("poststart", script("poststart", "exit 3"))
        .notes("poststart", &journal, "second")
        .notes("poststop", &journal, "poststop");
    bundle.create().success();
    bundle.start().failure().stderr_has("exit status 3");
    bundle.expect_status("stopped");
    bundle.delete().success();
    assert_eq!(journal.lines(), ["poststop"]);
    for flags in [&[][..], &["--detach"]] {
        bundle.run_with(flags).failure().stderr_has("exit status 3");
        bundle.runtime().state(bundle.id()).failure();
        Leftovers::assert_none(&bundle);
    }
}

/// runc 1.1 runs no poststop hook after one that failed; the runtime-spec wants the remaining ones to run.
#[test]
fn a_poststop_hook_that_fails_is_a_warning_and_the_others_run() {
    requires!(root, rrun, busybox);
    let (bundle, journal) = Journal::of(Bundle::new());
    let missing = json!({ "path": "/no/such/hook" });
    let bundle = bundle
        .hook("poststop", script("poststop", "exit 3"))
        .hook("poststop", missing)
        .notes("poststop", &journal, "third");
    bundle.up();
    bundle.expect_status("stopped");
    let output = bundle.delete().success().stderr_has("exit status 3");
    drop(output.stderr_has("/no/such/hook"));
    assert_eq!(journal.lines(), ["third"]);
    Leftovers::assert_none(&bundle);
    bundle.run().success().stderr_has("warning");
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_hook_that_is_not_there_fails_as_one_that_fails() {
    requires!(root, busybox);
    for phase in CREATING {
        let bundle = Bundle::new().hook(phase, json!({ "path": "/no/such/hook" }));
        bundle.create().failure().stderr_has("/no/such/hook");
        Leftovers::assert_none(&bundle);
    }
    let bundle = Bundle::new().hook("poststart", json!({ "path": "/no/such/hook" }));
    bundle.run().failure().stderr_has("/no/such/hook");
    Leftovers::assert_none(&bundle);
    // The host has one of this name, the container has not.
    let bundle = Bundle::new().hook("startContainer", json!({ "path": "/usr/bin/env" }));
    bundle.run().failure();
    Leftovers::assert_none(&bundle);
}

/// A process that bears the bundle's path, and is not the runtime.
fn sleepers(bundle: &Bundle) -> usize {
    let found = Leftovers::of(bundle).0;
    found.iter().filter(|line| line.starts_with("process ") && line.contains("sleep 1000")).count()
}

#[test]
fn a_hook_that_takes_longer_than_its_timeout_is_killed_and_has_failed() {
    requires!(root, busybox);
    for phase in PHASES {
        let (bundle, _journal) = Journal::of(Bundle::new());
        let mut hook = script(phase, &format!("exec sleep 1000 {}", bundle.id()));
        hook["timeout"] = json!(1);
        let bundle = bundle.hook(phase, hook);
        let output = bundle.run();
        if phase == "poststop" {
            output.success();
        } else {
            output.failure();
        }
        assert!(eventually(|| sleepers(&bundle) == 0), "{phase}: {:?}", Leftovers::of(&bundle));
        Leftovers::assert_none(&bundle);
    }
}

#[test]
fn a_hook_that_is_fast_enough_does_not_mind_its_timeout() {
    requires!(root, busybox);
    let (bundle, journal) = Journal::of(Bundle::new());
    let bundle = PHASES.into_iter().fold(bundle, |bundle, phase| {
        let mut hook = script(phase, &format!("echo {phase} >>{}", journal.path("lines")));
        hook["timeout"] = json!(600);
        bundle.hook(phase, hook)
    });
    bundle.run().success();
    let mut lines = journal.lines();
    let mut all = PHASES;
    // Their order has a test of its own.
    lines.sort_unstable();
    all.sort_unstable();
    assert_eq!(lines, all);
}

#[test]
fn a_hook_killed_by_a_signal_has_failed() {
    requires!(root, busybox);
    for phase in ["createRuntime", "createContainer"] {
        let bundle = Bundle::new().hook(phase, script(phase, "kill -9 $$"));
        let output = bundle.create().failure();
        if bundle.runtime().is_rrun() {
            drop(output.stderr_has("killed by signal 9"));
        }
        Leftovers::assert_none(&bundle);
    }
}
