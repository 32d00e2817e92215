//! Starts and lives, in criterion: everyone's samples come from the same shuffled rounds.
//!
//! Virtual machines take part in some rounds of a full run, because each takes seconds where it is emulated; not with
//! `--test`, which says so. What a newcomer would get wrong: criterion measures one subject after the other; here it
//! only *takes*, one after the other, what was measured together before. Its line says the mean; the tables at the end
//! have the quantiles.

use criterion::{BenchmarkGroup, Criterion, SamplingMode, measurement::WallTime};
use rrun_bench::programs::Programs;
use rrun_bench::result::{Metric, Row, beside, table};
use rrun_bench::rounds::{Rounds, name};
use rrun_bench::start::{contests, machines};
use rrun_bench::{life, machine, room, scene, subject};
use std::cell::RefCell;
use std::process::ExitCode;
use std::time::Duration;

/// Samples of a container's start, of a container's life, and of a machine's start (criterion's least).
const STARTS: usize = 100;
const LIVES: usize = 20;
const MACHINES: usize = 10;

/// With so many rounds between two of a cold machine, it has its samples when the containers have theirs.
const EVERY: usize = STARTS / MACHINES;

/// What criterion asks for beside its samples.
const WARM_UP: usize = 1;

fn main() -> ExitCode {
    match measured() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            loud(&why);
            ExitCode::FAILURE
        }
    }
}

/// One round for `--test`, none for `--list`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Full,
    Test,
    List,
}

fn mode() -> Mode {
    let is_asked = |word: &str| std::env::args().any(|argument| argument == word);
    // `cargo test` says nothing at all; it is `cargo bench` that says what it wants.
    match (is_asked("--list"), is_asked("--test") || !is_asked("--bench")) {
        (true, _) => Mode::List,
        (_, true) => Mode::Test,
        _ => Mode::Full,
    }
}

fn measured() -> Result<(), String> {
    if let Err(why) = room::enter() {
        loud(&why);
        return Ok(());
    }
    let programs = Programs::ready();
    let mut all = contests::contests(&programs);
    if mode() == Mode::Full {
        match machines::found(&programs) {
            Ok(found) => all.extend(machines::contests(&found, EVERY)),
            Err(why) => loud(&format!("no virtual machine is measured: {why}")),
        }
    } else {
        println!("virtual machines take seconds each: they are measured without --test only");
    }
    let mut criterion = Criterion::default().configure_from_args();
    let started = taken(&mut criterion, Rounds::of(all), STARTS, starts)?;
    let lived = taken(&mut criterion, Rounds::of(life::lives(&programs)), LIVES, |_| true)?;
    scene::sweep();
    criterion.final_summary();
    for rows in [&started, &lived] {
        let base = |row: &Row| {
            let is_emulated = row.notes.iter().any(|note| note == machines::EMULATED);
            let found = beside(rows, row, subject::FLOOR).or_else(|| beside(rows, row, "rrun"));
            found.filter(|_| !is_emulated)
        };
        print!("\n{}", table(rows, base));
    }
    println!("{}", machine::facts());
    Ok(())
}

/// Runs the rounds and lets criterion take what they gave.
fn taken(
    criterion: &mut Criterion,
    mut rounds: Rounds,
    samples: usize,
    is_shown: fn(&Row) -> bool,
) -> Result<Vec<Row>, String> {
    let count = match mode() {
        Mode::Full => samples + WARM_UP,
        Mode::Test => 1,
        Mode::List => 0,
    };
    for _ in 0..count {
        rounds.turn()?;
    }
    let rounds = RefCell::new(rounds);
    let rows: Vec<Vec<Row>> =
        rounds.borrow().contestants().iter().map(|one| one.templates().to_vec()).collect();
    for (contestant, rows) in rows.iter().enumerate() {
        for (number, row) in rows.iter().enumerate().filter(|(_, row)| is_shown(row)) {
            // A verb alone is no start: all of them are one group.
            let is_start = row.metric == Metric::M1;
            let mut group = criterion.benchmark_group(if is_start { &row.case } else { "life" });
            let machine = row.subject.starts_with("vm ") && row.subject != "vm restored";
            samples_of(&mut group, if machine { MACHINES } else { samples });
            if let Some(why) = rounds.borrow().given_up(contestant) {
                loud(&format!("{}: {why}", name(row)));
                continue;
            }
            let label = if is_start { row.subject.clone() } else { name(row) };
            group.bench_function(label, |bencher| {
                bencher.iter_custom(|count| {
                    let next = || match rounds.borrow_mut().next(contestant, number) {
                        Ok(Some(figure)) => Duration::from_secs_f64(figure.value / 1e3),
                        Ok(None) => panic!("{} was given up", name(row)),
                        Err(why) => panic!("{why}"),
                    };
                    (0..count).map(|_| next()).sum()
                });
            });
            group.finish();
        }
    }
    Ok(rounds.into_inner().rows())
}

/// To the first instruction.
fn starts(row: &Row) -> bool {
    row.metric == Metric::M1 && row.case != "t2-t1"
}

fn samples_of(group: &mut BenchmarkGroup<'_, WallTime>, samples: usize) {
    group.sampling_mode(SamplingMode::Flat).sample_size(samples);
    // One start is one sample: no time to fill.
    group.warm_up_time(Duration::from_nanos(1)).measurement_time(Duration::from_nanos(1));
}

fn loud(why: &str) {
    eprintln!("\n*** rrun-bench: {why} ***\n");
}
