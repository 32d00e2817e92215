//! One small part of the noisy neighbours with a real host: what an aggressor does is measured, and nothing of it is left.
//!
//! What a newcomer would get wrong: these enter rooms, so each runs in a thread that is not used again.

use rrun_bench::noisy::host::Group;
use rrun_bench::noisy::round::{Neighbour, Victim};
use rrun_bench::noisy::scenario::{Aggressor, Configuration, PROCESS_LIMIT};
use rrun_bench::noisy::{self, site::Site};
use rrun_bench::programs::Programs;
use rrun_bench::subject::Runtime;
use rrun_harness::{Must, beside, eventually, requires};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// Of this package and beside it, as this build made them.
fn programs() -> Programs {
    let payload = PathBuf::from(env!("CARGO_BIN_EXE_payload"));
    Programs {
        floor: payload.clone(),
        payload,
        workload: env!("CARGO_BIN_EXE_workload").into(),
        rrun: beside("rrun"),
        runc: None,
        crun: None,
        youki: None,
    }
}

/// Processes that were started with `word` among their arguments.
fn processes(word: &str) -> usize {
    let all = fs::read_dir("/proc").must("read /proc").flatten();
    let lines = all.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| line.split(|byte| *byte == 0).any(|one| one == word.as_bytes())).count()
}

#[test]
fn a_limited_bomb_is_refused_processes_and_leaves_nothing() {
    requires!(root);
    noisy::enter().must("enter a room");
    let site = Site::make(&programs()).must("make the site");
    let rrun = Runtime::at("rrun", &site.programs.rrun);
    let (who, limits) = (Some(&rrun), Configuration::Limits);
    let groups = ["victim", "aggressor"].map(Site::group);
    {
        let mut victim = site.victim(who, limits, Aggressor::Bomb).must("start the victim");
        let bomb = site.aggressor(who, limits, Aggressor::Bomb).must("start the bomb");
        let tick = victim.tick(Duration::from_secs(30)).must("see it work");
        assert!(tick.is_some(), "the victim did nothing beside a limited bomb");
        assert!(eventually(|| groups[1].refused_processes().is_some_and(|count| count > 0.0)));
        let bombs = processes("kind=bomb") + processes("kind=bomb-child");
        let most = usize::try_from(PROCESS_LIMIT).must("a small number");
        // Its parents count too: the runtime that waits for it has the words in its configuration only.
        assert!((1..=most).contains(&bombs), "{bombs} processes of a bomb limited to {most}");
        Box::new(bomb).leave().must("end the bomb, which was still there");
    }
    let directory = site.directory.clone();
    drop(site);
    assert!(!directory.is_dir(), "{} is left", directory.display());
    let left = || groups.iter().flat_map(Group::left).collect::<Vec<_>>();
    assert!(eventually(|| left().is_empty()), "left: {:?}", left());
}

#[test]
fn a_bomb_limits_itself_where_nothing_else_does() {
    requires!(root);
    noisy::enter().must("enter a room");
    let site = Site::make(&programs()).must("make the site");
    let task = Aggressor::Bomb.task(1, "");
    assert!(task.words.contains(&"processes=200".to_owned()), "{task:?}");
    let bomb = site.aggressor(None, Configuration::Bare, Aggressor::Bomb).must("start the bomb");
    let mut most = 0;
    for _ in 0..20 {
        most = most.max(processes("kind=bomb") + processes("kind=bomb-child"));
        std::thread::sleep(Duration::from_millis(10));
    }
    Box::new(bomb).leave().must("end the bomb, which was still there");
    assert!((2..=200).contains(&most), "{most} processes of a bomb");
}
