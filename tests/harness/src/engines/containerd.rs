//! containerd, of either set, with every runtime that is to be tried.
//!
//! Knows both versions of its configuration. Refuses plugins that nothing here uses: each costs a start some time.
//! A newcomer would write one configuration for both; the CRI plugin's section has another name in version 3.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Daemon, Image, Room, Set};
use crate::bounded::Output;
use crate::{Must, Runtime};

/// In the room of one that asks systemd: what our shim is told, for whoever can name a file only.
pub const SHIM_OPTIONS: &str = "shim.toml";

/// What a test may want otherwise.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whether the CRI plugin is there; then every runtime is one of its handlers: `runc`, `rrun` (by the shim of runc)
    /// and `rrun-shim` (by ours).
    pub cri: bool,
    /// Whether systemd makes the cgroups of pods, and is to be reached from the room.
    pub systemd: bool,
    /// The image of a pod's first container.
    pub sandbox_image: String,
    /// TOML at the end of the file.
    pub extra: String,
    /// What the daemon is started by, with its arguments: `strace`.
    pub by: Vec<String>,
    /// Variables of the daemon and of its shims.
    pub environment: Vec<(String, String)>,
}

/// A running containerd; dropping it ends it and its room, and fails the test when something is left.
#[derive(Debug)]
pub struct Containerd {
    config: Config,
    daemon: Option<Daemon>,
    room: Room,
}

impl Containerd {
    /// containerd without CRI, in a room of its own.
    #[must_use]
    #[track_caller]
    pub fn start(set: Set) -> Containerd {
        Self::with(set, |_| ())
    }

    /// The same, its configuration changed by `edit`.
    #[must_use]
    #[track_caller]
    pub fn with(set: Set, edit: impl FnOnce(&mut Config)) -> Containerd {
        set.unpacked().must("unpack the engines");
        let mut config = Config {
            cri: false,
            systemd: false,
            sandbox_image: "localhost/pause:1".into(),
            extra: String::new(),
            by: Vec::new(),
            environment: Vec::new(),
        };
        edit(&mut config);
        let room = if config.systemd { Room::under_systemd(set) } else { Room::new(set) };
        write_networks(&room);
        if config.systemd {
            fs::write(room.path().join(SHIM_OPTIONS), "SystemdCgroup = true\n")
                .must("write the shim's options");
        }
        let mut containerd = Containerd { config, daemon: None, room };
        let text = containerd.configuration();
        fs::write(containerd.room.path().join("containerd.toml"), text)
            .must("write containerd's configuration");
        containerd.restart();
        containerd
    }

    /// Starts the daemon again, after [`Containerd::crash`].
    #[track_caller]
    pub fn restart(&mut self) {
        self.daemon = None;
        let by = self.config.by.iter().map(String::as_str);
        let mut words = by.chain(["containerd"]);
        let mut command = self.room.command(words.next().unwrap_or("containerd"));
        command.args(words).arg("--config").arg(self.room.path().join("containerd.toml"));
        command.envs(self.config.environment.iter().map(|(name, value)| (name, value)));
        let room = &self.room;
        let version = || {
            let mut version = ctr(room);
            version.arg("version");
            room.finish(version).exit_code() == 0
        };
        let socket = self.socket();
        let ready = || socket.exists() && version();
        let log = self.room.path().join("containerd.log");
        self.daemon = Some(Daemon::start("containerd", command, &log, ready));
    }

    /// Kills the daemon; shims and containers live on.
    pub fn crash(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.crash();
        }
    }

    /// Where it runs.
    #[must_use]
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// The socket of its services.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        socket(&self.room)
    }

    /// What it and its shims wrote.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.room.path().join("containerd.log")).unwrap_or_default()
    }

    /// `ctr`, its namespace named as the room, so that its cgroups are the room's.
    #[must_use]
    pub fn ctr(&self) -> Command {
        ctr(&self.room)
    }

    /// Runs `ctr` with these arguments to its end.
    #[track_caller]
    pub fn call(&self, args: &[&str]) -> Output {
        let mut command = self.ctr();
        command.args(args);
        self.room.finish(command)
    }

    /// Makes an image known in `ctr`'s namespace; returns its name.
    #[track_caller]
    pub fn import(&self, image: &Image) -> String {
        self.import_to(self.room.name(), image)
    }

    /// Makes an image known in this namespace (`k8s.io` is CRI's); returns its name.
    #[track_caller]
    pub fn import_to(&self, namespace: &str, image: &Image) -> String {
        let archive = image.write(self.room.path());
        let mut command = self.ctr();
        command.args(["--namespace", namespace, "images", "import"]).arg(archive);
        self.room.finish(command).success();
        image.reference()
    }

    /// The pids of the shims with this runtime name in their program's: `rrun`, `runc`.
    #[must_use]
    pub fn shims(&self, runtime: &str) -> Vec<i32> {
        let program = format!("containerd-shim-{runtime}-v2");
        let processes = self.room.processes().into_iter();
        let named = processes.filter(|(_, line)| {
            line.split(' ').next().is_some_and(|name| name.ends_with(&program))
        });
        named.map(|(pid, _)| pid).collect()
    }

    fn configuration(&self) -> String {
        let at = self.room.path().display();
        let newer = major(&self.room) >= 2;
        let version = if newer { 3 } else { 2 };
        let mut disabled = vec!["btrfs", "zfs", "devmapper", "aufs", "blockfile", "erofs"]
            .into_iter()
            .map(|name| format!("io.containerd.snapshotter.v1.{name}"))
            .collect::<Vec<_>>();
        if !self.config.cri {
            disabled.push("io.containerd.grpc.v1.cri".into());
            if newer {
                disabled.push("io.containerd.cri.v1.images".into());
                disabled.push("io.containerd.cri.v1.runtime".into());
            }
        }
        let mut text = format!(
            "version = {version}\nroot = \"{at}/root\"\nstate = \"{at}/state\"\ndisabled_plugins = {disabled:?}\n\
             [grpc]\n  address = \"{at}/c.sock\"\n[debug]\n  level = \"info\"\n\
             [plugins.\"io.containerd.internal.v1.opt\"]\n  path = \"{at}/opt\"\n"
        );
        if self.config.cri {
            text.push_str(&cri(&self.room, newer, &self.config));
        }
        text.push_str(&self.config.extra);
        text
    }
}

fn socket(room: &Room) -> PathBuf {
    room.path().join("c.sock")
}

fn ctr(room: &Room) -> Command {
    let mut command = room.command("ctr");
    command.arg("--address").arg(socket(room)).args(["--namespace", room.name()]);
    command
}

/// `containerd --version`: NAME MODULE VERSION…
fn major(room: &Room) -> u32 {
    let mut command = room.command("containerd");
    command.arg("--version");
    let said = room.finish(command).success().stdout();
    let version = said.split_whitespace().nth(2).unwrap_or_default().trim_start_matches('v');
    version.split('.').next().and_then(|number| number.parse().ok()).must("read its version")
}

/// The CRI plugin: pods on a bridge of the room, runtimes by their handlers' names.
fn cri(room: &Room, newer: bool, config: &Config) -> String {
    let sandbox_image = &config.sandbox_image;
    let runtime = if newer { "io.containerd.cri.v1.runtime" } else { "io.containerd.grpc.v1.cri" };
    let at = room.path().display();
    let plugins = room.set().find("usr/lib/cni/bridge").must("find the CNI plugins");
    let plugins = plugins.parent().unwrap_or(Path::new("/usr/lib/cni")).display();
    let mut text = format!("[plugins.\"{runtime}\"]\n  restrict_oom_score_adj = true\n");
    let mut add = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    if newer {
        add("[plugins.\"io.containerd.cri.v1.images\".pinned_images]".into());
        add(format!("  sandbox = \"{sandbox_image}\""));
    } else {
        add(format!("  sandbox_image = \"{sandbox_image}\""));
    }
    add(format!("[plugins.\"{runtime}\".cni]"));
    add(if newer {
        format!("  bin_dirs = [\"{plugins}\"]")
    } else {
        format!("  bin_dir = \"{plugins}\"")
    });
    add(format!("  conf_dir = \"{at}/cni\""));
    add(format!("[plugins.\"{runtime}\".containerd]\n  default_runtime_name = \"rrun\""));
    let handlers = [
        ("runc", "io.containerd.runc.v2", None),
        ("rrun", "io.containerd.runc.v2", Some(room.bin("rrun"))),
        ("rrun-shim", "io.containerd.rrun.v2", None),
    ];
    for (name, kind, binary) in handlers {
        let table = format!("plugins.\"{runtime}\".containerd.runtimes.{name}");
        add(format!("[{table}]\n  runtime_type = \"{kind}\""));
        // No table at all if it would be empty: containerd 2 takes another shim's for no pod with users of its own.
        let is_runcs = kind == "io.containerd.runc.v2";
        if config.systemd || is_runcs {
            add(format!("  [{table}.options]"));
        }
        // containerd 1.6 hands nothing of this table to another shim than runc's but the name of a file.
        if config.systemd && !newer && !is_runcs {
            add(format!("    ConfigPath = \"{at}/{SHIM_OPTIONS}\""));
        } else if config.systemd {
            add("    SystemdCgroup = true".to_owned());
        }
        if let Some(binary) = binary {
            add(format!("    BinaryName = \"{}\"", binary.display()));
        }
    }
    text
}

/// What a pod is connected to, of the plugins that every distribution has.
#[track_caller]
fn write_networks(room: &Room) {
    let network = serde_json::json!({
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            { "type": "bridge", "bridge": "pods0", "isGateway": true, "ipMasq": true, "ipam": {
                "type": "host-local",
                "ranges": [[{ "subnet": "10.88.0.0/16" }]],
                "routes": [{ "dst": "0.0.0.0/0" }],
            } },
            { "type": "portmap", "capabilities": { "portMappings": true } },
        ],
    });
    let directory = room.path().join("cni");
    fs::create_dir_all(&directory).must("make CNI's directory");
    fs::write(directory.join("10-pods.conflist"), network.to_string()).must("write the network");
}

impl Drop for Containerd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(8 << 10);
            eprintln!("containerd wrote at last:\n{}", log.get(from..).unwrap_or(&log));
        }
    }
}

/// How a container is run: what containerd's runtime is called, and by which program.
impl Containerd {
    /// `ctr run`'s flags for rrun through containerd's own shim.
    #[must_use]
    pub fn by_runcs_shim(&self) -> Vec<String> {
        let binary = self.room.bin("rrun").display().to_string();
        assert!(Runtime::under_test().program().exists(), "the runtime is built");
        vec!["--runtime".into(), "io.containerd.runc.v2".into(), "--runc-binary".into(), binary]
    }

    /// `ctr run`'s flags for our shim.
    #[must_use]
    pub fn by_our_shim(&self) -> Vec<String> {
        vec!["--runtime".into(), "io.containerd.rrun.v2".into()]
    }
}
