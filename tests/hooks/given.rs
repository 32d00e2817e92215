//! What a hook is given: arguments, environment, the state, streams, time.

use crate::journal::{Hooked, Journal, PHASES, script};
use rrun_harness::{Bundle, requires};
use serde_json::{Value, json};

/// A bundle with one script for every kind of hook, which finds its kind in `$PHASE`.
fn each(bundle: Bundle, hook: &str) -> Bundle {
    PHASES.into_iter().fold(bundle, |bundle, phase| {
        bundle.hook(phase, script(phase, &format!("PHASE={phase}; {hook}")))
    })
}

#[test]
fn the_state_on_standard_input_tells_id_bundle_annotations_pid_and_status() {
    requires!(root, busybox);
    let (bundle, journal) = Journal::of(Bundle::new().set("/annotations", json!({ "a.b": "c" })));
    let to = journal.path("");
    let bundle = each(bundle.args(["probe", "sleep"]), &format!("cat >{to}$PHASE"));
    bundle.create().success();
    let pid = bundle.state()["pid"].clone();
    bundle.start().success();
    bundle.kill("KILL").success();
    bundle.expect_status("stopped");
    bundle.delete().success();
    for phase in PHASES {
        let state = journal.json(phase);
        assert_eq!(state["id"], bundle.id(), "{phase}: {state}");
        assert_eq!(state["bundle"], bundle.path().to_string_lossy().as_ref(), "{phase}: {state}");
        assert_eq!(state["annotations"]["a.b"], "c", "{phase}: {state}");
        assert!(state["ociVersion"].is_string(), "{phase}: {state}");
        let status = match phase {
            // runc 1.1 runs it as soon as the container is created.
            "poststart" if bundle.runtime().is_rrun() => "running",
            "poststop" => "stopped",
            // crun and rrun read the lifecycle: the environment, which is step 2, is complete, and the hooks are steps 3 to 7.
            "prestart" | "createRuntime" | "createContainer" if !bundle.runtime().is_rrun() => {
                "creating"
            }
            _ => "created",
        };
        assert_eq!(state["status"], status, "{phase}: {state}");
        // runc numbers the process as the hook's namespace does; the runtime-spec wants the runtime's numbers.
        let exact =
            bundle.runtime().is_rrun() || !["createContainer", "startContainer"].contains(&phase);
        if phase == "poststop" {
            assert!([&Value::Null, &json!(0)].contains(&&state["pid"]), "{phase}: {state}");
        } else if exact {
            assert_eq!(state["pid"], pid, "{phase}: {state}");
        }
    }
}

/// A hook that is one of busybox's programs itself, without a shell that adds to what it was given.
fn applet(phase: &str, args: &[&str], env: &[&str]) -> Value {
    let mut hook = script(phase, "");
    hook["path"] = json!("/bin/busybox");
    hook["args"] = json!(args);
    hook["env"] = json!(env);
    hook
}

/// A bundle whose hooks copy a file of their own /proc into the journal.
fn copying(file: &str, env: &[&str]) -> (Bundle, Journal) {
    let (bundle, journal) = Journal::of(Bundle::new());
    let from = format!("/proc/self/{file}");
    let bundle = PHASES.into_iter().fold(bundle, |bundle, phase| {
        bundle.hook(phase, applet(phase, &["cp", &from, &journal.path(phase)], env))
    });
    (bundle, journal)
}

#[test]
fn the_environment_is_exactly_what_the_hook_lists() {
    requires!(root, busybox);
    for env in [&["EMPTY=", "ONE=1=1", "PATH=/bin"][..], &[]] {
        let (bundle, journal) = copying("environ", env);
        bundle.run().success();
        for phase in PHASES {
            let seen = journal.read(phase);
            let mut seen: Vec<&str> = seen.split_terminator('\0').collect();
            seen.sort_unstable();
            assert_eq!(seen, env, "{phase}");
        }
    }
}

#[test]
fn the_first_argument_is_the_name_and_need_not_be_the_path() {
    requires!(root, busybox);
    let (bundle, journal) = copying("cmdline", &[]);
    bundle.run().success();
    for phase in PHASES {
        let seen = journal.read(phase);
        assert!(seen.starts_with("cp\0/proc/self/cmdline\0"), "{phase}: {seen:?}");
    }
}

/// runc 1.1 has one signal of its own language's runtime ignored.
#[test]
fn a_hook_is_not_deaf_to_signals() {
    requires!(root, rrun, busybox);
    let (bundle, journal) = copying("status", &[]);
    bundle.run().success();
    for phase in PHASES {
        let seen = journal.read(phase);
        for set in ["SigBlk:", "SigIgn:"] {
            assert!(seen.contains(&format!("{set}\t0000000000000000\n")), "{phase}: {seen}");
        }
    }
}

#[test]
fn the_output_of_hooks_is_not_the_containers() {
    requires!(root, busybox);
    let (bundle, _journal) = Journal::of(Bundle::new());
    let bundle = each(bundle.args(["probe", "say", "program"]), "echo $PHASE; echo $PHASE >&2");
    let output = bundle.run().success().stdout_is("program\n");
    assert!(PHASES.iter().all(|phase| !output.stderr().contains(phase)), "{}", output.account());
}

/// runc 1.1 hands three of its own to createContainer hooks.
#[test]
fn hooks_have_no_descriptor_of_the_runtimes() {
    requires!(root, rrun, busybox);
    let (bundle, journal) = Journal::of(Bundle::new());
    let bundle = each(bundle, &format!("exec >{}$PHASE; exec ls /proc/self/fd", journal.path("")));
    bundle.run().success();
    for phase in PHASES {
        // 3 is the listing itself.
        assert_eq!(journal.read(phase), "0\n1\n2\n3\n", "{phase}");
    }
}

#[test]
fn a_state_larger_than_a_pipe_reaches_hooks_that_read_it_and_stops_none_that_does_not() {
    requires!(root, busybox);
    let long = "x".repeat(200_000);
    let (bundle, journal) = Journal::of(Bundle::new().set("/annotations", json!({ "long": long })));
    let to = journal.path("");
    let bundle = each(bundle, "exec sleep 0");
    let bundle = each(bundle, &format!("cat >{to}$PHASE"));
    bundle.run().success();
    for phase in PHASES {
        assert_eq!(journal.json(phase)["annotations"]["long"], long.as_str(), "{phase}");
    }
}

#[test]
fn each_hook_of_a_list_reads_the_whole_state() {
    requires!(root, busybox);
    let (bundle, journal) = Journal::of(Bundle::new());
    let to = journal.path("");
    let bundle = each(each(bundle, "cat >/dev/null"), &format!("cat >{to}$PHASE"));
    bundle.run().success();
    for phase in PHASES {
        assert_eq!(journal.json(phase)["id"], bundle.id(), "{phase}");
    }
}

/// runc leaves the umask of its set-up, 0, to the hooks inside.
#[test]
fn a_hook_does_not_make_files_that_everybody_may_write() {
    requires!(root, rrun, busybox);
    let (bundle, journal) = Journal::of(Bundle::new());
    let to = journal.path("");
    let bundle = each(bundle, &format!("umask >{to}$PHASE"));
    bundle.run().success();
    for phase in PHASES {
        assert_eq!(journal.read(phase), "0022\n", "{phase}");
    }
}
