//! Probes (M18): a short `exec` in one container, a hundred times a second, as a kubelet does it.
//!
//! The shim is started in a cgroup of its own, and the container's cgroup is beside it in the same parent: what the parent
//! says of the processors is all of it, of children that have ended, too. What a newcomer would get wrong: who can't keep
//! up is not asked more than he answers: there are eight callers, and a probe that is due while all wait is sent late.
//! So the rate that was reached has to be read with the latency.

use super::idle::ended;
use super::kind::Kind;
use super::looked::{Held, held};
use super::place::Place;
use super::shim::{Shim, socket_of};
use super::wire::Wire;
use crate::process::{Wrong, milliseconds, now};
use crate::result::{Metric, Row, Unit};
use crate::scene::{Life, Seccomp};
use crate::suite::Context;
use containerd_shim_protos::api;
use protobuf::well_known_types::any::Any;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

/// How many wait for answers at a time.
const CALLERS: usize = 8;
/// Between two probes that are due.
const EVERY: Duration = Duration::from_millis(10);
/// Before anything is counted.
const FIRST: u32 = 20;
const CASE: &str = "100 a second";

/// What was seen of one shim.
struct Seen {
    latencies: Vec<f64>,
    took: Duration,
    cpu: Duration,
    before: Held,
    after: Held,
}

/// Probes through each.
///
/// # Errors
/// A shim says no, or a probe fails.
pub fn rows(context: &Context, kinds: &[Kind]) -> Result<Vec<Row>, Wrong> {
    let lasts = Duration::from_secs(context.pace.pick(3, 60));
    let settled = Duration::from_secs(context.pace.pick(1, 35));
    let mut rows = Vec::new();
    for kind in kinds {
        let seen = probed(context, kind, lasts, settled)?;
        context.progress(&format!("{} probes: {}", seen.latencies.len(), kind.label));
        rows.extend(said(kind, seen, lasts, settled));
    }
    Ok(rows)
}

fn probed(
    context: &Context,
    kind: &Kind,
    lasts: Duration,
    settled: Duration,
) -> Result<Seen, Wrong> {
    let id = format!("engine-probes-{}", kind.word());
    let place = Place::new(&context.programs, &id, Seccomp::Docker, Life::Long)?;
    let mut parent = PathBuf::from("/sys/fs/cgroup");
    let mut process = Value::Null;
    place.edit(|config| {
        let path = config["linux"]["cgroupsPath"].as_str().unwrap_or_default().to_owned();
        parent.push(path.trim_start_matches('/'));
        config["linux"]["cgroupsPath"] = format!("{path}/box").into();
        process = config["process"].clone();
        process["args"] = serde_json::json!(["/bin/true"]);
    })?;
    let own = parent.join("shim");
    fs::create_dir_all(&own).map_err(|why| Wrong::Failed(format!("{}: {why}", own.display())))?;
    let mut shim = Shim::start_in(kind, &place.bundle, &id, Some(&own))?;
    let pid = shim.create(&place, &id)?;
    shim.begin(&id)?;
    let address = socket_of(&shim);
    let probe = Probe { id: &id, place: &place, process: process.to_string() };
    let count = AtomicU32::new(0);
    probe.many(&address, &count, |number| number < FIRST)?;
    // What the first ones brought about stays: threads, pages, descriptors. What comes after them is a leak.
    sleep(settled.min(Duration::from_secs(2)));
    let before = held(shim.pid(), &[pid])?;
    let (used, began) = (cpu(&parent)?, now());
    let due = |number: u32| EVERY * number.saturating_sub(FIRST);
    let latencies = probe.many(&address, &count, |number| {
        let at = due(number);
        sleep((began + at).saturating_sub(now()));
        at < lasts && now() - began < lasts
    })?;
    let took = now() - began;
    let used = cpu(&parent)?.saturating_sub(used);
    sleep(settled);
    let after = held(shim.pid(), &[pid])?;
    ended(shim)?;
    place.drain();
    Ok(Seen { latencies, took, cpu: used, before, after })
}

/// What is asked again and again.
struct Probe<'a> {
    id: &'a str,
    place: &'a Place,
    process: String,
}

impl Probe<'_> {
    /// Probes by all callers, as long as `more` numbers are wanted; milliseconds of each.
    fn many(
        &self,
        (socket, service): &(PathBuf, String),
        count: &AtomicU32,
        more: impl Fn(u32) -> bool + Sync,
    ) -> Result<Vec<f64>, Wrong> {
        let caller = || {
            let mut wire = Wire::connect(socket, service)?;
            let mut times = Vec::new();
            loop {
                let number = count.fetch_add(1, Ordering::Relaxed);
                if !more(number) {
                    return Ok(times);
                }
                times.push(self.once(&mut wire, number)?);
            }
        };
        let all = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..CALLERS).map(|_| scope.spawn(caller)).collect();
            let joined: Vec<Result<Vec<f64>, Wrong>> = threads
                .into_iter()
                .map(|thread| {
                    while !thread.is_finished() {
                        // At once, as an engine does: an end may wait for its output to be read.
                        self.place.drain_within(Duration::from_millis(20));
                    }
                    let panicked = || Err(Wrong::Failed("a caller panicked".to_owned()));
                    thread.join().unwrap_or_else(|_| panicked())
                })
                .collect();
            joined.into_iter().collect::<Result<Vec<_>, Wrong>>()
        })?;
        Ok(all.into_iter().flatten().collect())
    }

    fn once(&self, wire: &mut Wire, number: u32) -> Result<f64, Wrong> {
        let (id, exec_id) = (self.id.to_owned(), format!("probe-{number}"));
        let spec = Any {
            type_url: "types.containerd.io/opencontainers/runtime-spec/1/Process".to_owned(),
            value: self.process.clone().into_bytes(),
            ..Default::default()
        };
        let exec = api::ExecProcessRequest {
            id: id.clone(),
            exec_id: exec_id.clone(),
            stdout: self.place.stdout.to_string_lossy().into_owned(),
            stderr: self.place.stderr.to_string_lossy().into_owned(),
            spec: Some(spec).into(),
            ..Default::default()
        };
        let asked = now();
        wire.call::<api::Empty>("Exec", &exec)?;
        let wait =
            api::WaitRequest { id: id.clone(), exec_id: exec_id.clone(), ..Default::default() };
        let wait = wire.ask("Wait", &wait)?;
        let start =
            api::StartRequest { id: id.clone(), exec_id: exec_id.clone(), ..Default::default() };
        wire.call::<api::StartResponse>("Start", &start)?;
        let answer: api::WaitResponse = wire.answer(wait)?;
        wire.call::<api::DeleteResponse>(
            "Delete",
            &api::DeleteRequest { id, exec_id, ..Default::default() },
        )?;
        if answer.exit_status != 0 {
            return Err(Wrong::Failed(format!("a probe ended with {}", answer.exit_status)));
        }
        Ok(milliseconds(now() - asked))
    }
}

/// What a cgroup and all below have taken of the processors, ever.
fn cpu(cgroup: &Path) -> Result<Duration, Wrong> {
    let file = cgroup.join("cpu.stat");
    let text = fs::read_to_string(&file);
    let text = text.map_err(|why| Wrong::Failed(format!("{}: {why}", file.display())))?;
    usage(&text).ok_or_else(|| Wrong::Failed(format!("{} has no usage_usec", file.display())))
}

fn usage(text: &str) -> Option<Duration> {
    let line = text.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
    line.trim().parse().ok().map(Duration::from_micros)
}

#[allow(clippy::cast_precision_loss, reason = "a few thousand")]
fn said(kind: &Kind, seen: Seen, lasts: Duration, settled: Duration) -> Vec<Row> {
    let row = |what: &str, unit, interval: &str| {
        Row::new(Metric::M18, &format!("{CASE}, {what}"), kind.label, unit, interval)
    };
    let count = seen.latencies.len().max(1) as f64;
    let left = |what: &str, unit, of: fn(&Held) -> f64| {
        let interval = format!(
            "{what} of the shim and what it started: {} s after the last probe, less what there was after the first {FIRST}",
            settled.as_secs()
        );
        row(&format!("{what} left"), unit, &interval).exact(of(&seen.after) - of(&seen.before))
    };
    let about = format!("in {} s, {CALLERS} callers, no containerd", lasts.as_secs());
    vec![
        row("processor per probe", Unit::Milliseconds, &format!("of the shim, the runtimes that it starts and the container (cpu.stat of their common cgroup), divided by the probes {about}"))
            .exact(milliseconds(seen.cpu) / count),
        row("processor", Unit::Percent, &format!("the same, of one processor, {about}"))
            .exact(seen.cpu.as_secs_f64() / seen.took.as_secs_f64() * 100.0),
        row("reached", Unit::PerSecond, &format!("probes that ended per second, {about}"))
            .exact(count / seen.took.as_secs_f64()),
        row("latency", Unit::Milliseconds, &format!("from Exec sent → Delete answered; between them Wait, Start and the payload's end; {about}"))
            .samples(seen.latencies),
        left("threads", Unit::Count, |held| held.threads),
        left("descriptors", Unit::Count, |held| held.descriptors),
        left("processes", Unit::Count, |held| held.processes),
        left("PSS", Unit::Kibibytes, |held| held.proportional),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usage_is_not_that_of_user_space_alone() {
        let text = "usage_usec 2500\nuser_usec 1000\nsystem_usec 1500\n";
        assert_eq!(usage(text), Some(Duration::from_micros(2500)));
        assert_eq!(usage("user_usec 1000\n"), None);
    }
}
