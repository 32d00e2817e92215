//! dockerd, of either set, beside a containerd of its own.
//!
//! Knows what its configuration needs to know rrun by. Refuses systemd as the manager of cgroups unless it is asked:
//! most machines of tests have none. A newcomer would let dockerd start its own containerd, whose configuration is then its own, too.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use super::{Containerd, Daemon, Image, Room, Set};
use crate::Must;
use crate::bounded::Output;

/// A running dockerd; dropping it ends it, its containerd and their room, and fails the test when something is left.
#[derive(Debug)]
pub struct Docker {
    daemon: Option<Daemon>,
    containerd: Containerd,
}

impl Docker {
    /// dockerd whose runtimes are `rrun`, by its path and by default, and `rrun-shim`, by our shim, where dockerd can.
    #[must_use]
    #[track_caller]
    pub fn start(set: Set) -> Docker {
        Self::with(set, |_| ())
    }

    /// The same, its `daemon.json` changed by `edit`.
    #[must_use]
    #[track_caller]
    pub fn with(set: Set, edit: impl FnOnce(&mut Value)) -> Docker {
        Self::beside(Containerd::start(set), edit)
    }

    /// One that asks systemd for cgroups, in a slice of this name.
    #[must_use]
    #[track_caller]
    pub fn under_systemd(set: Set, slice: &str) -> Docker {
        Self::beside(Containerd::with(set, |config| config.systemd = true), |config| {
            config["exec-opts"] = json!(["native.cgroupdriver=systemd"]);
            config["cgroup-parent"] = json!(slice);
        })
    }

    #[track_caller]
    fn beside(containerd: Containerd, edit: impl FnOnce(&mut Value)) -> Docker {
        let room = containerd.room();
        let at = room.path().display().to_string();
        let mut config = json!({
            "data-root": format!("{at}/docker"),
            "exec-root": format!("{at}/exec"),
            "pidfile": format!("{at}/docker.pid"),
            "hosts": [format!("unix://{at}/d.sock")],
            "containerd": containerd.socket(),
            "runtimes": { "rrun": { "path": room.bin("rrun") } },
            "default-runtime": "rrun",
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "cgroup-parent": format!("/{}", room.name()),
            "storage-driver": "overlay2",
        });
        let mut docker = Docker { daemon: None, containerd };
        if docker.major() >= 24 {
            config["runtimes"]["rrun-shim"] = json!({ "runtimeType": "io.containerd.rrun.v2" });
        }
        edit(&mut config);
        fs::write(docker.room().path().join("daemon.json"), config.to_string())
            .must("write daemon.json");
        docker.link_plugins();
        docker.restart();
        docker
    }

    /// Starts the daemon again.
    #[track_caller]
    pub fn restart(&mut self) {
        self.daemon = None;
        let mut command = self.room().command("dockerd");
        command.arg("--config-file").arg(self.room().path().join("daemon.json"));
        // What BuildKit, inside the daemon, runs a RUN line by; it knows no default runtime.
        command.env("DOCKER_BUILDKIT_RUNC_COMMAND", self.room().bin("rrun"));
        let socket = self.socket();
        let ready = || socket.exists() && self.call(&["version"]).exit_code() == 0;
        let log = self.room().path().join("docker.log");
        self.daemon = Some(Daemon::start("dockerd", command, &log, ready));
    }

    /// Its first number: 20, 28.
    #[track_caller]
    pub fn major(&self) -> u32 {
        let mut command = self.room().command("dockerd");
        command.arg("--version");
        let said = self.room().finish(command).success().stdout();
        // Docker version 20.10.24+dfsg1, build …
        let version = said.split_whitespace().nth(2).unwrap_or_default();
        version.split('.').next().and_then(|number| number.parse().ok()).must("read its version")
    }

    /// Where it runs.
    #[must_use]
    pub fn room(&self) -> &Room {
        self.containerd.room()
    }

    /// The containerd beside it.
    #[must_use]
    pub fn containerd(&self) -> &Containerd {
        &self.containerd
    }

    /// The socket of its API.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.room().path().join("d.sock")
    }

    /// What it wrote.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.room().path().join("docker.log")).unwrap_or_default()
    }

    /// `docker`, in the room.
    #[must_use]
    pub fn docker(&self) -> Command {
        self.at_our_socket(self.room().command("docker"))
    }

    /// Runs `docker` with these arguments to its end.
    #[track_caller]
    pub fn call(&self, args: &[&str]) -> Output {
        let mut command = self.docker();
        command.args(args);
        self.room().finish(command)
    }

    /// Compose: `docker compose` where the set has the plugin, Python's `docker-compose` otherwise.
    #[must_use]
    #[track_caller]
    pub fn compose(&self) -> Command {
        if self.plugins().is_empty() {
            let script = self.room().set().program("docker-compose").must("find docker-compose");
            // Debian's modules are for Debian's Python, not for the first on PATH.
            let mut command = self.room().command("/usr/bin/python3");
            command.arg(script);
            self.at_our_socket(command)
        } else {
            let mut command = self.docker();
            command.arg("compose");
            command
        }
    }

    /// Makes an image known; returns its name.
    #[track_caller]
    pub fn load(&self, image: &Image) -> String {
        let archive = image.write(self.room().path());
        self.call(&["load", "--input", &archive.to_string_lossy()]).success();
        image.reference()
    }

    fn at_our_socket(&self, mut command: Command) -> Command {
        command.env("DOCKER_HOST", format!("unix://{}", self.socket().display()));
        command.env("DOCKER_CONFIG", self.room().path().join("client"));
        command.env_remove("DOCKER_CONTEXT").env_remove("DOCKER_TLS_VERIFY");
        command
    }

    /// The client's plugins of this very set.
    fn plugins(&self) -> Vec<PathBuf> {
        let root = self.room().set().unpacked().unwrap_or_default();
        let plugins = fs::read_dir(root.join("usr/libexec/docker/cli-plugins"));
        plugins.into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    }

    #[track_caller]
    fn link_plugins(&self) {
        let directory = self.room().path().join("client/cli-plugins");
        fs::create_dir_all(&directory).must("make the client's directory");
        for plugin in self.plugins() {
            let name = plugin.file_name().unwrap_or_default().to_owned();
            symlink(&plugin, directory.join(name)).must("link a plugin");
        }
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(8 << 10);
            eprintln!("dockerd wrote at last:\n{}", log.get(from..).unwrap_or(&log));
        }
    }
}
