//! Where engines run: namespaces and a directory of their own.
//!
//! Knows how to make a room (mount, network and pid namespace; `/run` and `/var/lib` of its own; `lo` up), to run
//! programs in it, and to leave nothing of it: with the first process of its pid namespace all others end, with the last
//! its mounts and links. Refuses a cgroup namespace: what an engine asks of cgroups must be seen from outside.
//! A newcomer would take `ip netns exec`, which hides /sys/fs/cgroup; and would miss that a pid inside is another one
//! outside: [`Room::processes`] has ours. A room ends with the thread that made it, even when that is killed.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use nix::sys::signal::Signal;

use super::Set;
use super::daemon::signal_if_there;
use crate::bounded::Output;
use crate::runtime::unique;
use crate::{Must, Running, Stdio, beside, eventually, on_path};

/// The first process: it reaps whoever is left to it, as a shell that waits does. The room's directory may be below the
/// /run that it hides (a guest's is, where nothing else takes an overlay's upper layer): then it is put there again. Of
/// the machine's /run there is what the words after it say, if it is there; mount's own notes are not (-n).
const FIRST: &str = "room=$0 && cd \"$room\" && mount -t tmpfs -o mode=755 tmpfs /mnt && \
    for kept; do test ! -d /run/$kept || { mkdir /mnt/$kept && mount --rbind /run/$kept /mnt/$kept; } || exit 1; done && \
    mount -n --move /mnt /run && \
    { test -d \"$room\" || { mkdir -p \"$room\" && mount -c --bind . \"$room\"; }; } && \
    mount --bind \"$room/lib\" /var/lib && ip link set lo up && \
    echo > \"$room/ready\" && sleep infinity; exit 1";

/// Whom a room shares processes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pids {
    /// Nobody.
    Own,
    /// The machine, whose systemd is told pids.
    Machine,
}

/// Namespaces, a directory, and a `PATH`.
#[derive(Debug)]
pub struct Room {
    directory: PathBuf,
    name: String,
    set: Set,
    pids: Pids,
    holder: Child,
    first: i32,
}

impl Room {
    /// An empty one for engines of `set`; `bin` in it has rrun, our shim where it is built, and nothing of the machine.
    #[must_use]
    #[track_caller]
    pub fn new(set: Set) -> Room {
        Self::make(set, Pids::Own)
    }

    /// One whose engines ask the machine's systemd for cgroups: its sockets are there, and pids are the machine's.
    #[must_use]
    #[track_caller]
    pub fn under_systemd(set: Set) -> Room {
        Self::make(set, Pids::Machine)
    }

    #[track_caller]
    fn make(set: Set, pids: Pids) -> Room {
        let name = unique("rroom");
        let directory = env::temp_dir().join(&name);
        for below in ["bin", "lib", "out"] {
            fs::create_dir_all(directory.join(below)).must("make the room's directory");
        }
        link_programs(&directory.join("bin"), set);
        let mut holder = Command::new("setpriv");
        holder.args(["--pdeathsig", "KILL", "unshare", "--mount", "--net", "--fork"]);
        holder.arg("--kill-child=KILL");
        if pids == Pids::Own {
            holder.args(["--pid", "--mount-proc"]);
        }
        holder.args(["sh", "-c", FIRST]).arg(&directory);
        if pids == Pids::Machine {
            holder.args(["systemd", "dbus"]);
        }
        let quiet = holder.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
        let holder = quiet.spawn().must("make the room's namespaces with setpriv and unshare");
        let mut room = Room { directory, name, set, pids, holder, first: 0 };
        let ready = room.directory.join("ready");
        let mut ended = || room.holder.try_wait().is_ok_and(|ended| ended.is_some());
        let made = eventually(|| ready.exists() || ended()) && ready.exists();
        assert!(made, "the room's first process could not mount /run or /var/lib, or raise lo");
        room.first = children(room.holder.id()).first().copied().must("find the first process");
        room
    }

    /// Its directory, the same inside and outside; short enough for sockets.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// A name for cgroups and namespaces of engines: cgroups that bear it are the room's, and end with it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The set that its programs come from.
    #[must_use]
    pub fn set(&self) -> Set {
        self.set
    }

    /// A program of `bin`: `rrun`, for configurations that want a path.
    #[must_use]
    pub fn bin(&self, name: &str) -> PathBuf {
        self.directory.join("bin").join(name)
    }

    /// The program, to be run in the room, in its directory.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg("--target").arg(self.first.to_string());
        // nsenter waits outside, and is what a test ends: its child must not live on.
        command.args(["--mount", "--net", "--pid", "--", "setpriv", "--pdeathsig", "KILL"]);
        // Who enters a mount namespace is at its root, wherever it was before.
        command.args(["env", "--chdir"]).arg(&self.directory).arg(program);
        command.env("PATH", self.search_path());
        command.envs(self.set.environment()).env("HOME", self.directory.join("lib"));
        // What the one who runs the tests has set must not lead an engine's client elsewhere.
        for name in ["DOCKER_HOST", "CONTAINERD_ADDRESS", "CONTAINERD_NAMESPACE", "NOTIFY_SOCKET"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs a command to its end, which must come in time; its output is kept here.
    #[track_caller]
    pub fn finish(&self, command: Command) -> Output {
        self.start(command, &Stdio::Kept).wait()
    }

    /// Starts a command whose end is waited for later; its output is kept here.
    #[must_use]
    #[track_caller]
    pub fn start(&self, command: Command, streams: &Stdio) -> Running {
        Running::start(command, streams, &self.directory.join("out"))
    }

    /// Runs a line of shell in the room.
    #[track_caller]
    pub fn sh(&self, line: &str) -> Output {
        let mut command = self.command("sh");
        command.args(["-c", line]);
        self.finish(command)
    }

    /// The processes in the room and in containers below it, by our pids, with their command lines.
    #[must_use]
    pub fn processes(&self) -> Vec<(i32, String)> {
        let kind = if self.pids == Pids::Own { "ns/pid" } else { "ns/mnt" };
        let ours = fs::read_link(format!("/proc/{}/{kind}", self.first)).unwrap_or_default();
        let mut found: Vec<(i32, i32, String, bool)> = Vec::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let at = entry.path();
            let text = |file: &str| fs::read_to_string(at.join(file)).unwrap_or_default();
            let inside = fs::read_link(at.join(kind)).is_ok_and(|namespace| namespace == ours);
            let line = text("cmdline").replace('\0', " ").trim_end().to_owned();
            found.push((pid, parent(&text("stat")), line, inside));
        }
        // A container's own pid namespace is another one; its first process' parent is in ours.
        while let Some(at) = found.iter().position(|(_, parent, _, inside)| {
            !inside && found.iter().any(|(pid, _, _, inside)| pid == parent && *inside)
        }) {
            found[at].3 = true;
        }
        let holders = [self.first, self.holder.id().cast_signed()];
        let inside =
            found.into_iter().filter(|(pid, _, _, is_in)| *is_in && !holders.contains(pid));
        // A zombie has no command line, and is its parent's leftover, if anybody's.
        inside.filter(|found| !found.2.is_empty()).map(|found| (found.0, found.2)).collect()
    }

    /// The cgroups that bear the room's name, outermost first.
    #[must_use]
    pub fn cgroups(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        directories(Path::new("/sys/fs/cgroup"), &mut |at| {
            if at.to_string_lossy().contains(&self.name) {
                found.push(at.to_owned());
            }
        });
        found
    }

    /// What the room's containers left: processes beside its own `sleep`, and mounts of containers.
    #[must_use]
    pub fn leftovers(&self) -> Vec<String> {
        let processes = self.processes().into_iter();
        let mut found: Vec<String> = processes
            .filter(|(_, line)| line != "sleep infinity")
            .map(|(pid, line)| format!("process {pid} {line}"))
            .collect();
        let table = fs::read_to_string(format!("/proc/{}/mountinfo", self.first));
        let table = table.unwrap_or_default();
        let points = table.lines().filter_map(|line| line.split(' ').nth(4));
        // A room begins with the machine's mounts, among which may be those of engines that are none of ours.
        let ours = |point: &&str| {
            let room = self.directory.to_string_lossy();
            [&*room, "/run/", "/var/lib/"].iter().any(|at| point.starts_with(at))
        };
        found.extend(
            points
                .filter(ours)
                .filter(|point| point.contains("/rootfs") || point.contains("/merged"))
                .map(|point| format!("mount {point}")),
        );
        let holding = |at: &PathBuf| {
            fs::read_to_string(at.join("cgroup.procs")).is_ok_and(|text| !text.is_empty())
        };
        let full = self.cgroups().into_iter().filter(holding);
        found.extend(full.map(|at| format!("cgroup with processes {}", at.display())));
        found
    }

    /// The room's `PATH`.
    fn search_path(&self) -> OsString {
        let mut all = vec![self.directory.join("bin")];
        all.extend(self.set.directories());
        all.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
        all.extend(["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from));
        env::join_paths(all).unwrap_or_default()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut left = Vec::new();
        // The daemons have ended; what they ended themselves takes a moment to go.
        if !std::thread::panicking() {
            eventually_soon(|| {
                left = self.leftovers();
                left.is_empty()
            });
        }
        if self.pids == Pids::Machine {
            // Nobody's end is theirs, too.
            for (pid, _) in self.processes() {
                signal_if_there(pid, Signal::SIGKILL);
            }
        }
        // 0 would be our own process group.
        if self.first != 0 {
            signal_if_there(self.first, Signal::SIGKILL);
        }
        drop(self.holder.kill());
        drop(self.holder.wait());
        eventually_soon(|| {
            // Deepest first; a cgroup is busy until its last process is reaped.
            self.cgroups().iter().rev().all(|at| fs::remove_dir(at).is_ok())
        });
        left.extend(self.cgroups().iter().map(|at| format!("cgroup {}", at.display())));
        if let Err(why) = fs::remove_dir_all(&self.directory) {
            left.push(format!("{}: {why}", self.directory.display()));
        }
        if !left.is_empty() && !std::thread::panicking() {
            panic!("the engines' room was left with\n  {}", left.join("\n  "));
        }
    }
}

/// As [`eventually`], for what is not a failure of its own.
fn eventually_soon(mut condition: impl FnMut() -> bool) {
    let mut tries = 0;
    eventually(|| {
        tries += 1;
        condition() || tries > 250
    });
}

/// `bin`: the runtime under test as `rrun`, our shim where cargo has built it, and iptables by its usual name.
#[track_caller]
fn link_programs(bin: &Path, set: Set) {
    let mut links = vec![("rrun", Some(crate::Runtime::under_test().program().to_owned()))];
    let shim = env::var_os("CARGO_BIN_EXE_containerd-shim-rrun-v2").map(PathBuf::from);
    links.push(("containerd-shim-rrun-v2", shim.or_else(shim_beside)));
    // The links that a maintainer's script would have made.
    let tables = set.find("usr/sbin/xtables-nft-multi");
    for name in ["iptables", "ip6tables"] {
        links.push((name, on_path(name).or_else(|| tables.clone())));
    }
    for (name, target) in links {
        if let Some(target) = target {
            symlink(target, bin.join(name)).must(&format!("link {name}"));
        }
    }
}

fn shim_beside() -> Option<PathBuf> {
    let shim = beside("rrun").with_file_name("containerd-shim-rrun-v2");
    shim.is_file().then_some(shim)
}

/// The children of a process' main thread.
pub(super) fn children(pid: u32) -> Vec<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

fn parent(stat: &str) -> i32 {
    // PID (NAME) STATE PPID …, and the name may have spaces and parentheses (proc_pid_stat(5)).
    let rest = stat.rsplit(") ").next().unwrap_or_default();
    rest.split(' ').nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn directories(at: &Path, found: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(at).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found(&entry.path());
            directories(&entry.path(), found);
        }
    }
}
