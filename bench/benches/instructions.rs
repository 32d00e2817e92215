//! Starts in instructions, in criterion: counted once, in an emulated machine, and handed to criterion sample by sample.
//!
//! What a newcomer would get wrong: criterion would repeat what is the same each time; here it is given the samples of
//! one boot, over and over when it asks for more. As a test (`--test`) nothing is booted, and that is said.

use criterion::measurement::{Measurement, ValueFormatter};
use criterion::{Criterion, SamplingMode, Throughput};
use rrun_bench::lane_i;
use rrun_bench::programs::Programs;
use rrun_bench::result::Found;
use std::time::Duration;

/// How often everyone is started.
const ROUNDS: usize = 5;

/// Instructions of the guest.
struct Instructions;

impl Measurement for Instructions {
    type Intermediate = ();
    type Value = u64;

    // Nothing is measured between these two: every bench gives its own values.
    fn start(&self) {}

    fn end(&self, (): ()) -> u64 {
        0
    }

    fn add(&self, one: &u64, other: &u64) -> u64 {
        one + other
    }

    fn zero(&self) -> u64 {
        0
    }

    #[allow(clippy::cast_precision_loss, reason = "these are fewer than 2^53")]
    fn to_f64(&self, value: &u64) -> f64 {
        *value as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        self
    }
}

impl ValueFormatter for Instructions {
    fn scale_values(&self, _: f64, values: &mut [f64]) -> &'static str {
        values.iter_mut().for_each(|value| *value /= 1e6);
        "Minstr"
    }

    fn scale_throughputs(&self, _: f64, _: &Throughput, _: &mut [f64]) -> &'static str {
        "Minstr"
    }

    fn scale_for_machines(&self, _: &mut [f64]) -> &'static str {
        "instr"
    }
}

fn main() {
    if std::env::args().any(|word| word == "--test") {
        println!(
            "instructions: not booted in a test; `cargo bench --bench instructions` counts them"
        );
        return;
    }
    let rows = match lane_i::look(&Programs::ready(), ROUNDS) {
        Ok(rows) => rows,
        Err(why) => {
            eprintln!("\n*** instructions: nothing was counted: {why} ***\n");
            std::process::exit(1);
        }
    };
    let mut criterion = Criterion::default().with_measurement(Instructions).configure_from_args();
    let mut group = criterion.benchmark_group("instructions");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.warm_up_time(Duration::from_nanos(1)).measurement_time(Duration::from_nanos(1));
    for row in rows {
        let Found::Samples(samples) = row.found else { continue };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts")]
        let mut values = samples.iter().map(|sample| *sample as u64).cycle();
        group.bench_function(format!("{}: {}", row.case, row.subject), |bencher| {
            bencher.iter_custom(|count| (0..count).filter_map(|_| values.next()).sum());
        });
    }
    group.finish();
    criterion.final_summary();
}
