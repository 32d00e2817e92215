//! What a crash leaves, of the shim and of containerd; and what our shim executes.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rrun_harness::engines::Ability::{self, Delete};
use rrun_harness::engines::{Cases, Containerd, Image, Set};
use rrun_harness::{Must, eventually};

use super::scene::{Scene, Way};

pub type Case = fn(&mut Containerd, Way, &str);

pub const ALL: &[(&str, &[Ability], Case)] = &[
    ("a killed shim leaves what delete cleans", &[Delete], a_killed_shim_is_cleaned_up),
    ("a killed containerd finds its containers again", &[], a_killed_containerd_loses_nothing),
];

fn a_killed_shim_is_cleaned_up(containerd: &mut Containerd, way: Way, image: &str) {
    let scene = Scene::new(containerd, way, image);
    scene.detach(&[], &["probe", "sleep"]);
    let shims = containerd.shims(way.shim());
    let [shim] = shims[..] else { panic!("{shims:?} are shims, not one") };
    kill(Pid::from_raw(shim), Signal::SIGKILL).must("kill the shim");
    let gone = eventually(|| {
        !scene.room().processes().iter().any(|(_, line)| line.starts_with("probe sleep"))
    });
    assert!(gone, "the container lives on: {:?}", scene.room().processes());
    let cleaned = eventually(|| scene.listed().is_none_or(|(_, status)| status != "RUNNING"));
    assert!(cleaned, "containerd believes it to run");
    // The task may have gone with its shim; a status that nobody saw is that of a kill.
    scene.task(&["delete"], &[]);
    containerd.call(&["containers", "delete", &scene.id]).success();
    let mut left = Vec::new();
    let clean = eventually(|| {
        left = scene.room().leftovers();
        left.retain(|line| !line.contains(" containerd --config"));
        left.is_empty()
    });
    assert!(clean, "left: {left:?}");
    // Its name is free again.
    let again = Scene { id: scene.id.clone(), ..Scene::new(containerd, way, image) };
    again.run(&[], &["probe", "exit", "4"]).code(4);
}

fn a_killed_containerd_loses_nothing(containerd: &mut Containerd, way: Way, image: &str) {
    let log = containerd.room().path().join("ends.log");
    let uri = format!("file://{}", log.display());
    let [ends, lives] = [["trap", "15", "7"].as_slice(), &["sleep"]].map(|words| {
        let scene = Scene::new(containerd, way, image);
        let flags = if words[0] == "trap" { &["--log-uri", &*uri][..] } else { &[] };
        scene.detach(flags, &[&["probe"], words].concat());
        scene.id.clone()
    });
    let all = containerd.room().processes();
    let trapper = all.iter().find(|(_, line)| line.starts_with("probe trap"));
    let &(pid, _) = trapper.must("find the container's process");
    let ready = || fs::read_to_string(&log).is_ok_and(|said| said.contains("ready"));
    assert!(eventually(ready), "it never waits for the signal");
    containerd.crash();
    kill(Pid::from_raw(pid), Signal::SIGTERM).must("end the container");
    let gone = || fs::read(format!("/proc/{pid}/cmdline")).map_or(true, |line| line.is_empty());
    assert!(eventually(gone), "the container did not end");
    containerd.restart();
    let scene = |id| Scene { id, ..Scene::new(containerd, way, image) };
    let ends = scene(ends);
    // containerd 2 takes a shim that tells of no process for one that was left, and ends it; so it does to runc's.
    let leaked = containerd.log().contains("cleaning leaked shim process");
    if way == Way::RuncsShim && leaked {
        containerd.call(&["containers", "delete", &ends.id]).success();
    } else {
        ends.expect_status("STOPPED");
        ends.delete(7);
    }
    let lives = scene(lives);
    lives.expect_status("RUNNING");
    lives.exec(&[], &["probe", "exit", "5"]).code(5);
    lives.end(137);
}

/// Everything that containerd and its shims execute while a container is made, entered and removed.
pub fn no_rrun_is_executed(set: Set) {
    let containerd = Containerd::with(set, |config| {
        // It is started in its own directory. As a process beside (`-D`): one that writes to a file and is the parent
        // takes no signal, and the daemon would have to be killed.
        let words = "strace -D -f -qq -s 256 -e trace=execve -e signal=none -o trace";
        config.by = words.split(' ').map(str::to_owned).collect();
    });
    let trace = containerd.room().path().join("trace");
    let read = || fs::read_to_string(&trace).unwrap_or_default();
    let image = containerd.import(&Image::busybox("bb"));
    let ways = [Way::RuncsShim, Way::OurShim].map(|way| {
        let before = read().len();
        let scene = Scene::new(&containerd, way, &image);
        scene.detach(&[], &["probe", "sleep"]);
        scene.exec(&[], &["probe", "exit", "3"]).code(3);
        scene.end(137);
        let text = read();
        let new = text.get(before..).unwrap_or_default().to_owned();
        new.lines().filter(|line| line.contains("/rrun\"")).count()
    });
    let [theirs, ours] = ways;
    let mut cases = Cases::of("what is executed");
    cases.case("a shim that does is seen", || assert!(theirs >= 4, "{theirs} times:\n{}", read()));
    cases.case("our shim executes no rrun", || assert!(ours == 0, "{ours} times:\n{}", read()));
    cases.case("our shim ran", || assert!(read().contains("containerd-shim-rrun-v2\"")));
    cases.end();
}
