//! What both Composes and their engines are asked in the same words.
//!
//! Refuses a host's ports: everything is asked from inside the engine's room. What a newcomer would get wrong: pids that
//! an engine says are those of its room.

use std::fs;
use std::path::Path;
use std::process::Command;

use rrun_harness::engines::{Docker, Image, Podman, Room};
use rrun_harness::{Must, Output, busybox};

/// An engine with its Compose.
pub trait Composer {
    /// Its Compose, before any argument.
    fn composer(&self) -> Command;
    /// Its own command line, to the end.
    fn engine(&self, words: &[&str]) -> Output;
    /// Where it runs.
    fn room(&self) -> &Room;
    /// Makes an image known.
    fn take(&self, image: &Image);
    /// The template of `inspect` for the name of the runtime.
    fn runtime(&self) -> &'static str;

    /// Compose for the project of that name in a directory.
    #[track_caller]
    fn compose(&self, directory: &Path, words: &[&str]) -> Output {
        let mut command = self.composer();
        command.arg("-f").arg(directory.join("docker-compose.yml"));
        let name = directory.file_name().must("name the project").to_string_lossy().into_owned();
        command.args(["-p", &name]).args(words);
        self.room().finish(command)
    }

    /// Builds and starts it. podman-compose has succeeded even when podman has not: what it said is shown, if the test
    /// fails.
    #[track_caller]
    fn up(&self, directory: &Path) {
        let up = self.compose(directory, &["up", "--detach", "--build"]);
        eprintln!("{}", up.account());
        up.success();
    }

    /// Ends and removes it, with its volumes, and finds that nothing is left.
    #[track_caller]
    fn down(&self, directory: &Path) {
        self.compose(directory, &["down", "--volumes"]).success();
        self.sweep();
        assert_nothing_is_left(self);
    }

    /// What this Compose is known to leave.
    fn sweep(&self) {}

    /// One thing about a container.
    #[track_caller]
    fn inspect(&self, container: &str, template: &str) -> String {
        let said = self.engine(&["inspect", "--format", template, container]);
        said.success().stdout().trim().to_owned()
    }

    /// The one container of the project whose name has this service.
    #[track_caller]
    fn container_of(&self, service: &str) -> String {
        let listed = self.engine(&["ps", "--all", "--format", "{{.Names}}"]).success().stdout();
        let mut names = listed.lines().filter(|name| name.contains(service));
        names.next().must(&format!("find {service} in {listed:?}")).to_owned()
    }

    /// Kills a container's first process as the kernel would: no engine knows of it before.
    #[track_caller]
    fn kill_main_process(&self, container: &str, signal: &str) {
        let pid = self.inspect(container, "{{.State.Pid}}");
        self.room().sh(&format!("kill -{signal} {pid}")).success();
    }
}

impl Composer for Podman {
    fn composer(&self) -> Command {
        Podman::compose(self)
    }
    fn engine(&self, words: &[&str]) -> Output {
        self.call(words)
    }
    fn room(&self) -> &Room {
        Podman::room(self)
    }
    fn take(&self, image: &Image) {
        self.load(image);
    }
    fn runtime(&self) -> &'static str {
        "{{.OCIRuntime}}"
    }
    /// podman-compose 1.0 removes no network, and no volume that only the image asks for; podman removes what nobody
    /// uses.
    fn sweep(&self) {
        for kind in ["network", "volume"] {
            self.call(&[kind, "prune", "--force"]).success();
        }
    }
}

impl Composer for Docker {
    fn composer(&self) -> Command {
        Docker::compose(self)
    }
    fn engine(&self, words: &[&str]) -> Output {
        self.call(words)
    }
    fn room(&self) -> &Room {
        Docker::room(self)
    }
    fn take(&self, image: &Image) {
        self.load(image);
    }
    fn runtime(&self) -> &'static str {
        "{{.HostConfig.Runtime}}"
    }
}

/// What an address answers, if it answers with success.
#[track_caller]
pub fn get(engine: &dyn Composer, url: &str) -> Option<String> {
    let output = wget(engine, &[url]);
    (output.exit_code() == 0).then(|| output.stdout())
}

/// What is answered to this JSON.
#[track_caller]
pub fn post(engine: &dyn Composer, url: &str, body: &str) -> Output {
    wget(engine, &["--post-data", body, url])
}

#[track_caller]
fn wget(engine: &dyn Composer, words: &[&str]) -> Output {
    // Without its option for a deadline, which is a crash in Debian 12's; the room's commands have one.
    let mut command = engine.room().command(busybox().must("find a static busybox"));
    command.args(["wget", "-q", "-O", "-"]).args(words);
    engine.room().finish(command)
}

/// A copy of a project of the fixtures, below the room: what it writes is not written into the sources.
#[must_use]
#[track_caller]
pub fn project(engine: &dyn Composer, name: &str) -> std::path::PathBuf {
    let to = engine.room().path().join(name);
    copy(&rrun_harness::engines::article::fixtures().join(name), &to).must("copy the project");
    to
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (at, into) = entry.map(|entry| (entry.path(), to.join(entry.file_name())))?;
        if at.is_dir() {
            copy(&at, &into)?;
        } else {
            fs::copy(&at, &into)?;
        }
    }
    Ok(())
}

/// No container, no volume, no network but the engine's own.
#[track_caller]
pub fn assert_nothing_is_left<C: Composer + ?Sized>(engine: &C) {
    for words in [&["ps", "--all", "--quiet"][..], &["volume", "ls", "--quiet"]] {
        engine.engine(words).success().stdout_is("");
    }
    let networks = engine.engine(&["network", "ls", "--format", "{{.Name}}"]).success().stdout();
    let others: Vec<&str> = networks
        .lines()
        .filter(|name| !["bridge", "host", "none", "podman"].contains(name))
        .collect();
    assert!(others.is_empty(), "networks are left: {others:?}");
}
