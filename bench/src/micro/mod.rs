//! What work costs once it runs (M6, M7, M8, M10): computation, system calls, round trips, memory; everyone once per
//! round, in a shuffled order, each time in a process, a container or a guest that was just started.
//!
//! It refuses to compare the times of an emulated guest with anyone's: they are rows with a note, in a group of their
//! own. What a newcomer would get wrong: a container shares its kernel with bare processes, so a difference that is not
//! in the system calls' filter is mostly noise; the intervals say how much.

mod cases;
mod series;

pub use cases::{CASES, Case};
pub use series::Series;

use crate::inside::{self, Bare, Guest, Subject, Task};
use crate::result::Row;
use crate::room;
use crate::rounds::shuffled;
use crate::stats::quantile;
use crate::suite::{Context, Pace};
use crate::vm::{Accelerator, Machines};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Rounds that are taken even by a machine so busy that time runs out.
const AT_LEAST: usize = 5;

/// How long a start and its work may take; a guest's, emulated, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is to be said of a guest without hardware virtualization.
const EMULATED: &str = "emulated (TCG): the times of an emulator, not of hardware virtualization";

/// MiB below which a kernel with some to spare does not use huge pages.
const HUGE: u32 = 640;

/// MiB that the guest's kernel and program take beside the arrays.
const GUEST: usize = 160;

/// Measures.
///
/// # Errors
/// A sentence when it can't be measured as it should.
pub fn measure(context: &Context) -> Result<Vec<Row>, String> {
    room::enter()?;
    let programs = &context.programs;
    let arrays = Arrays::of_this_machine();
    let mut hosts = vec![Subject::Bare(Bare::new(programs.workload.clone()))];
    hosts.extend(inside::containers(programs).into_iter().map(Subject::Container));
    let directory = room::directory().join("data");
    fs::create_dir_all(&directory).map_err(|why| format!("{}: {why}", directory.display()))?;
    let task = task(context.pace, &arrays, millisecond(&hosts[0], &directory)?);
    let (count, budget) = context.pace.pick((10, 10), (40, 105));
    context.progress(&format!("up to {count} rounds of {} subjects", hosts.len()));
    let found = rounds(&hosts, &task, count, Duration::from_secs(budget))?;
    let bare = |row: Row, case: &Case| described(row, case, &arrays).group("micro");
    let mut rows: Vec<Row> = found.iter().flat_map(|series| series.rows(bare)).collect();
    let references = [("runc", programs.runc.is_some()), ("crun", programs.crun.is_some())];
    rows.extend(absent(references));
    rows.extend(guest(context, &task, &arrays)?);
    Ok(rows)
}

/// All the work of one start.
fn task(pace: Pace, arrays: &Arrays, steps: u64) -> Task {
    let task = Task::new("micro").with("steps", steps).with("triad", arrays.mebibytes);
    let words = match pace {
        Pace::Quick => [("span", 300), ("batches", 7), ("units", 15), ("passes", 3), ("touch", 8)],
        Pace::Full => {
            [("span", 1000), ("batches", 11), ("units", 40), ("passes", 5), ("touch", 32)]
        }
    };
    words.into_iter().fold(task, |task, (key, value)| task.with(key, value))
}

/// The work with its files in `directory`, which is on a tmpfs.
fn at(task: &Task, subject: &Subject) -> Task {
    let directory = match subject {
        Subject::Bare(_) => room::directory().join("data"),
        Subject::Container(_) | Subject::Guest(_) => "/tmp".into(),
    };
    task.clone().with("dir", directory.display())
}

/// Steps that take a bare process one millisecond, so that units are the same for everyone.
fn millisecond(bare: &Subject, directory: &Path) -> Result<u64, String> {
    let task = Task::new("compute").with("batches", 9).with("dir", directory.display());
    let answer = bare.run(&task, PATIENCE)?;
    // The least disturbed batch: a unit must not be longer because the machine was busy.
    let thousand = quantile(answer.of("integer"), 0.0).ok_or("bare: compute said nothing")?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounded, positive")]
    Ok((1e6 / thousand * 1e3).round() as u64)
}

fn rounds(
    subjects: &[Subject],
    task: &Task,
    count: usize,
    budget: Duration,
) -> Result<Vec<Series>, String> {
    let mut all: Vec<Series> = subjects.iter().map(|who| Series::of(who.name())).collect();
    let (began, mut random) = (Instant::now(), 1);
    for round in 0..count {
        if round >= AT_LEAST && began.elapsed() > budget {
            break;
        }
        for index in shuffled(subjects.len(), &mut random) {
            let subject = &subjects[index];
            all[index].add(&subject.run(&at(task, subject), PATIENCE)?)?;
        }
    }
    Ok(all)
}

fn described(row: Row, case: &Case, arrays: &Arrays) -> Row {
    match case.said {
        "triad" => row.note(arrays.described()),
        "stat" | "pread" | "openat+close" => row.note("a file on a tmpfs"),
        _ => row,
    }
}

/// Why these references, of which each was found or not, are not among the rows.
fn absent(references: [(&str, bool); 2]) -> Vec<Row> {
    let cases = |(name, _)| {
        let why = format!("there is no {name} on PATH: install the package {name}");
        CASES.iter().map(move |case| case.row(name).missing(why.as_str()))
    };
    references.into_iter().filter(|(_, found)| !found).flat_map(cases).collect()
}

/// The same work in a guest.
fn guest(context: &Context, task: &Task, arrays: &Arrays) -> Result<Vec<Row>, String> {
    let missing = |why: &str| CASES.iter().map(|case| case.row("vm").missing(why)).collect();
    let machines = match Machines::ready(&context.programs.payload) {
        Ok(machines) => machines,
        Err(why) => return Ok(missing(&why)),
    };
    let mut recipe = machines.microvm(PathBuf::new(), "");
    recipe.memory = u32::try_from(arrays.mebibytes + GUEST).unwrap_or(u32::MAX).max(HUGE);
    let emulated = machines.accelerator() != Accelerator::Kvm;
    // One thread emulates all processors, which would make two of them slower than one.
    recipe.processors = if emulated { 1 } else { processors().min(2) };
    let guest = Guest::new(recipe, &context.programs.workload, &machines.kernel, &[])?;
    let guest = [Subject::Guest(Box::new(guest))];
    let (count, budget) = context.pace.pick((2, 8), (8, 40));
    context.progress(&format!("up to {count} guests"));
    let found = rounds(&guest, task, count, Duration::from_secs(budget))?;
    let finish = |row: Row, case: &Case| {
        let row = described(row, case, arrays).group("micro vm");
        if emulated { row.note(EMULATED) } else { row }
    };
    Ok(found.iter().flat_map(|series| series.rows(finish)).collect())
}

fn processors() -> u32 {
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// How large the triad's arrays are together.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Arrays {
    mebibytes: usize,
    cache: Option<usize>,
}

impl Arrays {
    /// At most; a last cache that many machines share a slice of would ask for gigabytes.
    const MOST: usize = 256;

    /// When the last cache is unknown.
    const OTHERWISE: usize = 128;

    fn of_this_machine() -> Self {
        let caches = fs::read_dir("/sys/devices/system/cpu/cpu0/cache").into_iter().flatten();
        let sizes = caches
            .flatten()
            .filter_map(|cache| kibibytes(&fs::read_to_string(cache.path().join("size")).ok()?));
        Self::beside(sizes.max())
    }

    /// Four times a last cache of so many KiB.
    fn beside(cache: Option<usize>) -> Self {
        let cache = cache.map(|kibibytes| kibibytes.div_ceil(1024));
        let mebibytes = cache.map_or(Self::OTHERWISE, |cache| (4 * cache).clamp(16, Self::MOST));
        Self { mebibytes, cache }
    }

    fn described(&self) -> String {
        let cache = match self.cache {
            Some(cache) => format!("a last cache of {cache} MiB"),
            None => "a last cache of unknown size".to_owned(),
        };
        format!("{} MiB in three arrays, beside {cache}", self.mebibytes)
    }
}

/// `32768K`, `32M`.
fn kibibytes(text: &str) -> Option<usize> {
    let text = text.trim();
    match text.strip_suffix('M') {
        Some(mebibytes) => mebibytes.parse::<usize>().ok().map(|size| size * 1024),
        None => text.strip_suffix('K')?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_four_times_the_last_cache_but_never_gigabytes() {
        assert_eq!(kibibytes("32768K\n"), Some(32768));
        assert_eq!(kibibytes("32M"), Some(32768));
        assert_eq!(kibibytes("large"), None);
        assert_eq!(Arrays::beside(Some(32768)).mebibytes, 128);
        assert_eq!(Arrays::beside(Some(512 * 1024)).mebibytes, Arrays::MOST);
        let unknown = Arrays::beside(None);
        assert_eq!(unknown.mebibytes, Arrays::OTHERWISE);
        assert!(unknown.described().contains("unknown"));
    }

    #[test]
    fn a_reference_that_is_not_there_has_a_row_of_each_case_with_what_to_install() {
        let rows = absent([("runc", true), ("crun", false)]);
        assert_eq!(rows.len(), CASES.len());
        assert!(rows.iter().all(|row| row.subject == "crun"));
        assert!(absent([("runc", true), ("crun", true)]).is_empty());
    }
}
