//! Who is started in lane I, and the rows of it (M1i).

use super::freight::Freight;
use super::order::{Start, Words};
use crate::programs::Programs;
use crate::scene::Seccomp;

/// From when to when.
pub const INTERVAL: &str = "t0→t1: time stamp counter before the birth of the runtime's process → the payload's first \
                            instruction, in a machine whose counter counts instructions";

/// Adds the bundles, and says who is started. `verbs`: also what isn't `run`.
pub fn order(freight: &mut Freight, programs: &Programs, verbs: bool) -> Vec<Start> {
    for (name, seccomp) in [("filtered", Seccomp::Docker), ("unfiltered", Seccomp::None)] {
        freight.bundle(name, seccomp, &["/bin/true"], |_| {});
    }
    freight.bundle("waits", Seccomp::Docker, &["/bin/true", "pause"], |_| {});
    let mut starts = vec![
        start("run", "spawn", 5, &["/bin/true"]),
        start("run", "floor", 5, &["/bin/floor", "/rootfs"]),
    ];
    for runtime in runtimes(programs) {
        // What is cheap is done more often: it scatters more, in parts of itself.
        let times = if runtime == "runc" { 1 } else { 2 };
        for (bundle, suffix) in [("filtered", ""), ("unfiltered", ", no seccomp")] {
            let subject = format!("{runtime}{suffix}");
            let bundle = format!("/bundles/{bundle}");
            let program = format!("/bin/{runtime}");
            starts.push(start(
                "run",
                &subject,
                times,
                &[&program, "run", "--bundle", &bundle, "one"],
            ));
        }
        if verbs {
            starts.extend([create_and_start(runtime), exec(runtime)]);
        }
    }
    starts
}

/// The runtimes of this machine.
fn runtimes(programs: &Programs) -> impl Iterator<Item = &'static str> {
    let all =
        [("rrun", true), ("runc", programs.runc.is_some()), ("crun", programs.crun.is_some())];
    all.into_iter().filter(|(_, there)| *there).map(|(name, _)| name)
}

fn start(case: &str, subject: &str, times: usize, counted: &[&str]) -> Start {
    Start {
        case: case.to_owned(),
        subject: subject.to_owned(),
        times,
        before: Vec::new(),
        counted: vec![words(counted)],
        after: Vec::new(),
    }
}

fn create_and_start(runtime: &str) -> Start {
    let program = format!("/bin/{runtime}");
    let create = words(&[&program, "create", "--bundle", "/bundles/filtered", "two"]);
    Start {
        counted: vec![create, words(&[&program, "start", "two"])],
        after: vec![words(&[&program, "delete", "two"])],
        ..start("create+start", runtime, 1, &[])
    }
}

fn exec(runtime: &str) -> Start {
    let program = format!("/bin/{runtime}");
    let create = words(&[&program, "create", "--bundle", "/bundles/waits", "three"]);
    let kill = words(&[&program, "kill", "three", "KILL"]);
    Start {
        before: vec![create, words(&[&program, "start", "three"])],
        after: vec![kill, words(&[&program, "delete", "three"])],
        ..start("exec", runtime, 1, &[&program, "exec", "three", "/bin/true"])
    }
}

fn words(words: &[&str]) -> Words {
    words.iter().map(|word| (*word).to_owned()).collect()
}
