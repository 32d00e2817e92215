//! Starts by a shim, asked as containerd asks it, without containerd (M15).
//!
//! ```text
//! birth of `start` ─► its answer ─► Create ─► Start ─► first instruction ─► Wait ─► Delete ─► Shutdown
//!                                   └── create+start ─┘                  then a second container, before Shutdown
//! ```
//!
//! What a newcomer would get wrong: a shim's first container is dearer than its second, because every page of the shim is
//! met for the first time. A pod's containers are second ones: the first is its sandbox.

use super::kind::Kind;
use super::place::Place;
use super::shim::{Shim, Times};
use crate::process::{PATIENCE, Voice, Wrong, milliseconds, now};
use crate::programs::Programs;
use crate::result::{Metric, Row, Unit};
use crate::rounds::{CONTROL, Contestant, Figure};
use crate::scene::{self, Life, Seccomp};
use crate::start::contests::{TO_END, TO_FIRST_INSTRUCTION};
use crate::subject::FLOOR;
use std::process::Command;

/// The group of these rounds.
pub const GROUP: &str = "engines, direct";

/// Cases and their intervals, in the order of [`figures`].
const CASES: [(&str, &str); 11] = [
    (
        "shim: whole",
        "from before the birth of the shim's `start` → Shutdown was answered; between them Connect to its socket, Create, Wait, Start, the payload's end, Delete",
    ),
    (
        "shim: to first instruction",
        "from before the birth of the shim's `start` → the payload's first instruction",
    ),
    (
        "shim: start",
        "from before the birth of the shim's `start` → connected to the address that it printed",
    ),
    ("create+start", "from Create sent → Start answered, of the first container of a shim"),
    (
        "create+start to first instruction",
        "from Create sent → the payload's first instruction, of the first container of a shim",
    ),
    ("create", "from Create sent → Create answered, of the first container of a shim"),
    ("start", "from Start sent → Start answered, of the first container of a shim"),
    ("delete", "from Delete sent → Delete answered, of the first container of a shim"),
    ("second create+start", "from Create sent → Start answered, of the second container of a shim"),
    (
        "second create+start to first instruction",
        "from Create sent → the payload's first instruction, of the second container of a shim",
    ),
    ("second delete", "from Delete sent → Delete answered, of the second container of a shim"),
];

/// The cases that the floor is beside: what it takes is its whole start.
const FLOORED: [&str; 4] = [
    "create+start",
    "create+start to first instruction",
    "second create+start",
    "second create+start to first instruction",
];

/// Everyone: a bare process, the floor, each shim with and without Docker's filter.
///
/// # Errors
/// A place can't be made.
pub fn contests(programs: &Programs, kinds: &[Kind]) -> Result<Vec<Contestant>, Wrong> {
    let rootfs = scene::bundle(programs, "engine-floor", Seccomp::None, Life::Short).join("rootfs");
    let mut floor = Command::new(&programs.floor);
    floor.arg(rootfs);
    let mut all = vec![control(GROUP, Command::new(&programs.payload)), floored(floor)];
    for kind in kinds {
        for (seccomp, suffix) in [(Seccomp::Docker, ""), (Seccomp::None, ", no seccomp")] {
            all.push(contest(programs, kind, seccomp, suffix)?);
        }
    }
    Ok(all)
}

fn row(case: &str, subject: &str, interval: &str) -> Row {
    row_in(GROUP, case, subject, interval)
}

/// A row of milliseconds in these rounds or in others.
pub(super) fn row_in(group: &str, case: &str, subject: &str, interval: &str) -> Row {
    Row::new(Metric::M15, case, subject, Unit::Milliseconds, interval).group(group)
}

/// A bare process, whose turns tell disturbed rounds.
pub(super) fn control(group: &str, mut command: Command) -> Contestant {
    let case = format!("spawn, {group}");
    Contestant::new(vec![row_in(group, &case, CONTROL, TO_END)], move || {
        let ran = Voice::new().run(&mut command, PATIENCE)?;
        Ok(vec![Figure::new(milliseconds(ran.wall()), &[ran])])
    })
}

/// The least that the kernel can be asked for, beside every case that it is the floor of.
fn floored(mut command: Command) -> Contestant {
    let rows = FLOORED.map(|case| row(case, FLOOR, TO_FIRST_INSTRUCTION));
    Contestant::new(rows.into(), move || {
        let mut voice = Voice::new();
        let ran = voice.run(&mut command, PATIENCE)?;
        let answer = voice.answer(ran.began, PATIENCE)?;
        let figure = Figure::new(milliseconds(answer.first_instruction - ran.began), &[ran]);
        Ok(vec![figure; FLOORED.len()])
    })
}

fn contest(
    programs: &Programs,
    kind: &Kind,
    seccomp: Seccomp,
    suffix: &str,
) -> Result<Contestant, Wrong> {
    let subject = format!("{}{suffix}", kind.label);
    let name = |number: u8| {
        format!(
            "engine-{}-{number}{}",
            kind.word(),
            &suffix[..suffix.len().min(1)].replace(',', "n")
        )
    };
    let place = |number| Place::new(programs, &name(number), seccomp, Life::Short);
    let (mut first, mut second) = (place(1)?, place(2)?);
    let (kind, mut count, tag) = (kind.clone(), 0_u32, name(0));
    let rows = CASES.map(|(case, interval)| row(case, &subject, interval));
    Ok(Contestant::new(rows.into(), move || {
        count += 1;
        // A name of its own for each: the socket of the one before may be there for a moment.
        turn(&kind, &mut first, &mut second, &format!("{tag}-{count}"))
    }))
}

fn turn(
    kind: &Kind,
    first: &mut Place,
    second: &mut Place,
    id: &str,
) -> Result<Vec<Figure>, Wrong> {
    let began = now();
    let mut shim = Shim::start(kind, &first.bundle, id)?;
    let up = now();
    let one = shim.live(first, id)?;
    let two = shim.live(second, &format!("{id}-second"))?;
    let asked = now();
    let over = shim.shutdown()?;
    first.drain();
    let whole = (one.deleted - began) + (over - asked);
    Ok(figures(began, up, whole, one, two).map(|time| Figure::bare(milliseconds(time))).into())
}

fn figures(
    began: std::time::Duration,
    up: std::time::Duration,
    whole: std::time::Duration,
    one: Times,
    two: Times,
) -> [std::time::Duration; CASES.len()] {
    [
        whole,
        one.first_instruction - began,
        up - began,
        one.started - one.asked,
        one.first_instruction - one.asked,
        one.created - one.asked,
        one.started - one.begun,
        one.deleted - one.ended,
        two.started - two.asked,
        two.first_instruction - two.asked,
        two.deleted - two.ended,
    ]
}
