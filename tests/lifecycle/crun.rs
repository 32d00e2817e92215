//! crun's annotations that have a counterpart here, and what is said of the others.

use crate::sleeper;
use rrun_harness::{Bundle, Must, Output, requires};
use serde_json::json;
use std::io::Read;
use std::os::unix::net::UnixListener;
use std::process::Command;

fn annotated(bundle: Bundle, name: &str, value: &str) -> Bundle {
    bundle.set(&format!("/annotations/run.oci.{name}"), json!(value))
}

#[test]
fn the_pidfd_receiver_of_crun_is_a_pidfd_socket_of_create() {
    requires!(root, rrun);
    let bundle = sleeper();
    let listen = |name: &str| {
        let path = bundle.path().join(name);
        (path.to_string_lossy().into_owned(), UnixListener::bind(&path).must("listen"))
    };
    let ((path, listener), (other, flag)) = (listen("annotation.sock"), listen("flag.sock"));
    let said = |listener: &UnixListener| {
        let (mut stream, _) = listener.accept().must("accept the runtime");
        let mut text = String::new();
        stream.read_to_string(&mut text).must("read the name");
        text
    };
    let bundle = annotated(bundle, "pidfd_receiver", &path);
    bundle.create().success();
    assert_eq!(said(&listener), "standard");
    bundle.delete_force().success();
    bundle.create_with(&["--pidfd-socket", &other]).success();
    assert_eq!(said(&flag), "standard", "the flag overrules the annotation");
}

/// Runs it as somebody with these groups.
fn with_groups(bundle: &Bundle, verb: &[&str]) -> Output {
    bundle.write_config();
    let inner = bundle.runtime().command(verb);
    let mut command = Command::new("setpriv");
    command.args(["--groups", "7,8"]).arg(inner.get_program()).args(inner.get_args());
    bundle.runtime().finish(command)
}

const GROUPS: &str = "grep ^Groups: /proc/self/status";

#[test]
fn the_callers_groups_stay_when_they_are_to_be_kept() {
    requires!(root, rrun, busybox, program("setpriv"));
    let user = json!({ "uid": 0, "gid": 0, "additionalGids": [5] });
    let run = |bundle: &Bundle| {
        let path = bundle.path().to_string_lossy().into_owned();
        with_groups(bundle, &["run", "--bundle", &path, bundle.id()]).success()
    };
    let plain = Bundle::new().script(GROUPS).set("/process/user", user.clone());
    assert_eq!(run(&plain).stdout().trim(), "Groups:\t5");
    let keeping = annotated(plain, "keep_original_groups", "1");
    let output = run(&keeping);
    assert_eq!(output.stdout().trim(), "Groups:\t7 8");
    output.stderr_has("additionalGids are left out");
}

#[test]
fn an_exec_keeps_its_callers_groups_too() {
    requires!(root, rrun, busybox, program("setpriv"));
    let bundle = annotated(sleeper(), "keep_original_groups", "1");
    bundle.up();
    let output = with_groups(&bundle, &["exec", bundle.id(), "sh", "-c", GROUPS]).success();
    assert_eq!(output.stdout().trim(), "Groups:\t7 8");
}

#[test]
fn an_annotation_of_cruns_without_effect_is_a_warning_with_its_name() {
    requires!(root, rrun);
    for name in ["handler", "delegate-cgroup", "something.new"] {
        let bundle = annotated(Bundle::new().args(["probe", "exit", "4"]), name, "x");
        let output = bundle.run().code(4);
        output.stderr_has(&format!("/annotations/run.oci.{name}")).stderr_has("without effect");
    }
}
