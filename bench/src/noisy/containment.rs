//! Containment: beside an aggressor, does the host go on, and who pays for the aggressor's greed?
//!
//! | case | what is counted |
//! | --- | --- |
//! | `containment \| fork bomb \| … \| host starts` | of 20 processes that the host starts meanwhile, those that ran |
//! | `containment \| fork bomb \| limits \| refused processes` | how often the kernel refused the bomb one |
//! | `containment \| memory hog \| limits \| killed inside` | processes of the hog killed for its memory |
//! | `containment \| memory hog \| limits \| killed in the victim` | the same in the victim's cgroup |
//! | `containment \| memory hog \| limits \| killed elsewhere` | the same anywhere else on the host |
//!
//! What a newcomer would get wrong: a victim that survives proves nothing by itself; the counters must say that somebody
//! was killed, and who.

use super::host;
use super::round::{Neighbour, Victim};
use super::runtimes;
use super::scenario::{Aggressor, Configuration};
use super::site::Site;
use crate::result::{Metric, Row, Unit};
use crate::subject::Runtime;
use crate::suite::Pace;
use rrun_harness::wait_until;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const STARTS: u32 = 20;

/// How long one may take: longer is no start.
const PATIENCE: Duration = Duration::from_secs(5);

/// Measures.
///
/// # Errors
/// A sentence: an aggressor did not do what it should.
pub fn measure(site: &Site) -> Result<Vec<Row>, String> {
    let mut rows = vec![];
    for (who, configuration) in [
        (None, Configuration::Bare),
        (runtimes(site, Pace::Quick).pop(), Configuration::NoLimits),
        (runtimes(site, Pace::Quick).pop(), Configuration::Limits),
    ] {
        rows.extend(bomb(site, who.as_ref(), configuration)?);
    }
    for runtime in runtimes(site, Pace::Quick) {
        rows.extend(memory(site, &runtime)?);
    }
    Ok(rows)
}

fn row(
    aggressor: Aggressor,
    configuration: Configuration,
    what: &str,
    who: Option<&Runtime>,
    interval: &str,
) -> Row {
    let case = ["containment", aggressor.name(), configuration.name(), what].join(" | ");
    let subject = who.map_or("bare", |runtime| &runtime.label);
    Row::new(Metric::M12, &case, subject, Unit::Count, interval)
}

fn counted(row: Row, count: Option<f64>, file: &str) -> Row {
    match count {
        Some(count) => row.exact(count),
        None => row.missing(format!("this kernel has no {file}")),
    }
}

fn bomb(
    site: &Site,
    who: Option<&Runtime>,
    configuration: Configuration,
) -> Result<Vec<Row>, String> {
    let bomb = site.aggressor(who, configuration, Aggressor::Bomb)?;
    let (mut started, mut took) = (0_u32, Vec::new());
    for _ in 0..STARTS {
        let began = Instant::now();
        if starts(Command::new(&site.programs.payload)) {
            started += 1;
            took.push(began.elapsed().as_secs_f64() * 1e3);
        }
    }
    let refused = Site::group("aggressor").refused_processes();
    Box::new(bomb).leave()?;
    let row = |what, interval| row(Aggressor::Bomb, configuration, what, who, interval);
    let interval =
        "processes of the host that ran and ended, of 20 that it started beside the bomb";
    let mut rows = vec![row("host starts", interval).exact(f64::from(started))];
    let interval = "start and end of a process of the host beside the bomb";
    let mut time = row("time of a host's start", interval);
    time.unit = Unit::Milliseconds;
    rows.push(time.samples(took));
    if configuration == Configuration::Limits {
        let interval = "how often the kernel refused the bomb a process (pids.events)";
        rows.push(counted(row("refused processes", interval), refused, "pids.events"));
    }
    Ok(rows)
}

/// Whether the host can still start something and see its end.
fn starts(mut command: Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else { return false };
    wait_until(&mut child, Instant::now() + PATIENCE).is_some_and(|status| status.success())
}

fn memory(site: &Site, runtime: &Runtime) -> Result<Vec<Row>, String> {
    let (who, configuration) = (Some(runtime), Configuration::Limits);
    let mut victim = site.victim(who, configuration, Aggressor::Memory)?;
    victim.tick(PATIENCE)?.ok_or("the victim never began")?;
    let before = host::oom_kills();
    let hog = site.aggressor(who, configuration, Aggressor::Memory)?;
    let (inside, of_victim) = (Site::group("aggressor"), Site::group("victim"));
    let deadline = Instant::now() + PATIENCE;
    while inside.oom_kills().is_some_and(|kills| kills < 1.0) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    // The hog must not be killed between the two counts.
    let (all, kills) = settled(|| (host::oom_kills(), inside.oom_kills()));
    let victims = of_victim.oom_kills();
    Box::new(hog).leave()?;
    victim.forget()?;
    victim.tick(PATIENCE)?.ok_or("the victim did not survive the memory hog")?;
    let elsewhere = all.zip(before).zip(kills.zip(victims));
    let elsewhere =
        elsewhere.map(|((all, before), (inside, victims))| all - before - inside - victims);
    let row = |what, interval| row(Aggressor::Memory, configuration, what, who, interval);
    let of_group = "processes that the kernel killed for the memory of their cgroup";
    let of_host = "processes that the kernel killed for memory anywhere, less those inside";
    Ok(vec![
        counted(row("killed inside", of_group), kills, "count of kills for memory"),
        counted(row("killed in the victim", of_group), victims, "count of kills for memory"),
        counted(row("killed elsewhere", of_host), elsewhere, "oom_kill in /proc/vmstat"),
    ])
}

/// Two counts, read until the second did not change around the first.
fn settled(read: impl Fn() -> (Option<f64>, Option<f64>)) -> (Option<f64>, Option<f64>) {
    let mut last = read();
    for _ in 0..1000 {
        let next = read();
        if next == last {
            break;
        }
        last = next;
    }
    last
}
