//! The life of a container through the command line: verbs, statuses, exit codes.
//!
//! Every test here also holds for runc (`RUNTIME_UNDER_TEST=runc`): a test the reference fails is suspect.

#[path = "lifecycle/crun.rs"]
mod crun;
#[path = "lifecycle/handed_out.rs"]
mod handed_out;
#[path = "lifecycle/many.rs"]
mod many;
#[path = "lifecycle/table.rs"]
mod table;
#[path = "lifecycle/threads.rs"]
mod threads;

use std::fs;

use nix::sys::signal::Signal;
use rrun_harness::{Bundle, Leftovers, Must, Runtime, eventually, requires};
use serde_json::{Value, json};

/// A container that lives until it is killed.
fn sleeper() -> Bundle {
    Bundle::new().args(["probe", "sleep"])
}

/// A container whose process ends with 0 on SIGTERM; pid 1 would otherwise ignore it.
fn terminable() -> Bundle {
    Bundle::new().args(["probe", "trap", "15", "0"])
}

fn text(value: &Value) -> &str {
    value.as_str().must("read a string")
}

#[test]
fn run_exits_with_the_code_of_the_process() {
    requires!(root);
    for code in [0, 7, 255] {
        let bundle = Bundle::new().args(["probe", "exit", &code.to_string()]);
        bundle.run().code(code);
        Leftovers::assert_none(&bundle);
    }
}

#[test]
fn run_exits_with_128_plus_the_signal_that_ended_the_process() {
    requires!(root);
    // Sent from outside, because pid 1 cannot end itself by a signal.
    for (name, code) in [("KILL", 137), ("TERM", 143)] {
        let bundle = sleeper().without_namespace("pid");
        let running = bundle.start_run(&[]);
        running.expect_stdout("ready");
        bundle.kill(name).success();
        running.wait().code(code);
        Leftovers::assert_none(&bundle);
    }
}

#[test]
fn run_passes_stdin_stdout_and_stderr_through() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "echo"]);
    let every_byte: Vec<u8> = (0..=127).collect();
    let output = bundle.run_with_input(&every_byte).success();
    assert_eq!(output.stdout().as_bytes(), every_byte);
    assert_eq!(output.stderr(), "");
}

#[test]
fn run_forwards_the_signals_it_gets_to_the_process() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "trap", "15", "9"]);
    let running = bundle.start_run(&[]);
    running.expect_stdout("ready");
    running.signal(Signal::SIGTERM);
    running.wait().code(9);
}

#[test]
fn a_program_that_is_not_there_is_named_and_nothing_is_left() {
    requires!(root);
    let bundle = Bundle::new().args(["no-such-program"]);
    bundle.run().failure().stderr_has("no-such-program");
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_container_goes_from_created_to_running_to_stopped_to_gone() {
    requires!(root);
    let bundle = terminable();
    bundle.create().success();
    assert_eq!(bundle.status(), "created");
    bundle.start().success();
    assert_eq!(bundle.status(), "running");
    bundle.kill("TERM").success();
    bundle.expect_status("stopped");
    bundle.delete().success();
    bundle.runtime().state(bundle.id()).failure();
    Leftovers::assert_none(&bundle);
}

#[test]
fn the_process_does_not_start_before_start() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "say", "started"]);
    let created = bundle.create().success();
    assert_eq!(created.stdout(), "");
    bundle.start().success();
    assert!(eventually(|| created.stdout() == "started\n"), "{}", created.account());
}

#[test]
fn detached_run_returns_while_the_process_lives() {
    requires!(root);
    let bundle = sleeper();
    bundle.run_with(&["--detach"]).success();
    assert_eq!(bundle.status(), "running");
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn the_pid_file_names_the_process_that_state_names() {
    requires!(root);
    let bundle = sleeper();
    let file = bundle.path().join("pid");
    bundle.create_with(&["--pid-file", &file.to_string_lossy()]).success();
    let pid = fs::read_to_string(&file).must("read the pid file");
    assert_eq!(pid, bundle.state()["pid"].to_string());
    let exists = fs::metadata(format!("/proc/{pid}"));
    assert!(exists.is_ok(), "there is no process {pid}");
}

#[test]
fn state_has_every_field_that_the_specification_and_callers_want() {
    requires!(root);
    let bundle = sleeper().set("/annotations", json!({ "org.example.key": "value" }));
    bundle.create().success();
    let state = bundle.state();
    assert_eq!(state["id"], bundle.id());
    assert_eq!(state["status"], "created");
    assert!(state["pid"].as_i64().is_some_and(|pid| pid > 1), "{state}");
    assert_eq!(text(&state["bundle"]), bundle.path().to_string_lossy());
    assert_eq!(text(&state["rootfs"]), bundle.rootfs().to_string_lossy());
    assert_eq!(state["annotations"]["org.example.key"], "value");
    assert!(text(&state["ociVersion"]).starts_with("1."), "{state}");
    assert!(state.get("owner").is_some(), "{state}");
    let created = text(&state["created"]);
    assert!(created.ends_with('Z') && created.contains('T'), "{created} is not RFC 3339 in UTC");
}

#[test]
fn a_stopped_container_has_no_pid() {
    requires!(root);
    let bundle = Bundle::new();
    bundle.up();
    bundle.expect_status("stopped");
    assert_eq!(bundle.state()["pid"], 0);
}

#[test]
fn an_id_nobody_knows_is_an_error_that_says_so() {
    requires!(root);
    let runtime = Runtime::under_test();
    for verb in ["state", "start", "kill", "delete"] {
        let output = runtime.call([verb, "nobody"]).failure();
        output.stderr_has("container does not exist");
    }
    runtime.call(["exec", "nobody", "true"]).failure().stderr_has("container does not exist");
}

#[test]
fn forced_deletion_of_nothing_succeeds() {
    requires!(root);
    let runtime = Runtime::under_test();
    runtime.call(["delete", "--force", "nobody"]).success();
}

#[test]
fn an_id_in_use_is_refused_and_its_container_lives_on() {
    requires!(root);
    let bundle = sleeper();
    bundle.up();
    bundle.create().failure().stderr_has("exists");
    bundle.run().failure().stderr_has("exists");
    assert_eq!(bundle.status(), "running");
}

#[test]
fn ids_that_could_leave_the_state_directory_are_refused() {
    requires!(root);
    let bundle = Bundle::new();
    bundle.write_config();
    let path = bundle.path().to_string_lossy().into_owned();
    for id in ["../escape", "a/b", "", ".", ".."] {
        bundle.runtime().call(["create", "--bundle", &path, id]).failure();
    }
}

#[test]
fn a_running_container_is_deleted_only_by_force() {
    requires!(root);
    let bundle = sleeper();
    bundle.up();
    bundle.delete().failure().stderr_has("not stopped");
    assert_eq!(bundle.status(), "running");
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn what_a_living_container_holds_is_what_the_check_for_leftovers_sees() {
    requires!(root);
    let bundle = sleeper();
    bundle.up();
    let found = Leftovers::of(&bundle).0;
    for kind in ["cgroup ", "process ", "state "] {
        assert!(found.iter().any(|line| line.starts_with(kind)), "no {kind}in {found:?}");
    }
}

#[test]
fn a_created_container_is_deleted_by_force() {
    requires!(root);
    let bundle = sleeper();
    bundle.create().success();
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_created_container_can_be_killed_before_it_starts() {
    requires!(root);
    let bundle = sleeper();
    bundle.create().success();
    bundle.kill("KILL").success();
    bundle.expect_status("stopped");
    bundle.start().failure();
    bundle.delete().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_container_starts_once() {
    requires!(root);
    let bundle = sleeper();
    bundle.up();
    bundle.start().failure();
    assert_eq!(bundle.status(), "running");
}

#[test]
fn kill_without_a_signal_sends_term() {
    requires!(root);
    let bundle = terminable();
    let created = bundle.up();
    assert!(eventually(|| created.stdout().contains("ready")), "{}", created.account());
    bundle.runtime().call(["kill", bundle.id()]).success();
    bundle.expect_status("stopped");
}

#[test]
fn signals_are_names_with_or_without_sig_or_numbers() {
    requires!(root);
    for spelling in ["SIGUSR1", "USR1", "usr1", "10"] {
        let bundle = Bundle::new().args(["probe", "trap", "10", "0"]);
        let created = bundle.up();
        assert!(eventually(|| created.stdout().contains("ready")), "{}", created.account());
        bundle.kill(spelling).success();
        bundle.expect_status("stopped");
    }
}

#[test]
fn a_signal_that_does_not_exist_is_refused_and_nothing_is_sent() {
    requires!(root);
    let bundle = sleeper();
    bundle.up();
    bundle.kill("SIGNONSENSE").failure();
    assert_eq!(bundle.status(), "running");
}

#[test]
fn a_stopped_container_cannot_be_signalled() {
    requires!(root);
    let bundle = Bundle::new();
    bundle.up();
    bundle.expect_status("stopped");
    bundle.kill("TERM").failure().stderr_has("not running");
}

#[test]
fn exec_exits_with_the_code_of_its_process() {
    requires!(root);
    let bundle = sleeper();
    bundle.up();
    for code in [0, 7] {
        bundle.exec(&[], &["probe", "exit", &code.to_string()]).code(code);
    }
    bundle.exec(&[], &["probe", "kill-self", "9"]).code(137);
    bundle.exec(&[], &["probe", "kill-self", "15"]).code(143);
    bundle.exec(&[], &["probe", "say", "hello"]).success().stdout_is("hello\n");
}

#[test]
fn exec_joins_the_namespaces_of_its_container() {
    requires!(root);
    let bundle = sleeper();
    bundle.up();
    let pid = bundle.state()["pid"].to_string();
    let facts = bundle.exec(&[], &["probe", "facts", "namespaces", "ids"]).success().json();
    for kind in ["pid", "net", "ipc", "uts", "mnt"] {
        let link = fs::read_link(format!("/proc/{pid}/ns/{kind}"))
            .must("read a namespace of the container");
        let inode = facts["namespaces"][kind].to_string();
        assert!(link.to_string_lossy().contains(&inode), "{kind}: {} and {inode}", link.display());
    }
    assert!(facts["ids"]["pid"].as_i64().is_some_and(|pid| pid > 1), "{facts}");
}

#[test]
fn exec_takes_user_cwd_and_environment_from_its_flags() {
    requires!(root);
    let bundle = sleeper();
    bundle.up();
    let flags = ["--user", "12:34", "--cwd", "/tmp", "--env", "GREETING=hello"];
    let facts = bundle.exec(&flags, &["probe", "facts", "user", "cwd", "env"]).success().json();
    assert_eq!(facts["user"]["uid"], 12);
    assert_eq!(facts["user"]["gid"], 34);
    assert_eq!(facts["cwd"], "/tmp");
    assert_eq!(facts["env"]["GREETING"], "hello");
}

#[test]
fn exec_in_a_stopped_container_fails() {
    requires!(root);
    let bundle = Bundle::new();
    bundle.up();
    bundle.expect_status("stopped");
    bundle.exec(&[], &["probe", "exit", "0"]).failure();
}

#[test]
fn exec_of_a_program_that_is_not_there_fails_and_the_container_lives_on() {
    requires!(root);
    let bundle = sleeper();
    bundle.up();
    bundle.exec(&[], &["no-such-program"]).failure().stderr_has("no-such-program");
    assert_eq!(bundle.status(), "running");
}
