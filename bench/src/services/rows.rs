//! What the lives of a subject say, as rows.
//!
//! It refuses to keep every latency: thousands are thinned evenly, in the order in which they came, and the quantiles of
//! all of them are said in a note. What a newcomer would get wrong: rates of windows within one life resemble each other
//! more than those of two lives, so their interval says how steady a life was.

use super::stack::{Loaded, MANY, Scaled, Seen};
use super::store;
use crate::result::{Metric, Row, Unit};
use crate::stats::quantile;

/// Latencies that a row keeps.
const KEPT: usize = 1000;

const GROUP: &str = "services";

/// A row of the first case, for a subject that is not here.
#[must_use]
pub fn missing(subject: &str, why: &str) -> Row {
    ready_row(subject).missing(why)
}

/// All rows of a subject: one sample for each of its lives, but where it says otherwise.
#[must_use]
pub fn rows(subject: &str, lives: &[Seen]) -> Vec<Row> {
    let ready = lives.iter().map(|life| life.ready.as_secs_f64() * 1e3).collect();
    let started = lives.iter().map(|life| life.started.as_secs_f64() * 1e3).collect();
    let mut ready = ready_row(subject).group(GROUP).samples(ready).beside("commands_ms", started);
    ready = ready.note("images, networks and the database's cluster are made before t0");
    ready = ready.note(format!("limits, the same for every subject: {}", store::LIMITS));
    if subject == "bare" {
        ready = ready.note(
            "processes on the same trees, networks and cgroups, without namespaces else or seccomp",
        );
    }
    let mut rows = vec![ready];
    for (index, first) in lives.first().map_or(&[][..], |life| &life.loads).iter().enumerate() {
        let loads: Vec<&Loaded> = lives.iter().filter_map(|life| life.loads.get(index)).collect();
        rows.extend(loaded(subject, first, &loads));
    }
    rows.extend(memory(subject, lives));
    rows.extend(restarted(subject, lives));
    for (index, first) in lives.first().map_or(&[][..], |life| &life.scaled).iter().enumerate() {
        let all: Vec<&Scaled> = lives.iter().filter_map(|life| life.scaled.get(index)).collect();
        rows.extend(scaled(subject, first.replicas, &all));
    }
    rows
}

fn ready_row(subject: &str) -> Row {
    let interval = "t0→t_ready: from before the first create to the first row of the database through nginx and the \
                    API; PostgreSQL, the API and nginx are created and started one after the other, nobody waits";
    Row::new(Metric::M14, "ready", subject, Unit::Milliseconds, interval)
}

fn loaded(subject: &str, first: &Loaded, loads: &[&Loaded]) -> [Row; 3] {
    let clients = match first.clients {
        1 => "1 client".to_owned(),
        clients => format!("{clients} clients"),
    };
    let what = first.what;
    let rates = loads.iter().flat_map(|loaded| loaded.load.rates()).collect();
    let answered = match what {
        "transfers" => {
            "transfers a second in windows of 250 ms: a transaction that changes two rows and makes three"
        }
        _ => "answers a second in windows of 250 ms: one row read",
    };
    let rate = format!(
        "{answered}; by nginx, one API and PostgreSQL, in a closed loop over kept connections"
    );
    let all: Vec<f64> = loads.iter().flat_map(|loaded| loaded.load.latencies()).collect();
    let latency = "from before a request is written until its answer is read";
    let cost = |loaded: &&Loaded| loaded.cpu.as_secs_f64() * 1e6 / count(loaded.load.answers.len());
    let costs = loads.iter().map(cost).collect();
    let cpu = "processor time of all three services for 1000 answers, as their cgroups account for it; clients are not \
               in it";
    let mut rates =
        Row::new(Metric::M14, &format!("{what}, {clients}"), subject, Unit::PerSecond, &rate)
            .samples(rates);
    if what == "transfers" {
        rates = rates.note("the database is on a tmpfs: a commit waits for no disk");
    }
    let (latency_case, cpu_case) =
        (format!("latency of {what}, {clients}"), format!("CPU of 1000 {what}, {clients}"));
    [
        rates,
        Row::new(Metric::M14, &latency_case, subject, Unit::Microseconds, latency)
            .note(quantiles(&all))
            .samples(thinned(all)),
        Row::new(Metric::M14, &cpu_case, subject, Unit::Milliseconds, cpu)
            .group(GROUP)
            .samples(costs),
    ]
}

fn memory(subject: &str, lives: &[Seen]) -> Vec<Row> {
    let names = lives.first().map_or(&[][..], |life| &life.memory);
    let row = |(index, (name, _, _)): (usize, &(String, u64, u64))| {
        let of = |which: fn(&(String, u64, u64)) -> u64| {
            let found = lives.iter().filter_map(|life| life.memory.get(index));
            found.map(|found| kibibytes(which(found))).collect()
        };
        let interval = "charged to its cgroup after the loads: anonymous, page cache that it was the first to touch, \
                        kernel memory";
        let case = format!("memory, {}", name.trim_end_matches("-0"));
        Row::new(Metric::M14, &case, subject, Unit::Kibibytes, interval)
            .group(GROUP)
            .samples(of(|(_, charged, _)| *charged))
            .beside("anonymous_kib", of(|(_, _, anonymous)| *anonymous))
            .note("files that another subject has read before are in the page cache, and charged to nobody here")
    };
    names.iter().enumerate().map(row).collect()
}

fn restarted(subject: &str, lives: &[Seen]) -> [Row; 2] {
    let recovered = lives.iter().map(|life| life.restarted.recovered.as_secs_f64() * 1e3).collect();
    let gap = lives.iter().map(|life| life.restarted.load.gap().as_secs_f64() * 1e3).collect();
    let failed = lives.iter().map(|life| count(life.restarted.load.failed)).collect();
    let asked = |life: &Seen| count(life.restarted.load.failed + life.restarted.load.answers.len());
    let asked = lives.iter().map(asked).collect();
    let interval = "from before one of two replicas is killed until it answers with a row again: kill, delete, create, \
                    start, while 8 clients ask the proxy";
    let failures = "requests of 8 clients without an answer of status 200 while one of two replicas is restarted";
    [
        Row::new(Metric::M14, "restart", subject, Unit::Milliseconds, interval)
            .group(GROUP)
            .samples(recovered)
            .beside("longest_silence_ms", gap),
        Row::new(Metric::M14, "restart, failed", subject, Unit::Count, failures)
            .group(GROUP)
            .samples(failed)
            .beside("requests", asked),
    ]
}

fn scaled(subject: &str, replicas: u8, all: &[&Scaled]) -> [Row; 2] {
    let ready = all.iter().map(|scaled| scaled.ready.as_secs_f64() * 1e3).collect();
    let rates = all.iter().flat_map(|scaled| scaled.load.rates()).collect();
    let interval = "from before the first create of the replicas that are added until each has answered with a row; the \
                    replicas share the processor time that one had";
    let rate = format!(
        "answers a second in windows of 250 ms to {MANY} clients, the processor time unchanged"
    );
    [
        Row::new(
            Metric::M14,
            &format!("replicas={replicas}, ready"),
            subject,
            Unit::Milliseconds,
            interval,
        )
        .group(GROUP)
        .samples(ready),
        Row::new(
            Metric::M14,
            &format!("replicas={replicas}, requests"),
            subject,
            Unit::PerSecond,
            &rate,
        )
        .samples(rates),
    ]
}

/// Evenly, in their order; all of them when there are few.
fn thinned(all: Vec<f64>) -> Vec<f64> {
    let step = all.len().div_ceil(KEPT).max(1);
    all.into_iter().step_by(step).collect()
}

fn quantiles(all: &[f64]) -> String {
    let at = |part| quantile(all, part).unwrap_or(f64::NAN);
    let (middle, tail, end) = (at(0.5), at(0.95), at(0.99));
    format!("of all {} requests: p50 {middle:.0}, p95 {tail:.0}, p99 {end:.0} µs", all.len())
}

#[allow(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
fn count(number: usize) -> f64 {
    number as f64
}

#[allow(clippy::cast_precision_loss, reason = "a service's memory is far below 2^52 bytes")]
fn kibibytes(bytes: u64) -> f64 {
    bytes as f64 / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Found;
    use crate::services::load::Load;
    use crate::services::stack::Restarted;
    use std::time::Duration;

    fn load(answers: u32) -> Load {
        let (ms, took) = (Duration::from_millis(1), Duration::from_micros(500));
        let answers = (0..answers).map(|number| (ms * number, took)).collect();
        Load { answers, failed: 0, failure: None, lasted: Duration::from_millis(500) }
    }

    fn life() -> Seen {
        let cpu = Duration::from_millis(100);
        Seen {
            ready: Duration::from_millis(300),
            started: Duration::from_millis(30),
            loads: vec![Loaded { what: "requests", clients: 1, load: load(500), cpu }],
            memory: vec![("api-0".to_owned(), 4096, 1024)],
            restarted: Restarted { recovered: Duration::from_millis(40), load: load(100) },
            scaled: vec![Scaled { replicas: 2, ready: Duration::from_millis(20), load: load(500) }],
        }
    }

    #[test]
    fn a_life_is_a_sample_of_each_row() {
        let rows = rows("rrun", &[life(), life()]);
        let value = |case: &str| rows.iter().find(|row| row.case == case).and_then(Row::value);
        assert_eq!(value("ready"), Some(300.0));
        assert_eq!(value("requests, 1 client"), Some(1000.0));
        assert_eq!(value("latency of requests, 1 client"), Some(500.0));
        assert_eq!(value("CPU of 1000 requests, 1 client"), Some(200.0));
        assert_eq!(value("memory, api"), Some(4.0));
        assert_eq!(value("restart"), Some(40.0));
        assert_eq!(value("restart, failed"), Some(0.0));
        assert_eq!(value("replicas=2, ready"), Some(20.0));
        assert_eq!(value("replicas=2, requests"), Some(1000.0));
    }

    #[test]
    fn thousands_are_thinned_evenly_and_few_are_kept() {
        let many: Vec<f64> = (0..2500).map(f64::from).collect();
        let kept = thinned(many.clone());
        assert_eq!((kept.len(), kept[0], kept[1]), (834, 0.0, 3.0));
        assert_eq!(thinned(vec![1.0, 2.0]), [1.0, 2.0]);
        assert!(quantiles(&many).starts_with("of all 2500 requests: p50 1250, p95 2374"));
    }

    #[test]
    fn a_subject_that_is_not_here_has_a_row_that_says_why() {
        assert_eq!(missing("crun", "no crun").found, Found::Missing("no crun".to_owned()));
    }
}
