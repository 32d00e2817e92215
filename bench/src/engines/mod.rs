//! What engines make of a runtime: starts through shims (M15), what idle shims keep (M16), many pods at once (M17),
//! probes (M18).
//!
//! | module | question |
//! | --- | --- |
//! | [`kind`] | who? our shim, containerd's with our runtime, and with runc |
//! | [`wire`], [`shim`], [`place`] | how is a shim started and asked without containerd? |
//! | [`direct`] | how long does a start take in the shim? |
//! | [`idle`], [`looked`] | what does a shim keep while its container waits? |
//! | [`daemon`] | how long do starts through containerd take? |
//! | [`crowd`] | how long do many pods at once take? |
//! | [`probes`] | what do a hundred probes a second cost, and what do they leave? |
//!
//! It refuses to compare builds: our shim is the release build, the others are a distribution's packages. What a newcomer
//! would get wrong: most of what `ctr run` takes is containerd's own work, the same for all; so the shims are asked
//! directly, too, and both are said.

pub mod crowd;
pub mod daemon;
pub mod direct;
pub mod idle;
pub mod kind;
pub mod looked;
pub mod place;
pub mod probes;
pub mod shim;
pub mod wire;

use crate::process::{self, Wrong};
use crate::result::{Metric, Row, Unit};
use crate::rounds::Rounds;
use crate::suite::Context;
use crate::{room, scene};
use kind::Kind;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use place::Ears;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Fetches and builds what the part needs; what is missing is said by its rows.
pub fn prepare() {
    drop((kind::set(), kind::newest(), crate::programs::cri()));
}

/// Measures.
///
/// # Errors
/// A sentence when it can't be measured as it should.
pub fn measure(context: &Context) -> Result<Vec<Row>, String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("containerd's shims are measured as root: nothing was measured".to_owned());
    }
    let (kinds, missing) = kind::kinds(&context.programs);
    // containerd has a room of its own, with the machine's cgroups; ours can't be left again.
    let daemon = daemon::rows(context, &kinds)?;
    room::enter()?;
    let rows = measured(context, &kinds, missing.as_deref());
    if rows.is_err() {
        // A shim that refuses half way may leave what it had begun.
        end_all();
    }
    scene::sweep();
    rows.map(|rows| daemon.into_iter().chain(rows).collect())
}

/// Ends every process in a cgroup of ours, by its pid.
fn end_all() {
    let mut next: Vec<PathBuf> =
        scene::cgroups().iter().map(|name| Path::new("/sys/fs/cgroup").join(name)).collect();
    while let Some(cgroup) = next.pop() {
        let all = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
        for pid in all.lines().filter_map(|pid| pid.parse::<i32>().ok()) {
            // One that has gone already is as good.
            kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
            if !process::await_end(pid, process::PATIENCE) {
                eprintln!("process {pid} in {} does not end", cgroup.display());
            }
        }
        let below = fs::read_dir(&cgroup).into_iter().flatten().flatten();
        next.extend(below.map(|entry| entry.path()).filter(|path| path.is_dir()));
    }
}

fn measured(context: &Context, kinds: &[Kind], missing: Option<&str>) -> Result<Vec<Row>, String> {
    let told = |wrong: Wrong| wrong.sentence().to_owned();
    let _ears = Ears::open().map_err(told)?;
    let mut rows = Vec::new();
    if let Some(why) = missing {
        rows.extend([kind::BETWEEN, kind::THEIRS].map(|subject| {
            Row::new(Metric::M15, "create+start", subject, Unit::Milliseconds, "not measured")
                .missing(why)
        }));
    }
    rows.extend(starts(context, kinds)?);
    rows.extend(crowd::rows(context, kinds).map_err(told)?);
    rows.extend(idle::rows(context, kinds).map_err(told)?);
    rows.extend(probes::rows(context, kinds).map_err(told)?);
    Ok(rows)
}

fn starts(context: &Context, kinds: &[Kind]) -> Result<Vec<Row>, String> {
    let told = |wrong: Wrong| wrong.sentence().to_owned();
    let contests = direct::contests(&context.programs, kinds).map_err(told)?;
    let (wanted, seconds) = (context.pace.pick(10, 100), context.pace.pick(10, 90));
    run(context, "shims, asked directly", contests, wanted, Duration::from_secs(seconds))
}

/// Rounds of these, until there are enough or the time is up.
fn run(
    context: &Context,
    about: &str,
    contests: Vec<crate::rounds::Contestant>,
    wanted: usize,
    budget: Duration,
) -> Result<Vec<Row>, String> {
    let mut rounds = Rounds::of(contests);
    rounds.warm_up()?;
    let began = Instant::now();
    while rounds.count() < wanted && began.elapsed() < budget {
        rounds.turn()?;
    }
    context.progress(&format!("{about}: {} rounds of {wanted}", rounds.count()));
    Ok(rounds.rows())
}
