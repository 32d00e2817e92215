//! The tables that need no report: what one question's answer is, now, as text.

use rrun_bench::programs::Programs;
use rrun_bench::result::{Row, beside, table};
use rrun_bench::rounds::{Contestant, Rounds};
use rrun_bench::scene::{Life, Seccomp};
use rrun_bench::start::contests;
use rrun_bench::traced::{Pace, Resident, watch};
use rrun_bench::{filters, lane_i, life, machine, room, scene, subject};
use serde_json::json;

/// Their names and what they show.
pub const TABLES: [(&str, &str); 7] = [
    ("start", "run of /bin/true: rrun beside the floor, runc and crun"),
    ("life", "create, state, start, exec, kill, delete"),
    ("memory", "the most memory that is resident in `run`"),
    ("instructions", "of `rrun run` in user space, counted one by one"),
    ("lane-i", "instructions of rrun's starts, inside an emulated machine that counts them"),
    ("size", "of the binaries"),
    ("filters", "the steps of seccomp filters"),
];

/// What was asked for.
#[derive(Debug)]
pub struct Request {
    /// One of [`TABLES`].
    pub table: String,
    /// How often everyone has a turn.
    pub rounds: usize,
    /// Where every sample is kept.
    pub json: Option<String>,
}

/// Prints a table.
///
/// # Errors
/// A sentence.
pub fn print(request: &Request) -> Result<(), String> {
    match request.table.as_str() {
        "start" => rounds(request, contests::contests, subject::FLOOR),
        "life" => rounds(request, life::lives, "rrun"),
        "memory" => memory(),
        "instructions" => instructions(),
        "lane-i" => counted(request.rounds.min(10)),
        "size" => size(),
        "filters" => {
            print!("{}", filters::table());
            Ok(())
        }
        other => Err(format!("there is no table {other}")),
    }
}

/// Each row is divided by that of `base` in the same case, where there is one.
fn rounds(
    request: &Request,
    of: impl FnOnce(&Programs) -> Vec<Contestant>,
    base: &str,
) -> Result<(), String> {
    room::enter()?;
    let programs = Programs::ready();
    let mut rounds = Rounds::of(of(&programs));
    rounds.warm_up()?;
    for _ in 0..request.rounds {
        rounds.turn()?;
    }
    let rows = rounds.rows();
    drop(rounds);
    scene::sweep();
    publish(request, &rows, base)
}

/// Prints the rows and keeps them, if asked to.
fn publish(request: &Request, rows: &[Row], base: &str) -> Result<(), String> {
    let machine = machine::facts();
    // Where the floor takes no part, rrun is what the others are divided by.
    let found = |row: &Row| beside(rows, row, base).or_else(|| beside(rows, row, "rrun"));
    print!("{}", table(rows, found));
    println!("{} rounds, shuffled; {machine}", request.rounds);
    match &request.json {
        None => Ok(()),
        Some(file) => {
            let text = json!({ "machine": machine, "rows": rows }).to_string();
            std::fs::write(file, text).map_err(|error| format!("write {file}: {error}"))
        }
    }
}

fn memory() -> Result<(), String> {
    room::enter()?;
    let programs = Programs::ready();
    let bundle = scene::bundle(&programs, "memory", Seccomp::Docker, Life::Short);
    println!("{:<24}{:>8}{:>12}{:>12}", "KiB resident in run", "peak", "anonymous", "of files");
    for runtime in subject::runtimes(&programs, &bundle) {
        let seen = watch(&mut runtime.run(&bundle, "bench"), Pace::Free);
        let Resident { peak, anonymous, files } = seen.resident;
        println!("{:<24}{peak:>8}{anonymous:>12}{files:>12}", runtime.label);
    }
    Ok(())
}

fn instructions() -> Result<(), String> {
    room::enter()?;
    let programs = Programs::ready();
    let bundle = scene::bundle(&programs, "instructions", Seccomp::Docker, Life::Short);
    let rrun = &subject::runtimes(&programs, &bundle)[0];
    let seen = watch(&mut rrun.run(&bundle, "bench"), Pace::Steps);
    let all: u64 = seen.instructions.iter().sum();
    println!("rrun run, the parent in user space: {all} instructions");
    println!("before and after it has executed itself: {:?}", seen.instructions);
    Ok(())
}

fn counted(rounds: usize) -> Result<(), String> {
    println!("{:<16}{:<20}{:>12}{:>12}{:>6}", "case", "subject", "Minstr", "least", "n");
    for row in lane_i::look(&Programs::ready(), rounds)? {
        let Some(summary) = &row.summary else { continue };
        let (median, least) = (summary.p50 / 1e6, summary.min / 1e6);
        println!("{:<16}{:<20}{median:>12.3}{least:>12.3}{:>6}", row.case, row.subject, summary.n);
    }
    Ok(())
}

fn size() -> Result<(), String> {
    let programs = Programs::ready();
    println!("{:<64}{:>12}", "binary", "bytes");
    for file in [Some(programs.rrun), programs.runc, programs.crun].into_iter().flatten() {
        let metadata = std::fs::metadata(&file).map_err(|error| format!("{error}"))?;
        println!("{:<64}{:>12}", file.display(), metadata.len());
    }
    Ok(())
}
