//! `rrun-bench`: the tables without criterion.

use rrun_bench::figures::{self, Row};
use rrun_bench::programs::Programs;
use rrun_bench::rounds::Rounds;
use rrun_bench::{room, subject};

fn main() {
    let rounds: usize = std::env::args().nth(3).map_or(100, |n| n.parse().unwrap_or(100));
    let programs = Programs::ready();
    room::enter().unwrap_or_else(|why| panic!("{why}"));
    let mut all = Rounds::of(subject::starters(&programs));
    for _ in 0..rounds {
        all.turn();
    }
    let rows: Vec<Row> =
        all.subjects().iter().zip(&all.samples).map(|(s, t)| Row::new(&s.label, t)).collect();
    print!("{}", figures::table(&rows, subject::FLOOR));
    println!("{}", figures::machine());
}
