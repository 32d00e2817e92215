//! The README's figures are those of the reference run that is kept with the sources.
//!
//! What a newcomer would get wrong: editing the block. It is written from the results:
//! `rrun-bench readme bench/results/reference.json README.md`.

use rrun_bench::report::{readme_block, with_block};
use rrun_bench::result::Isobench;
use rrun_harness::workspace;
use std::fs;

fn read(name: &str) -> String {
    let file = workspace().join(name);
    fs::read_to_string(&file).unwrap_or_else(|why| panic!("{}: {why}", file.display()))
}

#[test]
fn the_readme_has_the_figures_of_the_reference_run() {
    let (results, readme) = ("bench/results/reference.json", read("README.md"));
    let run = Isobench::parse(&read(results)).expect(results);
    let fresh = with_block(&readme, &readme_block(&run)).expect("the README has markers");
    assert!(
        fresh == readme,
        "the README's figures are not those of {results}; write them anew:\n\
         cargo run -p rrun-bench --bin rrun-bench -- readme {results} README.md"
    );
}

#[test]
fn the_reference_run_went_well_and_is_small_enough_to_be_kept() {
    let text = read("bench/results/reference.json");
    let run = Isobench::parse(&text).expect("results");
    assert_eq!(run.problems, []);
    assert!(run.rows.iter().any(|row| row.subject == "rrun" && row.value().is_some()));
    assert!(text.len() < 4 << 20, "{} bytes", text.len());
}
