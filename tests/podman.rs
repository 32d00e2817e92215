//! What podman asks of a runtime, with rrun as its default one: each test is some cells of the table of engines.
//!
//! Refuses `--runtime` on every line: the configuration names rrun, as a user's would, and [`a_container_runs_by_rrun`]
//! shows that it is what runs. What a newcomer would get wrong: podman has no daemon, so who watches a container is
//! conmon, and who restarts one is a podman that conmon starts.

#[path = "podman/build.rs"]
mod build;
#[path = "podman/ends.rs"]
mod ends;
#[path = "podman/life.rs"]
mod life;
#[path = "podman/terminal.rs"]
mod terminal;

use rrun_harness::engines::Ability::{
    Delete, Exec, ExitCodes, Kill, Limits, Logs, Pause, Restart, Run, Stats, Tty, Update,
};
use rrun_harness::engines::{Image, Podman, Proof};

/// What each test proves, for `docs/engines.md`.
const _: &[Proof] = &[
    ("a_container_runs_by_rrun_and_leaves_nothing", &[Run, Delete]),
    ("exec_logs_top_stop_and_rm", &[Exec, Logs, Kill, Delete]),
    ("a_terminal_has_the_size_of_ours_follows_it_and_hands_on_the_status", &[Tty]),
    ("an_exec_has_a_terminal_of_its_own", &[Tty]),
    ("limits_are_there_and_follow_an_update_and_stats_are_read", &[Limits, Update, Stats]),
    ("a_paused_container_is_silent_until_it_is_resumed", &[Pause]),
    ("restart_policies_act", &[Restart]),
    ("what_cannot_be_executed_is_126_or_127_and_a_signal_counts", &[ExitCodes]),
    ("a_container_that_wants_more_memory_than_it_has_is_killed", &[ExitCodes]),
];

/// The image of these tests.
const IMAGE: &str = "localhost/tests:1";

/// podman with that image.
#[track_caller]
fn podman() -> Podman {
    let podman = Podman::start();
    podman.load(&Image::busybox(IMAGE));
    podman
}

/// One thing about a container.
#[track_caller]
fn inspect(podman: &Podman, container: &str, template: &str) -> String {
    let said = podman.call(&["inspect", "--format", template, container]);
    said.success().stdout().trim().to_owned()
}

/// `podman run --detach` of a line of shell, with these options.
#[track_caller]
fn detached(podman: &Podman, name: &str, options: &[&str], script: &str) {
    let words = ["run", "--detach", "--name", name].into_iter().chain(options.iter().copied());
    let words: Vec<&str> = words.chain([IMAGE, "/bin/sh", "-c", script]).collect();
    podman.call(&words).success();
}

/// Removes it and what is its own.
#[track_caller]
fn remove(podman: &Podman, names: &[&str]) {
    for name in names {
        podman.call(&["rm", "--force", "--volumes", "--time", "0", name]).success();
    }
}
