//! Many containers: one after the other and side by side, and nothing is left.
//!
//! `RRUN_CYCLES=1000` makes it more of them; with `--nocapture` it tells what the first and the last ones took.

use rrun_harness::{Bundle, Leftovers, Must, Runtime, requires};
use std::fs;
use std::time::{Duration, Instant};

/// How many one after the other.
fn cycles() -> usize {
    let asked = std::env::var("RRUN_CYCLES").ok().and_then(|count| count.parse().ok());
    let slow = std::env::var_os("RRUN_TEST_STRICT").is_some();
    asked.unwrap_or(if slow { 20 } else { 100 })
}

/// How many side by side.
const WIDE: usize = 64;

fn run_and_delete(bundle: &Bundle, runtime: &Runtime, n: usize) {
    let path = bundle.path().to_string_lossy().into_owned();
    let id = format!("{}-{n}", bundle.id());
    runtime.call(["run", "--bundle", path.as_str(), id.as_str()]).success();
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[test]
fn many_containers_one_after_the_other_leave_nothing() {
    requires!(root);
    let bundle = Bundle::new();
    bundle.write_config();
    let timed = |n| {
        let start = Instant::now();
        run_and_delete(&bundle, bundle.runtime(), n);
        start.elapsed()
    };
    let times: Vec<Duration> = (0..cycles()).map(timed).collect();
    let edge = (times.len() / 10).max(1);
    let (first, last) = (median(&times[..edge]), median(&times[times.len() - edge..]));
    eprintln!("{} cycles: the first {edge} took {first:?} each, the last {last:?}", times.len());
    Leftovers::assert_none(&bundle);
    let left = fs::read_dir(bundle.runtime().root()).must("list the root").count();
    assert_eq!(left, 0);
}

#[test]
fn many_containers_side_by_side_leave_nothing() {
    requires!(root);
    let bundle = Bundle::new();
    bundle.write_config();
    std::thread::scope(|scope| {
        for n in 0..WIDE {
            let (bundle, runtime) = (&bundle, bundle.runtime());
            scope.spawn(move || run_and_delete(bundle, runtime, n));
        }
    });
    Leftovers::assert_none(&bundle);
}

#[test]
fn of_many_creates_of_one_id_one_wins_and_the_others_leave_it_alone() {
    requires!(root);
    let bundle = crate::sleeper();
    bundle.write_config();
    let path = bundle.path().to_string_lossy().into_owned();
    let create = || bundle.runtime().start_command(["create", "--bundle", &path, bundle.id()]);
    let creates: Vec<_> = (0..16).map(|_| create()).collect();
    let codes: Vec<i32> = creates.into_iter().map(|create| create.wait().exit_code()).collect();
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
    assert_eq!(bundle.status(), "created");
    bundle.start().success();
    assert_eq!(bundle.status(), "running");
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn an_id_can_be_used_again_at_once() {
    requires!(root);
    let bundle = Bundle::new();
    for _ in 0..5 {
        bundle.create().success();
        bundle.delete_force().success();
        bundle.run().success();
    }
    Leftovers::assert_none(&bundle);
}
