//! Pressure, as the kernel tells it: `events --pressure`.
//!
//! Knows that a throttled process waits for a processor, so that there is pressure on a machine that is idle otherwise.
//! Refuses to time anything: what is asserted is that the kernel spoke. A newcomer would look for pressure before the
//! trigger is armed, and miss what was told to nobody.

use crate::group::Group;
use rrun_harness::{Bundle, Leftovers, Must, Running, eventually, requires};
use serde_json::{Value, json};
use std::fs;

fn throttled() -> Bundle {
    Bundle::new()
        .args(["probe", "sleep"])
        .set("/linux/resources/cpu", json!({ "quota": 5000, "period": 100_000 }))
}

/// No reading disturbs it.
fn follow(bundle: &Bundle, triggers: &[&str]) -> Running {
    let flags = triggers.iter().flat_map(|trigger| ["--pressure", trigger]);
    let words = ["events", "--interval=1h"].into_iter().chain(flags).chain([bundle.id()]);
    bundle.runtime().start_command(words.collect::<Vec<_>>())
}

fn has_open(running: &Running, file: &str) -> bool {
    let fds = fs::read_dir(format!("/proc/{}/fd", running.pid())).must("list its descriptors");
    let mut links = fds.flatten().filter_map(|fd| fs::read_link(fd.path()).ok());
    links.any(|to| to.ends_with(file))
}

fn events(running: &Running) -> Vec<Value> {
    let text = running.stdout();
    text.lines().map(|line| serde_json::from_str(line).must("a line of JSON")).collect()
}

#[test]
fn the_kernel_tells_of_pressure_once_a_window_until_the_container_ends() {
    requires!(root, rrun, pressure, cgroup("cpu"));
    let bundle = throttled();
    bundle.up();
    let running = follow(&bundle, &["cpu:some:100ms/2s", "io:full:2s/2s"]);
    let armed = || has_open(&running, "cpu.pressure") && has_open(&running, "io.pressure");
    assert!(eventually(armed), "it never watched");
    let busy = bundle.start_exec(&[], &["probe", "spin", "600"]);
    assert!(eventually(|| events(&running).len() > 1), "{}", running.stdout());
    for event in events(&running) {
        assert_eq!((&event["type"], &event["id"]), (&json!("pressure"), &json!(bundle.id())));
        let data = &event["data"];
        assert_eq!((&data["resource"], &data["waiting"]), (&json!("cpu"), &json!("some")));
        assert_eq!((&data["stall"], &data["window"]), (&json!(100_000), &json!(2_000_000)));
        let total = data["psi"]["some"]["total"].as_u64().must("microseconds");
        assert!(total >= 100_000, "{event}");
        assert!(data["psi"]["full"]["avg10"].is_number(), "{event}");
    }
    bundle.kill("KILL").success();
    running.wait().success();
    busy.wait();
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_cgroup_without_pressure_is_an_error_that_says_how_to_begin() {
    requires!(root, rrun, pressure, kernel(6, 1));
    let bundle = Bundle::new().args(["probe", "sleep"]);
    bundle.up();
    let switch = Group::of(&bundle).unified().join("cgroup.pressure");
    fs::write(&switch, "0").must("switch it off");
    let output = bundle.runtime().call(["events", "--pressure", "memory", bundle.id()]).failure();
    let told = output.stderr();
    assert!(told.contains("memory.pressure") && told.contains("psi=1"), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(output.stdout().is_empty(), "{}", output.stdout());
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}
