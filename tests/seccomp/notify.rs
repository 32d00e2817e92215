//! `SCMP_ACT_NOTIFY`: an agent on the host answers.

use nix::sys::signal::Signal;
use rrun_harness::{Bundle, Leftovers, Must, Running, Stdio, eventually, harness_binary, requires};
use serde_json::{Value, json};
use std::process::Command;

/// A bundle whose profile notifies of these calls, and the agent that answers.
struct Stage {
    agent: Running,
    bundle: Bundle,
}

impl Stage {
    #[track_caller]
    fn new(names: &[&str], answers: &[String]) -> Stage {
        let bundle = Bundle::new();
        let socket = bundle.path().join("agent.sock");
        let mut command = Command::new(harness_binary("probe"));
        command.arg("agent").arg(&socket).args(answers);
        let agent = Running::start(command, &Stdio::Kept, bundle.path());
        agent.expect_stdout("ready");
        let bundle = bundle.set(
            "/linux/seccomp",
            json!({
                "defaultAction": "SCMP_ACT_ALLOW",
                "listenerPath": socket,
                "listenerMetadata": "some metadata",
                "syscalls": [{ "names": names, "action": "SCMP_ACT_NOTIFY" }],
            }),
        );
        Stage { agent, bundle }
    }

    /// The messages that came with descriptors.
    #[track_caller]
    fn messages(&self) -> Vec<Value> {
        let said = self.agent.stdout();
        let messages = said.lines().filter_map(|line| line.strip_prefix("message "));
        messages.map(|text| serde_json::from_str(text).must("parse a message")).collect()
    }
}

fn umask(answer: &str) -> String {
    format!("{}={answer}", libc::SYS_umask)
}

fn call() -> [String; 4] {
    ["probe".into(), "syscall".into(), libc::SYS_umask.to_string(), "18".into()]
}

#[test]
fn the_agent_gets_the_descriptor_and_the_state_and_answers_calls() {
    requires!(root);
    for (answer, code, said) in
        [("4711", 0, "4711\n"), ("-100", 1, "ENETDOWN\n"), ("continue", 0, "18\n")]
    {
        let Stage { agent, bundle } = Stage::new(&["umask"], &[umask(answer)]);
        let stage = Stage { agent, bundle: bundle.args(call()) };
        // `continue` returns the program's umask: 022 is 18.
        stage.bundle.run().code(code).stdout_is(said);
        let messages = stage.messages();
        let [message] = messages.as_slice() else { panic!("{messages:?}") };
        assert_eq!(message["fds"], json!(["seccompFd"]));
        assert_eq!(message["metadata"], "some metadata");
        assert_eq!(message["state"]["id"], stage.bundle.id());
        assert_eq!(message["state"]["bundle"], json!(stage.bundle.path()));
        assert!(message["pid"].as_i64().is_some_and(|pid| pid > 1), "{message}");
        assert_eq!(message["pid"], message["state"]["pid"]);
        assert!(message["ociVersion"].is_string(), "{message}");
        let Stage { agent, bundle } = stage;
        drop(agent);
        Leftovers::assert_none(&bundle);
    }
}

#[test]
fn the_calls_that_hand_the_descriptor_over_may_be_notified_too() {
    // The agent answers only once it has the descriptor; runc 1.1.5 refuses to notify of write.
    requires!(root, rrun);
    let names = ["write", "sendmsg", "close", "execve", "read", "futex", "sched_yield"];
    let Stage { agent, bundle } = Stage::new(&names, &[]);
    for no_new in [true, false] {
        let bundle = Bundle::in_runtime(bundle.runtime())
            .set("/linux/seccomp", bundle.config()["linux"]["seccomp"].clone())
            .set("/process/noNewPrivileges", json!(no_new))
            .args(["probe", "say", "hello"]);
        bundle.run().success().stdout_is("hello\n");
    }
    assert!(agent.stdout().contains(&format!("call {}", libc::SYS_write)), "{}", agent.stdout());
    drop(agent);
}

#[test]
fn create_start_and_exec_each_bring_the_agent_a_descriptor() {
    requires!(root);
    let Stage { agent, bundle } = Stage::new(&["umask"], &[umask("5")]);
    let stage = Stage { agent, bundle: bundle.args(["probe", "sleep"]) };
    stage.bundle.up();
    assert!(eventually(|| stage.messages().len() == 1), "{}", stage.agent.stdout());
    let pid = stage.bundle.state()["pid"].clone();
    assert_eq!(stage.messages()[0]["pid"], pid);
    let words = call();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    stage.bundle.exec(&[], &words).success().stdout_is("5\n");
    let messages = stage.messages();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert_ne!(messages[1]["pid"], pid);
    assert_eq!(messages[1]["state"]["pid"], pid);
    assert_eq!(messages[1]["state"]["status"], "running");
}

#[test]
fn flags_work_together_with_a_listener() {
    requires!(root, rrun, kernel(5, 19));
    let flags = [
        "SECCOMP_FILTER_FLAG_LOG",
        "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
        "SECCOMP_FILTER_FLAG_TSYNC",
        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
    ];
    let Stage { agent, bundle } = Stage::new(&["umask"], &[umask("5")]);
    for list in [&flags[2..3], &flags[3..], &flags] {
        let bundle = Bundle::in_runtime(bundle.runtime())
            .set("/linux/seccomp", bundle.config()["linux"]["seccomp"].clone())
            .set("/linux/seccomp/flags", json!(list))
            .args(call());
        bundle.run().success().stdout_is("5\n");
    }
    drop(agent);
}

#[test]
fn an_agent_that_is_not_there_is_named_and_nothing_is_left() {
    requires!(root);
    let Stage { agent, bundle } = Stage::new(&["umask"], &[]);
    agent.signal(Signal::SIGKILL);
    agent.wait().code(137);
    let output = bundle.run().failure();
    if bundle.runtime().is_rrun() {
        output.stderr_has("agent.sock");
    }
    Leftovers::assert_none(&bundle);
}

#[test]
fn the_receiver_that_crun_knows_by_an_annotation_is_the_listener() {
    requires!(root, rrun);
    let Stage { agent, bundle } = Stage::new(&["umask"], &[umask("4711")]);
    let bundle = bundle.args(call()).edit(|config| {
        let socket = config["linux"]["seccomp"]["listenerPath"].take();
        config["annotations"]["run.oci.seccomp.receiver"] = socket;
    });
    let bundle = bundle.edit(|config| {
        config["linux"]["seccomp"].as_object_mut().map(|profile| profile.remove("listenerPath"));
    });
    let stage = Stage { agent, bundle };
    stage.bundle.run().success().stdout_is("4711\n");
    assert_eq!(stage.messages().len(), 1);
}
