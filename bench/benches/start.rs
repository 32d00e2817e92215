//! Starts and lives of containers, in criterion: everyone's samples come from the same shuffled rounds.
//!
//! What a newcomer would get wrong: criterion measures one subject after the other; here it only *takes*, one after
//! the other, what was measured together. Its line says the mean; the tables at the end have the quantiles.

use criterion::{Criterion, SamplingMode};
use rrun_bench::figures::{self, Row};
use rrun_bench::programs::Programs;
use rrun_bench::rounds::Rounds;
use rrun_bench::{life, room, subject};
use std::cell::RefCell;
use std::time::Duration;

fn main() {
    if let Err(why) = room::enter() {
        eprintln!("\n*** rrun-bench: {why} ***\n");
        return;
    }
    let programs = Programs::ready();
    let mut criterion = Criterion::default().configure_from_args();
    let starts = rows(&mut criterion, "run", 100, subject::starts(&programs));
    let lives = rows(&mut criterion, "life", 20, life::lives(&programs));
    criterion.final_summary();
    print!("\n{}", figures::table(&starts, |_| subject::FLOOR.to_owned()));
    print!("\n{}", figures::table(&lives, figures::by_verb));
    println!("{}", figures::machine());
}

fn rows(criterion: &mut Criterion, name: &str, samples: usize, rounds: Rounds) -> Vec<Row> {
    let labels = rounds.labels().to_vec();
    let rounds = RefCell::new(rounds);
    let mut group = criterion.benchmark_group(name);
    group.sampling_mode(SamplingMode::Flat).sample_size(samples);
    // One start is one sample: no time to fill.
    group.warm_up_time(Duration::from_nanos(1)).measurement_time(Duration::from_nanos(1));
    for (index, label) in labels.iter().enumerate() {
        group.bench_function(label, |bencher| {
            bencher.iter_custom(|count| {
                (0..count).map(|_| rounds.borrow_mut().next(index).wall).sum()
            });
        });
    }
    group.finish();
    rounds.borrow().rows()
}
