//! The plans as text, held against `tests/golden/NAME.plan`.
//!
//! A file has the whole plan for root with cgroup v2, then what differs on the other machines, without the numbers, or
//! the refusal there.

use super::diff::diff;
use super::{Fixture, Machine, explain, fixtures, machines, workspace};
use rrun::error::Result;
use rrun::host::Host;
use rrun::plan::{Plan, show};
use rrun::spec::Spec;
use std::collections::BTreeSet;
use std::fs;

/// pid, mnt, net, ipc, uts and cgroup: what a container usually has.
const USUAL: i32 = libc::CLONE_NEWPID
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

/// The plan of a fixture on a machine, and its specification.
fn planned(fixture: &Fixture, host: &Host) -> (Result<Plan>, Spec) {
    if !fixture.name.starts_with("exec-") {
        return (fixture.plan(host), fixture.spec());
    }
    // An ordinary user's container has a user namespace.
    let user = if host.is_machine_root() { 0 } else { libc::CLONE_NEWUSER };
    let minimal = fixtures(false).into_iter().find(|fixture| fixture.name == "minimal");
    (fixture.exec(host, (USUAL | user).unsigned_abs()), minimal.expect("minimal.json").spec())
}

fn text_of(fixture: &Fixture) -> String {
    let [first, others @ ..] = machines();
    let show = |machine: &Machine| {
        let (plan, spec) = planned(fixture, &machine.host);
        (plan.is_ok(), explain(&plan, &spec, &machine.host))
    };
    let (_, whole) = show(&first);
    let mut text = format!("== {}\n{whole}", first.name);
    for machine in &others {
        let difference = match show(machine) {
            (true, other) => diff(&unnumbered(&whole), &unnumbered(&other)),
            (false, refusal) => refusal,
        };
        text.push_str(&format!("\n== {}\n{difference}", machine.name));
    }
    text
}

/// Without the numbers of the child's steps.
fn unnumbered(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix("child  ") {
        Some(step) => format!("child  {}\n", step.split_once("  ").expect("a number").1),
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn every_configuration_plans_as_it_did() {
    let golden = workspace().join("tests/golden");
    let bless = std::env::var_os("RRUN_BLESS").is_some();
    let mut wrong = Vec::new();
    let mut known = BTreeSet::new();
    for fixture in fixtures(false).iter().chain(&fixtures(true)) {
        let name = format!("{}.plan", fixture.name);
        let path = golden.join(&name);
        let now = text_of(fixture);
        let before = fs::read_to_string(&path).unwrap_or_default();
        if bless {
            fs::write(&path, now).expect("write a golden file");
        } else if before != now {
            wrong.push(format!("tests/golden/{name}:\n{}", diff(&before, &now)));
        }
        known.insert(name);
    }
    assert!(wrong.is_empty(), "\n{}\nRRUN_BLESS=1 accepts this\n", wrong.join("\n"));
    let files = fs::read_dir(golden).expect("tests/golden").map(|entry| entry.expect("an entry"));
    let orphan = |name: &String| name.ends_with(".plan") && !known.contains(name);
    let orphans: Vec<String> =
        files.map(|file| file.file_name().to_string_lossy().into_owned()).filter(orphan).collect();
    assert_eq!(orphans, Vec::<String>::new(), "golden files of no fixture");
}

#[test]
fn explain_has_a_line_for_each_step_and_json_the_same_words() {
    for fixture in fixtures(false) {
        for machine in machines() {
            let (Ok(plan), spec) = planned(&fixture, &machine.host) else { continue };
            let text = show::explain(&plan, &spec, &machine.host, "/bundle");
            let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("child")).collect();
            let json = show::explain_json(&plan, &spec, &machine.host, "/bundle");
            let steps = json["child"].as_array().expect("steps");
            assert_eq!(lines.len(), plan.steps.len(), "{}", fixture.name);
            assert_eq!(steps.len(), plan.steps.len(), "{}", fixture.name);
            for (number, (line, step)) in lines.iter().zip(steps).enumerate() {
                let words = step["text"].as_str().expect("text");
                assert_eq!(*line, format!("child  {number:02}  {words}"), "{}", fixture.name);
            }
        }
    }
}

/// A step's pointer leads to a field that is there, or that has a default and stands where it would be.
#[test]
fn every_step_names_the_field_that_asked_for_it() {
    for fixture in fixtures(false) {
        let config: serde_json::Value = serde_json::from_slice(&fixture.text).expect("JSON");
        for machine in machines() {
            let (Ok(plan), _) = planned(&fixture, &machine.host) else { continue };
            for step in &plan.steps {
                let pointer = step.pointer.as_ref();
                let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
                let defaulted = ["/process/capabilities", "/linux/rootfsPropagation"];
                let there = config.pointer(pointer).is_some() || config.pointer(parent).is_some();
                let known = defaulted.iter().any(|field| pointer.starts_with(field));
                assert!(there || known, "{}: {step} names {pointer}", fixture.name);
            }
        }
    }
}

/// The fixture is what `rrun spec` writes, so its plan is that of everybody's first container.
#[test]
fn the_default_fixtures_are_what_rrun_writes() {
    for (name, flags) in [("default", &[][..]), ("rootless", &["--rootless"])] {
        let directory =
            std::env::temp_dir().join(format!("rrun-spec-{}-{name}", std::process::id()));
        fs::create_dir(&directory).expect("a directory");
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_rrun"));
        let status = command.arg("spec").args(flags).current_dir(&directory).status();
        let written = fs::read_to_string(directory.join("config.json")).expect("config.json");
        fs::remove_dir_all(&directory).expect("remove the directory");
        assert!(status.expect("start rrun").success());
        let fixture = fixtures(false).into_iter().find(|fixture| fixture.name == name);
        // It maps who calls it; in the fixture that is user 1000.
        let ours = format!("\"hostID\": {},", nix::unistd::geteuid());
        let written = written.replace(&ours, "\"hostID\": 1000,");
        let same = fixture.expect(name).text == written.as_bytes();
        assert!(same, "copy the output of rrun spec to {name}.json");
    }
}
