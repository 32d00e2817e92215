//! A container's life, verb by verb: create, state, start, exec, kill, delete, each timed alone.
//!
//! It refuses `delete --force`: killing and deleting are two rows. What a newcomer would get wrong: `kill` returns before
//! the container has ended, so its end is awaited, untimed, before `delete`.

use crate::process::{PATIENCE, Wrong, milliseconds, run};
use crate::programs::Programs;
use crate::result::Metric;
use crate::rounds::{Contestant, Figure};
use crate::scene::{self, Life, Seccomp};
use crate::start::contests::{TO_END, row};
use crate::subject::{Runtime, await_first_process, runtimes};
use std::path::Path;

/// In the order in which they are called.
const VERBS: [&str; 6] = ["create", "state", "start", "exec", "kill", "delete"];

const ID: &str = "bench-life";

/// Lives under the runtimes of this machine: of each verb a row for each runtime.
#[must_use]
pub fn lives(programs: &Programs) -> Vec<Contestant> {
    let short = scene::bundle(programs, "short", Seccomp::Docker, Life::Short);
    let bundle = scene::bundle(programs, "long", Seccomp::Docker, Life::Long);
    let contestant = |runtime: Runtime| {
        let rows = VERBS.map(|verb| row(Metric::M1c, verb, &runtime.label, TO_END)).to_vec();
        let bundle = bundle.clone();
        Contestant::new(rows, move || live(&runtime, &bundle).inspect_err(|_| runtime.clear(ID)))
    };
    runtimes(programs, &short).into_iter().map(contestant).collect()
}

fn live(runtime: &Runtime, bundle: &Path) -> Result<Vec<Figure>, Wrong> {
    let pid_file = bundle.join("pid");
    let figure = |verb: &&str| {
        let mut command = match *verb {
            "create" => runtime.create(bundle, ID, &pid_file),
            "exec" => runtime.command(verb, &[ID, "/bin/true"]),
            "kill" => runtime.command(verb, &[ID, "KILL"]),
            _ => runtime.command(verb, &[ID]),
        };
        if *verb == "delete" {
            await_first_process(&pid_file)?;
        }
        let ran = run(&mut command, PATIENCE)?;
        Ok(Figure::new(milliseconds(ran.wall()), &[ran]))
    };
    VERBS.iter().map(figure).collect()
}
