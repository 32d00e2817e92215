//! What shims keep while their containers wait (M16).
//!
//! It refuses to measure two crowds of one file: a page of a program is divided among all who map it, so each crowd has
//! a copy of its shim. What a newcomer would get wrong: a Go shim gives memory back every 30 s; who looks earlier finds
//! more than it keeps.

use super::kind::{BETWEEN, Kind};
use super::looked::{Held, held};
use super::place::Place;
use super::shim::Shim;
use crate::process::Wrong;
use crate::result::{Metric, Row, Unit};
use crate::room;
use crate::scene::{Life, Seccomp};
use crate::suite::Context;
use serde_json::json;
use std::fs;
use std::thread::sleep;
use std::time::Duration;

/// What Kubernetes calls the pod that a container belongs to.
const SANDBOX: &str = "io.kubernetes.cri.sandbox-id";

/// How many pods, and how many containers in each.
const QUICK: &[(usize, usize)] = &[(1, 1), (5, 1), (2, 3)];
const FULL: &[(usize, usize)] = &[(1, 1), (10, 1), (50, 1), (5, 3)];

/// Shims that wait, and what there is to say of them.
struct Crowd {
    subject: &'static str,
    case: String,
    /// Dropped after the shims whose places they are.
    shims: Vec<(Shim, Vec<i32>)>,
    _places: Vec<Place>,
}

/// Memory and threads of each crowd.
///
/// # Errors
/// A shim says no, or is gone.
pub fn rows(context: &Context, kinds: &[Kind]) -> Result<Vec<Row>, Wrong> {
    let settled = Duration::from_secs(context.pace.pick(1, 35));
    let mut crowds = Vec::new();
    // Between ours and theirs there is theirs with another runtime, which has ended when a container waits.
    for kind in kinds.iter().filter(|kind| kind.label != BETWEEN) {
        for (pods, containers) in context.pace.pick(QUICK, FULL) {
            crowds.push(crowd(context, kind, *pods, *containers)?);
        }
    }
    context.progress(&format!("{} crowds of idle shims, {} s", crowds.len(), settled.as_secs()));
    sleep(settled);
    let mut rows = Vec::new();
    for crowd in &crowds {
        rows.extend(of(crowd, settled)?);
    }
    for (shim, _) in crowds.into_iter().flat_map(|crowd| crowd.shims) {
        ended(shim)?;
    }
    Ok(rows)
}

/// Ends a shim and its containers.
pub(super) fn ended(mut shim: Shim) -> Result<(), Wrong> {
    shim.clear()?;
    shim.shutdown().map(drop)
}

fn crowd(context: &Context, kind: &Kind, pods: usize, containers: usize) -> Result<Crowd, Wrong> {
    let tag = format!("engine-idle-{}-{pods}x{containers}", kind.word());
    let mut kind = kind.clone();
    kind.program = copied(&kind, &tag)?;
    let case = match containers {
        1 if pods == 1 => "1 pod".to_owned(),
        1 => format!("{pods} pods"),
        _ => format!("{pods} pods of {containers} containers"),
    };
    let mut crowd = Crowd { subject: kind.label, case, shims: Vec::new(), _places: Vec::new() };
    for pod in 0..pods {
        let group = format!("{tag}-{pod}");
        let mut shim = None;
        let mut pids = Vec::new();
        for number in 0..containers {
            let id = format!("{group}-{number}");
            let place = Place::new(&context.programs, &id, Seccomp::Docker, Life::Long)?;
            place.edit(|config| config["annotations"] = json!({ SANDBOX: group }))?;
            let shim = match &mut shim {
                Some(shim) => shim,
                None => shim.insert(Shim::start(&kind, &place.bundle, &group)?),
            };
            pids.push(shim.create(&place, &id)?);
            shim.begin(&id)?;
            crowd._places.push(place);
        }
        crowd.shims.extend(shim.map(|shim| (shim, pids)));
    }
    Ok(crowd)
}

/// The shim's program for one crowd alone.
fn copied(kind: &Kind, tag: &str) -> Result<std::path::PathBuf, Wrong> {
    let directory = room::directory().join("copies").join(tag);
    let copy = directory.join(kind.program.file_name().unwrap_or_default());
    let made = fs::create_dir_all(&directory).and_then(|()| fs::copy(&kind.program, &copy));
    made.map_err(|why| Wrong::Failed(format!("copy {}: {why}", kind.program.display())))?;
    Ok(copy)
}

fn of(crowd: &Crowd, settled: Duration) -> Result<Vec<Row>, Wrong> {
    let all: Result<Vec<Held>, Wrong> =
        crowd.shims.iter().map(|(shim, pids)| held(shim.pid(), pids)).collect();
    let all = all?;
    let when = format!("of each pod's shim, {} s after the last start", settled.as_secs());
    let row = |what: &str, unit, interval: &str, of: fn(&Held) -> f64| {
        let case = format!("{what}, {}", crowd.case);
        let row = Row::new(Metric::M16, &case, crowd.subject, unit, &format!("{interval} {when}"));
        row.samples(all.iter().map(of).collect())
    };
    let rows = vec![
        row("PSS", Unit::Kibibytes, "proportional memory (smaps_rollup)", |held| held.proportional),
        row(
            "private",
            Unit::Kibibytes,
            "memory that no other process maps (smaps_rollup)",
            |held| held.private,
        ),
        row("threads", Unit::Count, "threads", |held| held.threads),
        row("processes", Unit::Count, "processes besides the containers", |held| held.processes),
    ];
    let early = settled < Duration::from_secs(30);
    let note = "seen before the Go shim's first 30 s were over, after which it gives memory back";
    Ok(rows.into_iter().map(|row| if early { row.note(note) } else { row }).collect())
}
