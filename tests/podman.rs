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

use rrun_harness::engines::{Image, Podman};

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
