//! What callers read: the log of a failure, silence on success, the trace.

use rrun_harness::{Bundle, Must, Output, requires};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A bundle whose runtime writes its log as JSON, and the log's path.
fn logging(bundle: Bundle) -> (Bundle, PathBuf) {
    bundle.write_config();
    let log = bundle.path().join("log.json");
    (bundle, log)
}

/// A verb with `--log FILE --log-format json`.
fn call(bundle: &Bundle, log: &Path, words: &[&str]) -> Output {
    let flags = ["--log", &log.to_string_lossy(), "--log-format", "json"].map(str::to_owned);
    bundle.runtime().clone().with_globals(flags).call(words)
}

#[test]
fn success_says_nothing() {
    requires!(root);
    let (bundle, log) = logging(Bundle::new().args(["probe", "sleep"]));
    let path = bundle.path().to_string_lossy().into_owned();
    for words in [
        &["create", "--bundle", &path, bundle.id()][..],
        &["start", bundle.id()],
        &["exec", "--detach", bundle.id(), "/bin/probe", "exit", "0"],
        &["kill", bundle.id(), "KILL"],
    ] {
        let output = call(&bundle, &log, words).success();
        // The container's own word comes with start.
        let said = output.stdout().replace("ready\n", "");
        assert_eq!((said.as_str(), output.stderr()), ("", ""), "{words:?}");
    }
    bundle.expect_status("stopped");
    call(&bundle, &log, &["delete", bundle.id()]).success().stdout_is("");
    assert_eq!(fs::read_to_string(&log).unwrap_or_default(), "");
}

/// The one object of a log.
fn only_entry(log: &Path) -> Value {
    let text = fs::read_to_string(log).must("read the log");
    fs::remove_file(log).must("remove the log");
    serde_json::from_str(&text).must(&format!("read {text:?} as one JSON object"))
}

#[test]
fn a_failure_is_one_object_with_every_fact() {
    requires!(root);
    let missing = json!([{ "destination": "/mnt", "type": "bind", "source": "/no/such/source",
        "options": ["bind"] }]);
    let (bundle, log) = logging(Bundle::new().set("/mounts", missing));
    let path = bundle.path().to_string_lossy().into_owned();
    let output = call(&bundle, &log, &["create", "--bundle", &path, bundle.id()]).code(1);
    let entry = only_entry(&log);
    assert_eq!(entry["level"], "error", "{entry}");
    let message = entry["msg"].as_str().must("read the message");
    assert!(message.contains("/no/such/source") && message.contains("no such file"), "{entry}");
    assert!(entry["time"].is_string(), "{entry}");
    assert!(output.stderr().contains("/no/such/source"), "{}", output.account());
    if bundle.runtime().is_rrun() {
        assert_eq!(entry["kind"], "child", "{entry}");
        assert_eq!(entry["pointer"], "/mounts/0", "{entry}");
        assert_eq!(entry["errno"], libc::ENOENT, "{entry}");
        for field in ["step", "call", "hint"] {
            assert!(entry[field].is_string(), "no {field} in {entry}");
        }
    }
}

#[test]
fn each_failing_verb_leaves_one_object() {
    requires!(root);
    let (bundle, log) = logging(Bundle::new().args(["probe", "sleep"]));
    bundle.up();
    for (words, kind) in [
        (&["state", "nobody"][..], "not-found"),
        (&["exec", bundle.id(), "no-such-program"], "no-program"),
        (&["delete", bundle.id()], "state"),
        (&["start", bundle.id()], "state"),
        (&["kill", bundle.id(), "NONSENSE"], "usage"),
    ] {
        let output = call(&bundle, &log, words);
        assert!(output.exit_code() != 0, "{}", output.account());
        let entry = only_entry(&log);
        assert_eq!(entry["level"], "error", "{words:?}: {entry}");
        if bundle.runtime().is_rrun() {
            assert_eq!(entry["kind"], kind, "{words:?}: {entry}");
        }
    }
}

fn trace(file: &Path) -> Vec<Value> {
    let text = fs::read(file).must("read the trace");
    serde_json::from_slice(&text).must("read the trace as a list of events")
}

/// Trace Event Format: what a viewer needs of each event.
fn assert_viewable(events: &[Value]) {
    for event in events {
        let phase = event["ph"].as_str().must("find the phase");
        assert!(["X", "i", "M"].contains(&phase), "{event}");
        assert!(event["name"].is_string() && event["pid"].is_i64(), "{event}");
        assert!(event["ts"].as_f64().is_some_and(|time| time >= 0.0), "{event}");
        assert!(phase != "X" || event["dur"].as_f64().is_some_and(|time| time >= 0.0), "{event}");
    }
}

#[test]
fn a_trace_shows_what_parent_and_child_did_also_when_it_failed() {
    requires!(root, rrun);
    let missing = json!({ "destination": "/mnt", "type": "bind", "source": "/no/such/source",
        "options": ["bind"] });
    for (bundle, code) in [
        (Bundle::new(), 0),
        (Bundle::new().args(["no-such-program"]), 1),
        (Bundle::new().push("/mounts", missing), 1),
    ] {
        let file = bundle.path().join("trace");
        let flags = ["--trace", &file.to_string_lossy()];
        for output in [bundle.run_with(&flags), bundle.create_with(&flags)] {
            let output = output.code(code);
            let events = trace(&file);
            assert_viewable(&events);
            let pids: BTreeSet<_> =
                events.iter().filter_map(|event| event["pid"].as_i64()).collect();
            assert_eq!(pids.len(), 2, "parent and child\n{}", output.account());
            let has = |text: &str| {
                events.iter().any(|event| event["name"].as_str().is_some_and(|n| n.contains(text)))
            };
            for span in ["read bundle", "plan", "clone3", "/proc"] {
                assert!(has(span), "no {span}: {events:#?}");
            }
        }
    }
}

#[test]
fn a_trace_that_cannot_be_written_is_an_error_before_anything_is_made() {
    requires!(root, rrun);
    let bundle = Bundle::new();
    bundle.run_with(&["--trace", "/no/such/directory/trace"]).code(1).stderr_has("/no/such");
    bundle.runtime().state(bundle.id()).failure();
}
