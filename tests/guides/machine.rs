//! A machine for an operator: an engines' room whose packages are installed where packages are, with an `/etc`, a
//! `/usr/local` and cgroups of its own.
//!
//! Knows what a guide may take for granted: the engine's packages, systemd's verbs (a script here does `systemctl
//! restart` for containerd and docker), a directory with both of our programs. Refuses to help the guide: what it does
//! not install and configure itself is not there. What a newcomer would get wrong: the names of cgroups in a guide are
//! everybody's (`/docker`, `/default`), so that two rooms would share them; this one has a cgroup namespace.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use rrun_harness::engines::{Image, Room, Set};
use rrun_harness::{Must, Output, Running, Runtime, Stdio, eventually};

/// Where an operator's programs are found, without anything of a room's.
const SEARCH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// `systemctl VERB UNIT` for the two units that guides restart; with their drop-ins' variables, as systemd would.
const SYSTEMCTL: &str = r#"#!/bin/sh
verb=$1 unit=$2 file=/run/$2.unit
[ "$verb" = daemon-reload ] && exit 0
case $unit in
    containerd) daemon=containerd client=ctr ;;
    docker) daemon="dockerd --containerd=/run/containerd/containerd.sock" client=docker ;;
    *) echo "Unit $unit.service not found." >&2; exit 5 ;;
esac
if [ -e "$file" ] && [ "$verb" != start ]; then
    kill "$(cat "$file")"
    while kill -0 "$(cat "$file")" 2>/dev/null; do sleep 0.02; done
    rm "$file"
fi
[ "$verb" = stop ] || [ -e "$file" ] && exit 0
[ "$unit" = docker ] && systemctl start containerd
for variable in $(sed -n 's/^Environment=//p' "/etc/systemd/system/$unit.service.d/"*.conf 2>/dev/null); do
    export "$variable"
done
cd /
setsid $daemon </dev/null >>"/run/$unit.log" 2>&1 &
echo $! > "$file"
for try in $(seq 500); do
    $client version >/dev/null 2>&1 && exit 0
    kill -0 "$(cat "$file")" 2>/dev/null || break
    sleep 0.04
done
echo "Job for $unit.service failed." >&2
cat "/run/$unit.log" >&2
exit 1
"#;

/// A hierarchy of cgroups as it is mounted.
struct Hierarchy {
    at: String,
    kind: String,
    options: String,
}

/// One that runs; dropping it ends its daemons and fails the test when a guide has left something.
pub struct Machine {
    // Ends before the room does.
    holder: Option<Running>,
    hierarchies: Vec<Hierarchy>,
    room: Room,
}

impl Machine {
    #[track_caller]
    pub fn new(set: Set) -> Machine {
        set.unpacked().must("unpack the engines");
        let room = Room::new(set);
        let hierarchies = hierarchies();
        make_cgroups(&hierarchies, room.name());
        let mut machine = Machine { holder: None, hierarchies, room };
        machine.lay_out();
        machine
    }

    /// Runs lines of shell, as an operator would paste them: they end at the first that fails.
    pub fn paste(&self, lines: &str) -> Output {
        let script = self.room.path().join("pasted");
        fs::write(&script, lines).must("write the lines");
        let entered = self.hierarchies.iter().map(|one| format!("echo 0 > {}; ", own(one)));
        let line = format!(
            "{}cd {}; PATH={SEARCH}; exec nsenter --cgroup=/proc/$(cat {}/holder)/ns/cgroup sh -e {}",
            entered.collect::<String>(),
            self.programs().display(),
            self.room.path().display(),
            script.display(),
        );
        let mut command = self.room.command("sh");
        command.args(["-c", &line]).env("HOME", self.room.path().join("home"));
        self.room.finish(command)
    }

    /// Gives an engine an image of that name: there is no registry.
    #[track_caller]
    pub fn give(&self, engine: &str, name: &str) {
        let archive = Image::busybox(name).write(self.room.path());
        let archive = archive.display();
        let line = match engine {
            "ctr" => format!("ctr images import {archive}"),
            "docker" | "podman" => format!("{engine} load --input {archive}"),
            other => panic!("{other} is no engine"),
        };
        self.paste(&line).success();
    }

    /// Gives containerd an image for pods, which waits when it is run.
    #[track_caller]
    pub fn give_to_pods(&self, name: &str) {
        let image = Image::busybox(name).config("Cmd", serde_json::json!(["sleep", "1000000"]));
        let archive = image.write(self.room.path());
        self.paste(&format!("ctr --namespace k8s.io images import {}", archive.display()))
            .success();
    }

    #[track_caller]
    pub fn write(&self, path: &str, text: &str) {
        let from = self.room.path().join("written");
        fs::write(&from, text).must("write the file");
        self.room
            .sh(&format!("mkdir -p $(dirname {path}) && cp {} {path}", from.display()))
            .success();
    }

    /// A directory with our two programs, as a download or a build has them.
    fn programs(&self) -> PathBuf {
        self.room.path().join("programs")
    }

    #[track_caller]
    fn lay_out(&mut self) {
        let at = self.room.path();
        let programs = self.programs();
        fs::create_dir(&programs).must("make a directory");
        let shim = self.room.bin("containerd-shim-rrun-v2");
        fs::copy(Runtime::under_test().program(), programs.join("rrun")).must("copy rrun");
        fs::copy(shim, programs.join("containerd-shim-rrun-v2")).must("copy our shim");
        for (name, text) in [("systemctl", SYSTEMCTL), ("layout", &self.layout())] {
            let path = at.join(name);
            fs::write(&path, text).must("write a script");
            fs::set_permissions(&path, Permissions::from_mode(0o755)).must("make it a program");
        }
        let holder = at.join("holder");
        let mut running = self.room.start(self.room.command(at.join("layout")), &Stdio::Kept);
        let ready = || holder.exists() || !running.is_running();
        assert!(eventually(ready) && holder.exists(), "{}", running.wait().account());
        self.holder = Some(running);
    }

    /// Where everything of a machine is put: packages in `/usr`, and nothing in `/usr/local`.
    fn layout(&self) -> String {
        let (at, set) = (self.room.path().display(), self.room.set());
        let sets = if set == Set::Own { vec![set] } else { vec![set, Set::Own] };
        let roots: Vec<PathBuf> = sets.into_iter().filter_map(|set| set.unpacked().ok()).collect();
        let tree = |below: &str| {
            let trees = roots.iter().map(|root| root.join(below)).filter(|tree| tree.is_dir());
            trees.map(|tree| tree.display().to_string()).collect::<Vec<_>>().join(":")
        };
        let enter: String = self
            .hierarchies
            .iter()
            .map(|one| format!("echo 0 > {}/{}/cgroup.procs\n", one.at, self.room.name()))
            .collect();
        let mut mounts = String::new();
        if self.hierarchies.iter().all(|one| one.at != "/sys/fs/cgroup") {
            mounts.push_str("mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup\n");
        }
        for Hierarchy { at, kind, options } in &self.hierarchies {
            mounts.push_str(&format!("mkdir -p {at}\nmount -t {kind} -o {options} cgroup {at}\n"));
            if at == "/sys/fs/cgroup" {
                // Where controllers are handed down there are no processes.
                mounts.push_str(&format!("mkdir {at}/init\necho 0 > {at}/init/cgroup.procs\n"));
            }
        }
        format!(
            "#!/bin/sh\nset -e\n\
             mkdir -p /run/etc/upper /run/etc/work\n\
             mount -t overlay -o lowerdir=/etc:{},upperdir=/run/etc/upper,workdir=/run/etc/work etc /etc\n\
             mount -t overlay -o lowerdir={}:/usr usr /usr\n\
             mount -t tmpfs -o mode=755 local /usr/local\n\
             mount -t tmpfs -o mode=755 opt /opt\n\
             mount -t tmpfs -o mode=755 log /var/log\n\
             mount -t tmpfs -o mode=1777 shm /dev/shm\n\
             mkdir /usr/local/bin /usr/local/sbin\n\
             cp {at}/systemctl /usr/local/sbin/\n\
             for name in iptables ip6tables; do [ -e /usr/sbin/$name ] || ln -s {at}/bin/$name /usr/local/sbin/; done\n\
             {enter}exec unshare --cgroup sh -ec '\n{mounts}\
             echo $$ > {at}/holder.new\nmv {at}/holder.new {at}/holder\nexec sleep infinity'\n",
            tree("etc"),
            tree("usr"),
        )
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for unit in ["containerd", "docker"] {
                let log = self.room.sh(&format!("tail -n 40 /run/{unit}.log 2>/dev/null"));
                eprintln!("{unit} wrote at last:\n{}", log.stdout());
            }
        }
        for unit in ["docker", "containerd"] {
            drop(self.paste(&format!("systemctl stop {unit}")));
        }
        drop(self.holder.take());
    }
}

/// Where a process enters a hierarchy, as the room sees it.
fn own(hierarchy: &Hierarchy) -> String {
    let below = if hierarchy.at == "/sys/fs/cgroup" { "init/" } else { "" };
    format!("{}/{below}cgroup.procs", hierarchy.at)
}

#[track_caller]
fn hierarchies() -> Vec<Hierarchy> {
    let table = fs::read_to_string("/proc/self/mountinfo").must("read the mounts");
    let found = table.lines().filter_map(|line| {
        // ID PARENT DEVICE ROOT POINT OPTIONS … - KIND SOURCE OPTIONS
        let (mount, rest) = line.split_once(" - ")?;
        let [kind, _, options] = rest.split(' ').collect::<Vec<_>>()[..] else { return None };
        let at = mount.split(' ').nth(4)?.to_owned();
        kind.starts_with("cgroup").then(|| Hierarchy {
            at,
            kind: kind.into(),
            options: options.into(),
        })
    });
    found.filter(|one| one.at.starts_with("/sys/fs/cgroup")).collect()
}

/// Of the room's name, so that the room finds and removes them.
#[track_caller]
fn make_cgroups(hierarchies: &[Hierarchy], name: &str) {
    for hierarchy in hierarchies {
        let parent = PathBuf::from(&hierarchy.at);
        let cgroup = parent.join(name);
        fs::create_dir(&cgroup).must(&format!("make {}", cgroup.display()));
        // A cpuset begins empty, and takes no process.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if hierarchy.kind == "cgroup" && parent.join(file).exists() {
                fs::copy(parent.join(file), cgroup.join(file)).must("copy a cpuset");
            }
        }
    }
}

/// A check of the shell's that nothing is executed by: `sh -n`.
pub fn is_shell(lines: &str) -> bool {
    let mut check = Command::new("sh");
    check.args(["-n", "-c", lines]).status().is_ok_and(|status| status.success())
}
