//! Every step fails once.

use crate::fixtures::{
    Handouts, assert_names_step, assert_nothing_is_left, child_steps, everything, faulty, is_slow,
    minimal, the_error, user_namespace, words,
};
use rrun_harness::{Bundle, Output, requires};
use std::iter::empty;

/// Calls `attempt` with 0, 1, 2, … as the number of the point at which the parent fails, until it passes no further one;
/// each of the others must have been reported. `afterwards` sees what is left every time.
#[track_caller]
fn fail_each_point(mut attempt: impl FnMut(usize) -> Output, code: i32, afterwards: impl Fn(bool)) {
    for n in 0.. {
        let output = attempt(n);
        let failed = output.stderr().contains("injected failure");
        if failed && output.exit_code() != 0 {
            let error = the_error(output, code);
            let message = error["msg"].as_str().unwrap_or_default();
            assert!(message.contains("injected failure: "), "{error}");
        } else {
            // A poststop hook that fails is a warning.
            drop(output.success());
        }
        afterwards(failed);
        if !failed {
            assert!(n > 1, "the parent passed only {n} points");
            return;
        }
    }
}

#[track_caller]
fn fail_each_step_of_run(bundle: &Bundle) {
    let steps = child_steps(bundle);
    assert!(steps > 10, "{steps} steps are not a container's");
    for n in 0..=steps {
        let output = faulty(bundle, "RRUN_FAIL_STEP", n).call(words("run", bundle, empty()));
        if n < steps {
            assert_names_step(&the_error(output, 1), n);
        } else {
            drop(output.success());
        }
        assert_nothing_is_left(bundle);
    }
}

#[track_caller]
fn fail_each_point_of_run(bundle: &Bundle) {
    bundle.write_config();
    let attempt = |n| faulty(bundle, "RRUN_FAIL_HOST", n).call(words("run", bundle, empty()));
    fail_each_point(attempt, 1, |_| assert_nothing_is_left(bundle));
}

#[test]
fn run_leaves_nothing_whichever_step_of_a_full_container_fails() {
    requires!(root, rrun);
    fail_each_step_of_run(&everything().args(["probe", "exit", "0"]));
}

#[test]
fn run_leaves_nothing_wherever_the_parent_of_a_full_container_fails() {
    requires!(root, rrun);
    fail_each_point_of_run(&everything().args(["probe", "exit", "0"]));
}

#[test]
fn run_leaves_nothing_whichever_step_of_a_minimal_container_fails() {
    requires!(root, rrun);
    fail_each_step_of_run(&minimal());
    fail_each_point_of_run(&minimal());
}

#[test]
fn run_leaves_nothing_whichever_step_of_a_container_with_a_user_namespace_fails() {
    requires!(root, rrun);
    if !is_slow() {
        fail_each_step_of_run(&user_namespace());
    }
    fail_each_point_of_run(&user_namespace());
}

#[test]
fn create_leaves_nothing_wherever_the_parent_fails() {
    requires!(root, rrun);
    let bundle = everything().args(["probe", "sleep"]);
    bundle.write_config();
    let attempt = |n| {
        let handouts = Handouts::of(&bundle);
        faulty(&bundle, "RRUN_FAIL_HOST", n).call(words("create", &bundle, handouts.flags()))
    };
    fail_each_point(attempt, 1, |failed| {
        if !failed {
            assert_eq!(bundle.status(), "created");
            bundle.delete_force().success();
            std::fs::remove_file(bundle.path().join("pid")).unwrap();
        }
        assert_nothing_is_left(&bundle);
    });
}

/// Steps up to the gate are errors of `create`, those after it of `start`, and then the container has stopped.
#[test]
fn create_and_start_leave_nothing_whichever_step_fails() {
    requires!(root, rrun);
    if is_slow() {
        return; // The same steps as of `run`, but for the gate.
    }
    let bundle = everything().args(["probe", "exit", "0"]);
    let steps = child_steps(&bundle) + 1;
    let mut of_start = 0;
    for n in 0..steps {
        let handouts = Handouts::of(&bundle);
        let created =
            faulty(&bundle, "RRUN_FAIL_STEP", n).call(words("create", &bundle, handouts.flags()));
        drop(handouts);
        if created.exit_code() != 0 {
            assert_eq!(of_start, 0, "step {n} is an error of create");
            assert_names_step(&the_error(created, 1), n);
        } else {
            of_start += 1;
            let start = faulty(&bundle, "RRUN_NOTHING", n).call(["start", bundle.id()]);
            assert_names_step(&the_error(start, 1), n);
            bundle.expect_status("stopped");
            bundle.start().failure();
            bundle.delete().success();
            std::fs::remove_file(bundle.path().join("pid")).unwrap();
        }
        assert_nothing_is_left(&bundle);
    }
    assert!(of_start > 10 && of_start < steps / 2, "{of_start} steps of {steps} follow the gate");
}

#[test]
fn start_leaves_a_container_that_can_be_deleted_wherever_the_parent_fails() {
    requires!(root, rrun);
    let bundle = everything().set("/process/terminal", false.into()).args(["probe", "sleep"]);
    let attempt = |n| {
        bundle.create().success();
        faulty(&bundle, "RRUN_FAIL_HOST", n).call(["start", bundle.id()])
    };
    fail_each_point(attempt, 1, |_| {
        bundle.delete_force().success();
        assert_nothing_is_left(&bundle);
    });
}

/// The cgroup's processes, which are all that an exec adds to.
fn population(bundle: &Bundle) -> usize {
    let roots = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let cgroups =
        roots.filter_map(|entry| std::fs::read_to_string(entry.path().join("cgroup")).ok());
    cgroups.filter(|lines| lines.contains(bundle.id())).count()
}

#[test]
fn exec_leaves_its_container_as_it_was_whichever_step_fails() {
    requires!(root, rrun);
    let bundle = everything().set("/process/terminal", false.into()).args(["probe", "sleep"]);
    bundle.up();
    assert_eq!(population(&bundle), 1);
    let exec = ["exec", "--tty", bundle.id(), "probe", "exit", "0"];
    let mut failed = 0;
    loop {
        let output = faulty(&bundle, "RRUN_FAIL_STEP", failed).call(exec);
        if output.exit_code() == 0 {
            break;
        }
        assert_names_step(&the_error(output, 255), failed);
        assert_eq!(population(&bundle), 1, "after step {failed}");
        failed += 1;
    }
    assert!(failed > 10, "only {failed} steps");
    let pid_file = format!("--pid-file={}", bundle.path().join("pid").display());
    let exec = ["exec", "--detach", &pid_file, bundle.id(), "probe", "sleep"];
    let attempt = |n| faulty(&bundle, "RRUN_FAIL_HOST", n).call(exec);
    fail_each_point(attempt, 255, |failed| {
        let left: Vec<_> = std::fs::read_dir(bundle.path()).unwrap().flatten().collect();
        assert_eq!(population(&bundle), if failed { 1 } else { 2 });
        assert_eq!(left.iter().any(|entry| entry.file_name() == "pid"), !failed);
        assert!(!left.iter().any(|entry| entry.file_name().to_string_lossy().contains("draft")));
    });
    assert_eq!(bundle.status(), "running");
    bundle.delete_force().success();
    std::fs::remove_file(bundle.path().join("pid")).unwrap();
    assert_nothing_is_left(&bundle);
}
