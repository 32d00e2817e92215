//! The files that crun's annotations name for what hooks write.

use crate::journal::{Hooked, Journal, PHASES, script};
use rrun_harness::{Bundle, Leftovers, requires};
use serde_json::json;

fn annotated(bundle: Bundle, name: &str, path: &str) -> Bundle {
    bundle.set(&format!("/annotations/run.oci.hooks.{name}"), json!(path))
}

#[test]
fn what_every_hook_writes_is_appended_to_the_files_that_are_named() {
    requires!(root, rrun, busybox);
    let (bundle, journal) = Journal::of(Bundle::new());
    let (out, errors) = (journal.path("out"), journal.path("errors"));
    std::fs::write(&out, "before\n").expect("a file");
    let bundle = PHASES.into_iter().fold(bundle, |bundle, phase| {
        let said = format!("echo out {phase}; echo errors {phase} >&2");
        bundle.hook(phase, script(phase, &said))
    });
    let bundle = annotated(annotated(bundle, "stdout", &out), "stderr", &errors);
    bundle.run().success().stdout_is("");
    let lines =
        |what: &str| -> String { PHASES.iter().map(|phase| format!("{what} {phase}\n")).collect() };
    assert_eq!(journal.read("out"), format!("before\n{}", lines("out")));
    assert_eq!(journal.read("errors"), lines("errors"));
    Leftovers::assert_none(&bundle);
}

#[test]
fn the_last_words_of_a_hook_that_fails_are_in_the_error_and_in_its_file() {
    requires!(root, rrun, busybox);
    for phase in ["createRuntime", "createContainer"] {
        let (bundle, journal) = Journal::of(Bundle::new());
        let errors = journal.path("errors");
        std::fs::write(&errors, "of yesterday\n").expect("a file");
        let bundle = annotated(bundle, "stderr", &errors);
        let bundle = bundle.hook(phase, script(phase, "echo no disk >&2; exit 3"));
        bundle.run().failure().stderr_has("exit status 3: no disk");
        assert_eq!(journal.read("errors"), "of yesterday\nno disk\n", "{phase}");
        let bundle = bundle.hook(phase, script(phase, "exit 0"));
        let silent = bundle.edit(|config| {
            config["hooks"][phase][0]["args"][2] = json!("exit 5");
        });
        let output = silent.run().failure().stderr_has("exit status 5");
        assert!(!output.stderr().contains("no disk"), "{}", output.account());
        Leftovers::assert_none(&silent);
    }
}

#[test]
fn a_file_that_cannot_be_opened_is_named_with_the_annotation() {
    requires!(root, rrun, busybox);
    for phase in ["prestart", "startContainer"] {
        for name in ["stdout", "stderr"] {
            let bundle = annotated(Bundle::new(), name, "/nowhere/at/all");
            let bundle = bundle.hook(phase, script(phase, "exit 0"));
            let output = bundle.run().failure();
            output.stderr_has(&format!("run.oci.hooks.{name}")).stderr_has("/nowhere/at/all");
            Leftovers::assert_none(&bundle);
        }
    }
}
