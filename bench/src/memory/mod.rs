//! Memory of instances that wait (M4), and how many of them fit (M5).
//!
//! ```text
//! start N ── settle ──► each one's cgroup    what is charged to it, user and kernel
//!                       its start's cgroup   what it left charged to its caller
//!                       its processes        proportional sets
//!                       the machine          MemAvailable over N, where it is quiet
//! ```
//!
//! It refuses mapped memory, which nobody pays, and one number: private, shared and kernel memory are rows of their own.
//! What a newcomer would get wrong: a runtime that clones from outside the container's cgroup looks small there, because
//! the namespaces are charged to its caller. `charge, total` is both.

pub mod crowd;
pub mod density;
pub mod instance;
pub mod memcg;
pub mod resident;

use crate::result::{Found, Lane, Metric, Row, Unit};
use crate::room;
use crate::stats;
use crate::suite::{Context, Pace};
use crowd::Subject;
use instance::{Instance, Kind};
use memcg::Hierarchy;
use std::thread::sleep;
use std::time::Duration;

/// Until the kernel has freed what the starts needed (it does so by grace periods).
const SETTLE: Duration = Duration::from_millis(1100);

const CHARGE: &str = "bytes charged to the instance's cgroup 1 s after its start, user and kernel, \
                      without what the kernel charges ahead for each processor";
const KERNEL: &str =
    "of the charge: kernel memory (stacks, page tables, namespaces, mounts, filters)";
const CALLER: &str =
    "bytes that create and start left charged to their caller's cgroup 1 s later, user and kernel";
const TOTAL: &str = "charged to the instance's cgroup and left charged to its caller's";
const PSS: &str =
    "proportional set size (smaps_rollup) of all processes of the instance, monitors included";
const SLOPE: &str =
    "MemAvailable that each further instance takes, N = 0 to 30: Theil and Sen's slope";

/// Measures.
///
/// # Errors
/// A sentence when it can't be measured as it should.
pub fn measure(context: &Context) -> Result<Vec<Row>, String> {
    let machine = crowd::machine_recipe(&context.programs);
    room::enter_beside_cgroups()?;
    let hierarchy = Hierarchy::find()?;
    hierarchy.pass_on()?;
    let mut subjects = crowd::containers(&context.programs, &hierarchy)?;
    subjects.push(crowd::machine(machine));
    let mut rows = Vec::new();
    for subject in &subjects {
        context.progress(subject.name);
        let found = idle(context, subject, &hierarchy)?;
        rows.extend(density::measure(context, subject, &hierarchy, &found)?);
        rows.extend(found);
    }
    nothing_left(&hierarchy)?;
    Ok(rows)
}

/// The steps in which a subject's instances are started.
fn steps(pace: Pace, kind: &Kind) -> &'static [usize] {
    match (kind, pace) {
        (Kind::Machine(_), _) => &[2],
        (_, Pace::Quick) => &[8],
        (_, Pace::Full) => &[10, 10, 10],
    }
}

/// What is seen of a subject's instances.
#[derive(Debug, Default)]
struct Seen {
    charge: Vec<f64>,
    kernel: Vec<f64>,
    counter: Vec<f64>,
    caller: Vec<f64>,
    total: Vec<f64>,
    pss: Vec<f64>,
    processes: Vec<f64>,
    available: Vec<(f64, f64)>,
}

fn idle(context: &Context, subject: &Subject, hierarchy: &Hierarchy) -> Result<Vec<Row>, String> {
    let kind = match &subject.kind {
        Ok(kind) => kind,
        Err(why) => return Ok(missing(subject, why)),
    };
    let mut seen = Seen { available: vec![(0.0, resident::available()?)], ..Seen::default() };
    let mut instances = Vec::new();
    for step in steps(context.pace, kind) {
        for _ in 0..*step {
            let instance = Instance::start(kind, hierarchy);
            instances.push(instance.map_err(|why| format!("{}: {why}", subject.name))?);
        }
        sleep(SETTLE);
        seen.available.push((count(instances.len()), resident::available()?));
    }
    look(&instances, &mut seen).map_err(|why| format!("{}: {why}", subject.name))?;
    Ok(seen.rows(subject))
}

fn look(instances: &[Instance], seen: &mut Seen) -> Result<(), String> {
    let marked = resident::marked();
    for instance in instances {
        let charge = instance.group.charge()?;
        let caller = instance.caller.as_ref().map(memcg::Memcg::charge).transpose()?;
        seen.charge.push(kibibytes(charge.used()));
        seen.kernel.push(kibibytes(charge.kernel));
        seen.counter.push(kibibytes(charge.counter));
        seen.total.push(kibibytes(charge.used() + caller.map_or(0, |caller| caller.used())));
        seen.caller.extend(caller.map(|caller| kibibytes(caller.used())));
        let (pss, processes) = resident::of(instance, &marked)?;
        seen.pss.push(pss);
        seen.processes.push(count(processes));
    }
    Ok(())
}

impl Seen {
    fn rows(self, subject: &Subject) -> Vec<Row> {
        let charge = row(subject, "charge", CHARGE).samples(self.charge);
        let total = row(subject, "charge, total", TOTAL).samples(self.total);
        let mut rows = vec![
            charge.beside("counter_kib", self.counter),
            row(subject, "charge, kernel", KERNEL).samples(self.kernel),
            total,
            row(subject, "pss", PSS).samples(self.pss).beside("processes", self.processes),
        ];
        if !self.caller.is_empty() {
            rows.push(row(subject, "charge, caller", CALLER).samples(self.caller));
        }
        // Two points make a line of anything.
        if self.available.len() > 2 {
            rows.push(slope(subject, &self.available));
        }
        rows
    }
}

/// The slope is of memory taken, so it rises.
fn slope(subject: &Subject, available: &[(f64, f64)]) -> Row {
    let taken: Vec<(f64, f64)> = available.iter().map(|(n, free)| (*n, -free)).collect();
    let mut row = row(subject, "available slope", SLOPE).samples(stats::slopes(&taken));
    if let (Some(summary), Some(slope)) = (&mut row.summary, stats::theil_sen(&taken)) {
        (summary.p50, summary.low, summary.high) = (slope.value, slope.low, slope.high);
    }
    row.note("quiet machine only: whatever else runs moves it")
        .note("samples are the slopes of all pairs of points; the interval is Sen's")
}

fn row(subject: &Subject, case: &str, interval: &str) -> Row {
    let row = Row::new(Metric::M4, case, subject.name, Unit::Kibibytes, interval).lane(Lane::W);
    subject.notes.iter().fold(row, |row, note| row.note(note.clone()))
}

fn missing(subject: &Subject, why: &str) -> Vec<Row> {
    let cases =
        [("charge", CHARGE), ("charge, kernel", KERNEL), ("charge, total", TOTAL), ("pss", PSS)];
    cases.map(|(case, interval)| row(subject, case, interval).missing(why)).into()
}

/// The median that a row has, if it was measured.
fn median(rows: &[Row], case: &str) -> Option<f64> {
    let row = rows.iter().find(|row| row.case == case)?;
    matches!(row.found, Found::Samples(_)).then(|| row.value()).flatten()
}

/// # Errors
/// A sentence that names the cgroups of ours that are still there.
pub(crate) fn nothing_left(hierarchy: &Hierarchy) -> Result<(), String> {
    let prefix = instance::prefix();
    let entries =
        std::fs::read_dir(&hierarchy.root).map_err(|why| format!("list cgroups: {why}"))?;
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let left: Vec<String> = names.filter(|name| name.starts_with(&prefix)).collect();
    if left.is_empty() { Ok(()) } else { Err(format!("cgroups were left: {}", left.join(", "))) }
}

#[allow(clippy::cast_precision_loss, reason = "bytes of a machine are below 2^52")]
fn kibibytes(bytes: u64) -> f64 {
    bytes as f64 / 1024.0
}

#[allow(clippy::cast_precision_loss, reason = "a few hundred")]
fn count(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        Subject { name: "rrun", kind: Err("not here".to_owned()), notes: vec!["n".to_owned()] }
    }

    #[test]
    fn memory_that_is_taken_rises_with_a_slope_of_its_own_interval() {
        let available = [(0.0, 9000.0), (10.0, 8000.0), (20.0, 7000.0), (30.0, 6000.0)];
        let row = slope(&subject(), &available);
        assert_eq!(row.value(), Some(100.0));
        assert!(row.notes.iter().any(|note| note.starts_with("quiet machine only")), "{row:?}");
    }

    #[test]
    fn a_subject_that_is_missing_has_rows_that_say_why() {
        let rows = missing(&subject(), "install it");
        assert!(rows.iter().all(|row| row.found == Found::Missing("install it".to_owned())));
        assert_eq!(median(&rows, "charge"), None);
    }

    #[test]
    fn what_the_caller_keeps_is_a_row_only_where_there_is_a_caller() {
        let seen = || Seen { charge: vec![1.0], total: vec![1.0], ..Seen::default() };
        let has = |rows: &[Row]| rows.iter().any(|row| row.case == "charge, caller");
        assert!(!has(&seen().rows(&subject())));
        assert!(has(&Seen { caller: vec![2.0], ..seen() }.rows(&subject())));
    }
}
