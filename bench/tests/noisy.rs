//! A small part of the noisy neighbours with a real host: what an aggressor does is bounded, and nothing of it is left.
//!
//! What a newcomer would get wrong: this enters rooms, so it is one test, in a thread that is not used again.

use rrun_bench::noisy::host::Group;
use rrun_bench::noisy::round::{Neighbour, Outcome, Victim, round};
use rrun_bench::noisy::scenario::{Aggressor, BOMB, Configuration, PROCESS_LIMIT};
use rrun_bench::noisy::{self, site::Site};
use rrun_bench::programs::Programs;
use rrun_bench::subject::Runtime;
use rrun_harness::{Must, beside, eventually, requires};
use std::fs;
use std::time::Duration;

/// Of this package and beside it, as this build made them.
fn programs() -> Programs {
    Programs {
        payload: env!("CARGO_BIN_EXE_payload").into(),
        workload: env!("CARGO_BIN_EXE_workload").into(),
        rrun: beside("rrun"),
        ..Programs::default()
    }
}

/// Processes of a process group.
fn members(group: u32) -> usize {
    let all = fs::read_dir("/proc").must("read /proc").flatten();
    let lines = all.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    // State, parent and group follow the name, which may have spaces itself.
    let groups = lines.filter_map(|line| line.rsplit(") ").next()?.split(' ').nth(2)?.parse().ok());
    groups.filter(|other: &u32| *other == group).count()
}

#[test]
fn bombs_are_bounded_and_leave_nothing() {
    requires!(root, cgroup("pids"), cgroup("cpu"), cgroup("memory"));
    noisy::enter().must("enter a room");
    let site = Site::make(&programs()).must("make the site");
    a_limit_refuses_a_bomb_its_processes(&site);
    a_bomb_limits_itself_where_nothing_else_does(&site);
    a_round_measures_beside_a_real_neighbour(&site);
    let directory = site.directory.clone();
    drop(site);
    assert!(!directory.is_dir(), "{} is left", directory.display());
    let groups = ["victim", "aggressor"].map(Site::group);
    let left = || groups.iter().flat_map(Group::left).collect::<Vec<_>>();
    assert!(eventually(|| left().is_empty()), "left: {:?}", left());
}

fn a_limit_refuses_a_bomb_its_processes(site: &Site) {
    let rrun = Runtime::at("rrun", &site.programs.rrun);
    let (who, limits) = (Some(&rrun), Configuration::Limits);
    let mut victim = site.victim(who, limits, Aggressor::Bomb).must("start the victim");
    let bomb = site.aggressor(who, limits, Aggressor::Bomb).must("start the bomb");
    let tick = victim.tick(Duration::from_secs(30)).must("see it work");
    assert!(tick.is_some(), "the victim did nothing beside a limited bomb");
    let group = Site::group("aggressor");
    let most = usize::try_from(PROCESS_LIMIT).must("a small number");
    assert!(eventually(|| group.refused_processes().is_some_and(|count| count > 0.0)));
    assert!((1..=most).contains(&group.processes()), "{} processes", group.processes());
    Box::new(bomb).leave().must("end the bomb, which was still there");
}

fn a_bomb_limits_itself_where_nothing_else_does(site: &Site) {
    let bomb = site.aggressor(None, Configuration::Bare, Aggressor::Bomb).must("start the bomb");
    let (group, mut most) = (bomb.pid(), 0);
    for _ in 0..20 {
        most = most.max(members(group));
        std::thread::sleep(Duration::from_millis(10));
    }
    Box::new(bomb).leave().must("end the bomb, which was still there");
    let cap = usize::try_from(BOMB).must("a small number");
    assert!((3..=cap).contains(&most), "{most} processes of a bomb");
    assert!(eventually(|| members(group) == 0), "{} processes are left", members(group));
}

fn a_round_measures_beside_a_real_neighbour(site: &Site) {
    let rrun = Runtime::at("rrun", &site.programs.rrun);
    let (who, limits) = (Some(&rrun), Configuration::Limits);
    let mut victim = site.victim(who, limits, Aggressor::Cpu).must("start the victim");
    let mut arrive = || -> Result<Box<dyn Neighbour>, String> {
        Ok(Box::new(site.aggressor(who, limits, Aggressor::Cpu)?))
    };
    // How much slower is the machine's affair: a test has no opinion on time.
    let outcome = round(&mut victim, &mut arrive, 1).must("measure a round");
    let (Outcome::Finished { alone, .. } | Outcome::DidNotFinish { alone }) = outcome;
    assert!(alone > 0.0, "{outcome:?}");
}
