//! The runtime dies in the middle, as by `kill -9`: its child dies with it, and what else is left a forced delete finds.

use crate::fixtures::{Handouts, everything, is_slow, words};
use rrun_harness::{Bundle, Leftovers, Runtime, eventually, requires};
use std::iter::empty;

/// The runtime of `bundle`, killed at the `n`-th point it passes.
fn killed(bundle: &Bundle, n: usize) -> Runtime {
    bundle.runtime().clone().with_env("RRUN_KILL_HOST", n)
}

/// No process of the container, though its cgroup and its state may still be there.
fn has_processes(bundle: &Bundle) -> bool {
    Leftovers::of(bundle).0.iter().any(|line| line.starts_with("process "))
}

#[test]
fn a_child_dies_with_the_create_that_was_killed_and_delete_force_clears_the_rest() {
    requires!(root, rrun);
    let bundle = everything().args(["probe", "sleep"]);
    bundle.write_config();
    let mut interrupted = 0;
    for n in (0..).step_by(if is_slow() { 3 } else { 1 }) {
        let handouts = Handouts::of(&bundle);
        let output = killed(&bundle, n).call(words("create", &bundle, handouts.flags()));
        if output.exit_code() == 0 {
            break;
        }
        drop(output.code(137));
        interrupted += 1;
        // The child holds the reservation until it has noticed.
        let state = || bundle.runtime().state(bundle.id());
        assert!(eventually(|| !state().stdout().contains("\"creating\"")), "{}", state().account());
        // Once the record is there the container is complete: only the pid file was still to come.
        if state().exit_code() == 0 {
            assert_eq!(bundle.status(), "created");
        } else {
            assert!(eventually(|| !has_processes(&bundle)), "{:?}", Leftovers::of(&bundle));
            bundle.start().failure().stderr_has("does not exist");
            bundle.delete().failure().stderr_has("delete --force");
        }
        bundle.delete_force().success();
        Leftovers::assert_none(&bundle);
    }
    assert!(interrupted > 6, "create passed only {interrupted} points");
}

#[test]
fn an_id_whose_run_was_killed_can_be_used_again_after_a_forced_delete() {
    requires!(root, rrun);
    let bundle = everything().args(["probe", "sleep"]);
    bundle.write_config();
    let last = (0..)
        .find(|&n| {
            let mut run = killed(&bundle, n).start_command(words("run", &bundle, empty()));
            // Past its last point it supervises a program that sleeps for ever.
            let settled = || !run.is_running() || run.stdout().contains("ready");
            assert!(eventually(settled), "run neither died nor ran");
            let ran = run.is_running();
            drop(run);
            bundle.delete_force().success();
            Leftovers::assert_none(&bundle);
            ran
        })
        .unwrap_or_default();
    assert!(last > 8, "run passed only {last} points");
}
