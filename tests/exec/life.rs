//! The process's streams, its end, and many of them at once.

use super::{detached, lives, process_file, running, sleeper};
use rrun_harness::{Leftovers, Must, Running, Stdio, eventually, requires};
use serde_json::{Value, json};

#[test]
fn a_mebibyte_goes_in_and_comes_out() {
    requires!(root);
    let bundle = running();
    let bytes: Vec<u8> = (0..1 << 20).map(|n: u32| b'!' + (n % 90) as u8).collect();
    let command = bundle.runtime().command(["exec", bundle.id(), "probe", "echo"]);
    let output = Running::start(command, &Stdio::Input(bytes.clone()), bundle.path()).wait();
    let output = output.success();
    assert!(output.stdout().as_bytes() == bytes, "{} bytes came out", output.stdout().len());
    assert_eq!(output.stderr(), "");
}

#[test]
fn the_two_outputs_stay_apart() {
    requires!(root, busybox);
    let bundle = running();
    let output = bundle.exec(&[], &["sh", "-c", "echo out; echo err >&2; exit 4"]).code(4);
    assert_eq!((output.stdout().as_str(), output.stderr()), ("out\n", "err\n"));
}

#[test]
fn signals_of_the_runtime_reach_the_process() {
    requires!(root);
    let bundle = running();
    for (signal, number) in
        [(nix::sys::signal::Signal::SIGTERM, 15), (nix::sys::signal::Signal::SIGUSR1, 10)]
    {
        let running = bundle.start_exec(&[], &["probe", "trap", &number.to_string(), "33"]);
        running.expect_stdout("ready");
        running.signal(signal);
        running.wait().code(33);
    }
}

#[test]
fn the_process_ends_with_its_container() {
    requires!(root);
    let bundle = running();
    let pid = detached(&bundle, "pid");
    let foreground = bundle.start_exec(&[], &["probe", "sleep"]);
    foreground.expect_stdout("ready");
    bundle.kill("KILL").success();
    foreground.wait().code(137);
    assert!(eventually(|| !lives(pid)), "the detached process lives on");
    bundle.expect_status("stopped");
    bundle.delete().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn without_a_pid_namespace_the_process_ends_when_its_container_is_deleted() {
    requires!(root);
    let bundle = sleeper().without_namespace("pid");
    bundle.up();
    let facts = bundle.exec(&[], &["probe", "facts", "ids"]).success().json();
    assert!(facts["ids"]["pid"].as_i64().is_some_and(|pid| pid > 1), "{facts}");
    let pid = detached(&bundle, "pid");
    bundle.delete_force().success();
    assert!(eventually(|| !lives(pid)), "it lives on without its container");
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_background_process_is_not_waited_for_and_goes_to_the_containers_init() {
    requires!(root, busybox);
    // A shell reaps what it inherits.
    let bundle = sleeper().script("while :; do sleep 1; done");
    bundle.up();
    // Runc, which copies the output, would wait for whoever may still write to it.
    let script = "sleep 1000 >/dev/null 2>&1 & echo $!";
    let orphan = bundle.exec(&[], &["sh", "-c", script]).success().stdout();
    let parent = format!("cut -d' ' -f4 /proc/{}/stat", orphan.trim());
    bundle.exec(&[], &["sh", "-c", &parent]).success().stdout_is("1\n");
    bundle.exec(&[], &["kill", "-KILL", orphan.trim()]).success();
    let gone = format!("[ ! -e /proc/{} ]", orphan.trim());
    let reaped = || bundle.exec(&[], &["sh", "-c", &gone]).exit_code() == 0;
    assert!(eventually(reaped), "nobody reaped the orphan");
}

#[test]
fn many_run_at_once() {
    requires!(root);
    let bundle = running();
    let all: Vec<Running> = (0..50)
        .map(|n| bundle.start_exec(&[], &["probe", "say", &format!("number {n}")]))
        .collect();
    for (n, running) in all.into_iter().enumerate() {
        running.wait().success().stdout_is(&format!("number {n}\n"));
    }
    let facts = bundle.exec(&[], &["probe", "facts", "processes"]).success().json();
    assert_eq!(facts["processes"].as_array().map(Vec::len), Some(2), "{facts}");
}

#[test]
fn a_huge_environment_and_many_arguments_arrive() {
    requires!(root);
    let bundle = running();
    let file = process_file(&bundle, |process| {
        let many: Vec<Value> =
            (0..4000).map(|n| json!(format!("VARIABLE_{n}={}", "x".repeat(100)))).collect();
        process["env"] = json!(many);
        let words = ["/bin/probe", "facts", "env"].map(str::to_owned);
        process["args"] = json!(words);
    });
    let facts = bundle.exec(&["--process", &file], &[]).success().json();
    let env = facts["env"].as_object().must("read the environment");
    assert_eq!(env.keys().filter(|name| name.starts_with("VARIABLE_")).count(), 4000);

    let file = process_file(&bundle, |process| {
        let words = ["/bin/probe", "facts", "args"].map(str::to_owned);
        let many = (0..4000).map(|_| "args".to_owned());
        process["args"] = json!(words.into_iter().chain(many).collect::<Vec<_>>());
    });
    let facts = bundle.exec(&["--process", &file], &[]).success().json();
    assert_eq!(facts["args"].as_array().map(Vec::len), Some(4003));

    // 128 KiB is the longest that one string may be (MAX_ARG_STRLEN).
    let file = process_file(&bundle, |process| {
        process["env"] = json!([format!("A={}", "x".repeat(1 << 18))])
    });
    let output = bundle.exec(&["--process", &file], &[]).code(255);
    // Runc 1.1.5 sets its own environment to the process's, and then does not find the program.
    if bundle.runtime().is_rrun() {
        output.stderr_has("argument list too long");
    }
}
