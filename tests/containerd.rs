//! containerd 1.6, 1.7 and 2 run containers by rrun: through their own shim, which calls it, and through ours, which is it.
//!
//! One daemon for each set and a list of cases for each way. What a newcomer would get wrong: `ctr` is its own client of
//! the daemon and of the container's streams; what it prints comes through the shim's fifos.

#[path = "containerd/cases.rs"]
mod cases;
#[path = "containerd/crash.rs"]
mod crash;
#[path = "containerd/scene.rs"]
mod scene;

use rrun_harness::engines::{Ability, Cases, Containerd, Image, Set};
use rrun_harness::requires;
use scene::{Scene, Way};

fn every_case(set: Set, way: Way) {
    // Whom a label asks to restart containers looks every ten seconds otherwise.
    let restart = "[plugins.\"io.containerd.internal.v1.restart\"]\n  interval = \"1s\"\n";
    let mut containerd = Containerd::with(set, |config| config.extra.push_str(restart));
    let image = containerd.import(&Image::busybox("bb"));
    let mut cases = Cases::of(&format!("containerd of {}, {way:?}", set.name()));
    for (name, _, case) in cases::ALL {
        cases.case(name, || case(&Scene::new(&containerd, way, &image)));
    }
    for (name, _, case) in crash::ALL {
        cases.case(name, || case(&mut containerd, way, &image));
    }
    cases.end();
}

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn the_distributions_containerd_runs_rrun_by_runcs_shim() {
    requires!(root, busybox, engines(Set::Own));
    every_case(Set::Own, Way::RuncsShim);
}

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn a_newer_containerd_runs_rrun_by_runcs_shim() {
    requires!(root, busybox, engines(Set::Sid));
    every_case(Set::Sid, Way::RuncsShim);
}

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn the_distributions_containerd_runs_our_shim() {
    requires!(root, busybox, engines(Set::Own));
    every_case(Set::Own, Way::OurShim);
}

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn the_last_containerd_1_runs_our_shim() {
    requires!(root, busybox, engines(Set::Trixie));
    every_case(Set::Trixie, Way::OurShim);
}

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn a_newer_containerd_runs_our_shim() {
    requires!(root, busybox, engines(Set::Sid));
    every_case(Set::Sid, Way::OurShim);
}

/// What the kernel does about limits, where all of them are cgroup2's: `cargo xtask test --engines` runs it in its guest.
#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn in_a_guest_our_shim_keeps_limits_in_cgroup2() {
    requires!(root, busybox, cgroup_v2("memory"), cgroup_v2("cpu"), engines(Set::Own));
    let about = [Ability::Limits, Ability::OutOfMemory, Ability::Pause, Ability::Stats];
    let containerd = Containerd::start(Set::Own);
    let image = containerd.import(&Image::busybox("bb"));
    let mut cases = Cases::of("containerd in a guest");
    for (name, abilities, case) in cases::ALL {
        if abilities.iter().any(|ability| about.contains(ability)) {
            cases.case(name, || case(&Scene::new(&containerd, Way::OurShim, &image)));
        }
    }
    cases.end();
}

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn our_shim_executes_no_runtime() {
    requires!(root, busybox, program("strace"), engines(Set::Sid));
    crash::no_rrun_is_executed(Set::Sid);
}
