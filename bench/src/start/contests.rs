//! The turns of a round: `run`, `create` and `start`, `exec`, of everyone who starts /bin/true.
//!
//! What a newcomer would get wrong: whoever is started writes its time to a pipe that the runtime passes on (or, as
//! `runc run` does, copies), so what it says is awaited after the runtime's end, too; and a container may be deleted
//! only when its process has ended, which is awaited and not timed.

use crate::process::{Answer, PATIENCE, Voice, Wrong, milliseconds};
use crate::programs::Programs;
use crate::result::{Metric, Row, Unit};
use crate::rounds::{CONTROL, Contestant, Figure};
use crate::scene::{self, Life, Seccomp};
use crate::subject::{FLOOR, Resident, Runtime, await_first_process, starters, wall};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The group of everyone who takes part in every round.
pub const GROUP: &str = "start";

/// t0→t1, as every row of M1 says it.
pub const TO_FIRST_INSTRUCTION: &str =
    "t0→t1: before the birth of the runtime's process → the payload's first instruction";

/// t0→t3.
pub const TO_END: &str = "t0→t3: before the birth of the runtime's process → its end was collected";

/// t1→t2, by which an end mark that is a byte at the harness comes later than one that is an instruction.
pub const BIAS: &str = "t1→t2: the payload's first instruction → its first byte at the harness";

/// Of the two halves of a start, and of a life in three commands.
const FROM_CREATE: &str =
    "t0→t1: before the birth of create's process → the payload's first instruction";
const LIFE: &str = "t0→t3: the sum of create, start and delete, each from its process's birth to its collected end";

/// A row of milliseconds in these rounds.
#[must_use]
pub fn row(metric: Metric, case: &str, subject: &str, interval: &str) -> Row {
    Row::new(metric, case, subject, Unit::Milliseconds, interval).group(GROUP)
}

/// Everyone who starts /bin/true without a machine: a bare process, the floor, each runtime with and without seccomp.
#[must_use]
pub fn contests(programs: &Programs) -> Vec<Contestant> {
    let filtered = scene::bundle(programs, "filtered", Seccomp::Docker, Life::Short);
    let mut floor = Command::new(&programs.floor);
    floor.arg(filtered.join("rootfs"));
    let mut all =
        vec![run(CONTROL, Command::new(&programs.payload), || {}), run(FLOOR, floor, || {})];
    for runtime in starters(programs, &filtered) {
        for seccomp in [Seccomp::Docker, Seccomp::None] {
            all.extend(contests_of(programs, &runtime, seccomp));
        }
    }
    all
}

fn contests_of(programs: &Programs, runtime: &Runtime, seccomp: Seccomp) -> [Contestant; 3] {
    let (suffix, name) = match seccomp {
        Seccomp::Docker => ("", "filtered"),
        Seccomp::None => (", no seccomp", "unfiltered"),
    };
    let label = format!("{}{suffix}", runtime.label);
    let short = scene::bundle(programs, name, seccomp, Life::Short);
    // Containers that live at the same time have cgroups of their own.
    let long = format!("{name}-{}", runtime.label.split(' ').next().unwrap_or_default());
    let long = scene::bundle(programs, &long, seccomp, Life::Long);
    let after = runtime.clone();
    [
        run(&label, runtime.run(&short, "bench"), move || after.clear("bench")),
        halves(&label, runtime.clone(), short),
        exec(&label, runtime.clone(), long, name),
    ]
}

/// One command that starts the payload and ends with it; `clear` removes what a failed one may have left.
fn run(label: &str, mut command: Command, clear: impl Fn() + 'static) -> Contestant {
    let rows = vec![
        row(Metric::M1, "run", label, TO_FIRST_INSTRUCTION),
        row(Metric::M1, "t2-t1", label, BIAS),
        row(Metric::M1c, "run", label, TO_END),
    ];
    Contestant::new(rows, move || {
        let mut voice = Voice::new();
        let ran = voice.run(&mut command, PATIENCE).inspect_err(|_| clear())?;
        let answer = voice.answer(ran.began, PATIENCE)?;
        let figure = |value| Figure::new(value, &[ran]);
        let Answer { first_instruction, first_byte } = answer;
        Ok(vec![
            figure(milliseconds(first_instruction - ran.began)),
            figure(milliseconds(first_byte - first_instruction)),
            figure(milliseconds(ran.wall())),
        ])
    })
}

/// `create`, `start`, and `delete` when it has ended.
fn halves(label: &str, runtime: Runtime, bundle: PathBuf) -> Contestant {
    const ID: &str = "bench-halves";
    let rows = vec![
        row(Metric::M1, "create+start", label, FROM_CREATE),
        row(Metric::M1c, "create+start+delete", label, LIFE),
        row(Metric::M1c, "create", label, TO_END),
        row(Metric::M1c, "start", label, TO_END),
        row(Metric::M1c, "delete", label, TO_END),
    ];
    Contestant::new(rows, move || {
        turn_of_halves(&runtime, &bundle, ID).inspect_err(|_| runtime.clear(ID))
    })
}

fn turn_of_halves(runtime: &Runtime, bundle: &Path, id: &str) -> Result<Vec<Figure>, Wrong> {
    let (mut voice, pid_file) = (Voice::new(), bundle.join("pid"));
    let created = voice.run(&mut runtime.create(bundle, id, &pid_file), PATIENCE)?;
    let started = voice.run(&mut runtime.command("start", &[id]), PATIENCE)?;
    let answer = voice.answer(created.began, PATIENCE)?;
    await_first_process(&pid_file)?;
    let deleted = voice.run(&mut runtime.command("delete", &[id]), PATIENCE)?;
    let all = [created, started, deleted];
    let first = milliseconds(answer.first_instruction - created.began);
    let mut figures = vec![Figure::new(first, &all[..2]), Figure::new(wall(&all), &all)];
    figures.extend(all.iter().map(|one| Figure::new(milliseconds(one.wall()), &[*one])));
    Ok(figures)
}

/// `exec` of the payload in a container that waits, which is made when it is needed first.
fn exec(label: &str, runtime: Runtime, bundle: PathBuf, name: &str) -> Contestant {
    let rows = vec![
        row(Metric::M1, "exec", label, TO_FIRST_INSTRUCTION),
        row(Metric::M1c, "exec", label, TO_END),
    ];
    let (id, mut resident) = (format!("bench-exec-{name}"), None);
    Contestant::new(rows, move || {
        if resident.is_none() {
            resident = Some(Resident::start(&runtime, &bundle, &id)?);
        }
        let Some(resident) = &resident else { return Ok(Vec::new()) };
        let mut voice = Voice::new();
        let ran = voice.run(&mut resident.exec(), PATIENCE)?;
        let answer = voice.answer(ran.began, PATIENCE)?;
        let first = milliseconds(answer.first_instruction - ran.began);
        Ok(vec![Figure::new(first, &[ran]), Figure::new(milliseconds(ran.wall()), &[ran])])
    })
}
