//! A container's life, verb by verb: create, state, start, exec, kill, delete, each timed alone.
//!
//! It refuses `delete --force`: killing and deleting are two rows. What a newcomer would get wrong: `kill` returns before
//! the container has ended, so its end is awaited, untimed, before `delete`.

use crate::process::time;
use crate::programs::Programs;
use crate::rounds::{Rounds, shuffled};
use crate::scene::{self, Life, Seccomp};
use crate::subject::{Runtime, runtimes};
use rrun_harness::{Must, eventually};
use std::path::Path;
use std::process::Command;

/// In the order in which they are called.
const VERBS: [&str; 6] = ["create", "state", "start", "exec", "kill", "delete"];

const ID: &str = "bench-life";

/// Lives under the runtimes of this machine: of each verb a row for each runtime, "verb: runtime".
#[must_use]
pub fn lives(programs: &Programs) -> Rounds {
    let short = scene::bundle(programs, "short", Seccomp::Docker, Life::Short);
    let bundle = scene::bundle(programs, "long", Seccomp::Docker, Life::Long);
    let runtimes = runtimes(programs, &short);
    let of = |verb| runtimes.iter().map(move |runtime| format!("{verb}: {}", runtime.label));
    let labels = VERBS.iter().flat_map(of).collect();
    let mut random = 1;
    Rounds::of(labels, move |samples| {
        for index in shuffled(runtimes.len(), &mut random) {
            let runtime = &runtimes[index];
            for (number, verb) in VERBS.iter().enumerate() {
                if *verb == "delete" {
                    await_end(runtime);
                }
                let took = time(&mut command(runtime, verb, &bundle));
                samples[number * runtimes.len() + index].push(took);
            }
        }
    })
}

fn command(runtime: &Runtime, verb: &str, bundle: &Path) -> Command {
    match verb {
        "create" => runtime.command(verb, &["--bundle", &bundle.to_string_lossy(), ID]),
        "exec" => runtime.command(verb, &[ID, "/bin/true"]),
        "kill" => runtime.command(verb, &[ID, "KILL"]),
        _ => runtime.command(verb, &[ID]),
    }
}

fn await_end(runtime: &Runtime) {
    let ended = eventually(|| {
        let state = runtime.command("state", &[ID]).output().must("ask for the state");
        String::from_utf8_lossy(&state.stdout).contains("stopped")
    });
    assert!(ended, "{}: a killed container has not stopped", runtime.label);
}
