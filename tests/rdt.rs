//! `linux.intelRdt` on a machine without resctrl, which is what there is: neither the machines that these tests run on nor
//! the guest have Intel RDT, so classes and groups are only ever made in a plain directory, by the unit tests of
//! `launch::rdt`. What is asked of the binary here is that it says so, and leaves nothing.
//!
//! What a newcomer would get wrong: a machine that has it must not have it here. The runtime is called in a mount namespace
//! from which resctrl is unmounted.

use rrun_harness::{Bundle, Leftovers, Output, requires};
use serde_json::{Value, json};
use std::process::Command;

fn bundle(rdt: Value) -> Bundle {
    Bundle::new().set("/linux/intelRdt", rdt).args(["probe", "exit", "0"])
}

/// `run` where no resctrl is mounted.
#[track_caller]
fn run_without_resctrl(bundle: &Bundle) -> Output {
    bundle.write_config();
    let path = bundle.path().to_string_lossy().into_owned();
    without_resctrl(bundle, &["run", "--bundle", &path, bundle.id()])
}

#[track_caller]
fn without_resctrl(bundle: &Bundle, words: &[&str]) -> Output {
    let inner = bundle.runtime().command(words);
    let script = "umount -a -t resctrl; exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh"]).arg(inner.get_program());
    command.args(inner.get_args());
    bundle.runtime().finish(command)
}

#[test]
fn without_resctrl_every_use_of_it_is_an_error_that_names_the_fix() {
    // runc 1.1.5 ignores it in silence.
    requires!(root, rrun, program("unshare"));
    for rdt in [
        json!({}),
        json!({ "closID": "/" }),
        json!({ "closID": "gold", "l3CacheSchema": "L3:0=f" }),
        json!({ "schemata": ["MB:0=50"], "enableMonitoring": true }),
    ] {
        let bundle = bundle(rdt.clone());
        let output = run_without_resctrl(&bundle).code(1).stderr_has("(at /linux/intelRdt); ");
        let said = output.stderr();
        let fix = said.contains("leave linux.intelRdt out") || said.contains("mount -t resctrl");
        assert!(fix, "{rdt}: {said}");
        Leftovers::assert_none(&bundle);
    }
}

#[test]
fn without_the_field_nobody_looks_for_resctrl() {
    requires!(root, rrun, program("unshare"));
    run_without_resctrl(&bundle(Value::Null)).success();
}

#[test]
fn an_update_of_caches_needs_resctrl_and_changes_nothing_without() {
    requires!(root, rrun, program("unshare"));
    let bundle = Bundle::new().args(["probe", "sleep"]);
    bundle.up();
    let update = |flag: &str, line: &str| {
        without_resctrl(&bundle, &["update", flag, line, "--pids-limit", "77", bundle.id()])
    };
    for flag in ["--l3-cache-schema", "--mem-bw-schema"] {
        let output = update(flag, if flag == "--mem-bw-schema" { "MB:0=50" } else { "L3:0=f" });
        output.code(1).stderr_has("resctrl").stderr_has("(at /linux/intelRdt); ");
    }
    update("--mem-bw-schema", "L3:0=f").code(1).stderr_has("is no line of memory bandwidth");
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn explain_tells_the_class_and_its_lines() {
    requires!(rrun);
    let bundle = bundle(json!({
        "closID": "gold", "schemata": ["L2:0=f"], "memBwSchema": "MB:0=20", "enableMonitoring": true,
    }));
    bundle.write_config();
    let path = bundle.path().to_string_lossy().into_owned();
    let told = bundle.runtime().call(["explain", "--bundle", &path, "web"]).success().stdout();
    let lines: Vec<_> = told.lines().filter_map(|line| line.split_once("resctrl")).collect();
    let lines: Vec<_> = lines.iter().map(|(_, line)| line.trim()).collect();
    let expected =
        ["class gold", "gold/schemata MB:0=20", "gold/schemata L2:0=f", "gold/mon_groups/web"];
    assert_eq!(lines, expected);
}
