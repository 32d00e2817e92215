//! Lane I: what starts, system calls and neighbours cost in instructions, inside one emulated machine that counts them.
//!
//! ```text
//! host: freight ── initramfs: programs, bundles, order.json ──►  guest: lane-i-guest, pid 1
//!       rows    ◄── a line of JSON for each sample, port 0xe9 ──   time stamp counter = instructions executed
//! ```
//!
//! The machine neither caches nor predicts and has one processor, so its figures are no times; in return they need
//! neither a quiet machine nor hardware virtualization, and two runs agree. It refuses figures that don't: everything is
//! measured in two boots, and medians that differ are an error. What a newcomer would get wrong: an idle machine's
//! counter jumps to the next timer, so what sleeps is counted as if it had worked.

pub mod boot;
pub mod calls;
pub mod collect;
pub mod freight;
pub mod guest;
pub mod machines;
pub mod neighbours;
pub mod order;
pub mod starts;

use crate::programs::Programs;
use crate::result::{Lane, Metric, Row, Unit};
use crate::suite::{Context, Pace};
use crate::vm::{Initramfs, Kernel};
use collect::Cell;
use freight::Freight;
use machines::Machine;
use order::{Answer, Order};
use rrun_harness::on_path;
use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

/// Additions of the victim: two hundred million instructions, two periods of cpu.max. The same at each pace, because
/// the ratios depend a little on how the periods fall.
const WORK: u64 = 40_000_000;

/// The case and the subject of the row that says which emulated machine counted.
pub const MACHINE: &str = "machine";

/// What is booted: its number among those of its kind, and a name for the person who waits.
struct Boot<'a> {
    number: usize,
    of: Guest<'a>,
}

enum Guest<'a> {
    Ordered(&'a Path),
    Machine(Machine, &'a Path),
}

/// Measures.
///
/// # Errors
/// A sentence when it can't be measured as it should: a guest that hangs, a payload that never runs, two boots that do
/// not agree.
pub fn measure(context: &Context) -> Result<Vec<Row>, String> {
    let kernel = match prerequisites() {
        Ok(kernel) => kernel,
        Err(why) => return Ok(missing(&why)),
    };
    let room = Room::new()?;
    let files = files(context, room.place())?;
    let mut boots = VecDeque::new();
    for number in 0..2 {
        boots.push_back(Boot { number, of: Guest::Ordered(&files.ordered) });
    }
    for machine in [Machine::Stock, Machine::Q35, Machine::Microvm] {
        // What one boot says of these two is enough for a quick look: the first one's count is checked by a second.
        let twice = machine == Machine::Microvm || context.pace == Pace::Full;
        for number in 0..if twice { 2 } else { 1 } {
            boots.push_back(Boot { number, of: Guest::Machine(machine, &files.payload) });
        }
    }
    context.progress(&format!("{} boots of {}", boots.len(), kernel.release));
    let mut cells = cells(&kernel, boots)?;
    cells.sort_by_key(|cell| order_of(&cell.metric));
    let mut rows = vec![machine(&kernel)?];
    rows.extend(collect::rows(&cells)?);
    Ok(rows)
}

/// Which emulated machine counted: figures of another are not comparable.
fn machine(kernel: &Kernel) -> Result<Row, String> {
    let said = Command::new(crate::vm::QEMU).arg("--version").output();
    let said = said.map_err(|why| format!("ask QEMU for its version: {why}"))?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let version = version(&said).ok_or_else(|| format!("QEMU's version is {said:?}"))?;
    let interval = "version of QEMU, release of the guest's kernel";
    let row = Row::new(Metric::M1i, MACHINE, MACHINE, Unit::Count, interval).lane(Lane::I);
    Ok(row.text(format!("{version}-{}", kernel.release)))
}

/// "QEMU emulator version 7.2.22 (Debian …)": the first word that is a number.
fn version(said: &str) -> Option<&str> {
    said.split_whitespace().find(|word| word.starts_with(|first: char| first.is_ascii_digit()))
}

/// Instructions of starts alone, in one boot, for whoever makes rrun cheaper.
///
/// # Errors
/// As [`measure`].
pub fn look(programs: &Programs, rounds: usize) -> Result<Vec<Row>, String> {
    let kernel = prerequisites()?;
    let room = Room::new()?;
    let mut freight = Freight::of(programs)?;
    let mut starts = starts::order(&mut freight, programs, &["rrun"]);
    starts.retain(|start| {
        ["spawn", "floor"].contains(&start.subject.as_str()) || start.subject.starts_with("rrun")
    });
    let initramfs = room.place().join("look");
    freight.write(&Order { rounds, starts, ..Order::default() }, &initramfs)?;
    let boot = Boot { number: 0, of: Guest::Ordered(&initramfs) };
    collect::rows(&cells(&kernel, VecDeque::from([boot]))?)
}

/// Boots them all, two at a time: what one counts is not moved by another.
fn cells(kernel: &Kernel, boots: VecDeque<Boot>) -> Result<Vec<Cell>, String> {
    let (queue, cells) = (Mutex::new(boots), Mutex::new(Ok(Vec::new())));
    let worker = || {
        while let Some(boot) = queue.lock().ok().and_then(|mut queue| queue.pop_front()) {
            let found = boot.answers(kernel);
            let Ok(mut cells) = cells.lock() else { return };
            match (&mut *cells, found) {
                (Ok(cells), Ok(answers)) => collect::add(cells, boot.number, answers),
                (Ok(_), Err(why)) => *cells = Err(why),
                (Err(_), _) => return,
            }
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from).min(4);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(worker);
        }
    });
    cells.into_inner().map_err(|_| "a boot's thread panicked".to_owned())?
}

impl Boot<'_> {
    fn answers(&self, kernel: &Kernel) -> Result<Vec<Answer>, String> {
        match self.of {
            Guest::Ordered(initramfs) => boot::answers(kernel.best(), initramfs, self.number),
            Guest::Machine(machine, initramfs) => {
                let count = machine.boot(kernel, initramfs)?;
                let subject = machine.subject().to_owned();
                Ok(vec![Answer::Sample("M1i".to_owned(), "run".to_owned(), subject, count)])
            }
        }
    }
}

/// What is booted from.
struct Files {
    ordered: PathBuf,
    payload: PathBuf,
}

fn files(context: &Context, place: &Path) -> Result<Files, String> {
    let files = Files { ordered: place.join("ordered"), payload: place.join("payload") };
    let (programs, pace) = (&context.programs, context.pace);
    let mut freight = Freight::of(programs)?;
    let verbs: &[_] = pace.pick(&["rrun"], &["rrun", "runc", "crun"]);
    let order = Order {
        rounds: pace.pick(3, 8),
        starts: starts::order(&mut freight, programs, verbs),
        calls: calls::order(&mut freight, programs, verbs),
        work: WORK,
        neighbours: neighbours::order(&mut freight),
    };
    freight.write(&order, &files.ordered)?;
    Initramfs::new(&programs.payload)?.write(&files.payload)?;
    Ok(files)
}

/// QEMU and a kernel.
fn prerequisites() -> Result<Kernel, String> {
    if !cfg!(target_arch = "x86_64") {
        return Err("lane I emulates x86-64 machines with programs of this one".to_owned());
    }
    on_path("qemu-system-x86_64")
        .ok_or("qemu-system-x86_64 is not here: install qemu-system-x86")?;
    Kernel::find()
}

/// One row of each metric, which says why there are no others.
fn missing(why: &str) -> Vec<Row> {
    let rows = [(Metric::M1i, "run"), (Metric::M7, "getppid"), (Metric::M12, "4 hogs")];
    let row = |(metric, case)| Row::new(metric, case, "rrun", Unit::Instructions, starts::INTERVAL);
    rows.into_iter().map(|what| row(what).lane(Lane::I).missing(why)).collect()
}

fn order_of(metric: &str) -> usize {
    ["M1i", "M7", "M12"].iter().position(|name| *name == metric).unwrap_or_default()
}

/// A directory of ours, removed when we are done.
struct Room(PathBuf);

impl Room {
    fn new() -> Result<Self, String> {
        let place = std::env::temp_dir().join(format!("rrun-bench-lane-i-{}", std::process::id()));
        fs::create_dir_all(&place).map_err(|why| format!("make {}: {why}", place.display()))?;
        Ok(Self(place))
    }

    fn place(&self) -> &Path {
        &self.0
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // It lies in the system's temporary directory.
        fs::remove_dir_all(&self.0).ok();
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_qemu_says_its_version() {
        let said =
            "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright (c) 2003";
        assert_eq!(super::version(said), Some("7.2.22"));
        assert_eq!(super::version(""), None);
    }
}
