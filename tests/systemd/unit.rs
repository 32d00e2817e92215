//! The scope of a container, as systemctl(1) and the kernel show it.

use rrun_harness::{Bundle, Leftovers, Must, Runtime, eventually};
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

/// A container that runs, and is a scope.
pub fn scoped() -> Bundle {
    scoped_in(&runtime())
}

/// The runtime, told to use systemd.
pub fn runtime() -> Runtime {
    Runtime::under_test().with_globals(["--systemd-cgroup"])
}

/// A container of `runtime`. Its path is written out, because runtimes' defaults differ.
pub fn scoped_in(runtime: &Runtime) -> Bundle {
    let bundle = Bundle::in_runtime(runtime).args(["probe", "sleep"]);
    let path = format!("system.slice:rrun:{}", bundle.id());
    bundle.set("/linux/cgroupsPath", json!(path))
}

/// The unit of a container.
pub struct Unit {
    pub name: String,
    /// `--user`, and who asks.
    user: Option<(u32, String)>,
}

impl Unit {
    /// That of `bundle`, below the machine's systemd.
    pub fn of(bundle: &Bundle) -> Self {
        Self { name: format!("rrun-{}.scope", bundle.id()), user: None }
    }

    /// One that an engine named, of the machine's systemd.
    pub fn named(name: String) -> Self {
        Self { name, user: None }
    }

    /// That of `bundle`, below the systemd of `uid`.
    pub fn of_user(bundle: &Bundle, uid: u32) -> Self {
        Self { user: Some((uid, format!("/run/user/{uid}"))), ..Self::of(bundle) }
    }

    /// systemctl(1), successful or not.
    pub fn systemctl(&self, words: &[&str]) -> String {
        let mut command = match &self.user {
            None => Command::new("systemctl"),
            Some((uid, home)) => {
                let mut command = Command::new("setpriv");
                let (uid, clear) = (uid.to_string(), "--clear-groups");
                command.args(["--reuid", &uid, "--regid", &uid, clear, "systemctl", "--user"]);
                command.env("XDG_RUNTIME_DIR", home);
                command
            }
        };
        let output = command.args(words).output().must("systemctl");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A property, as systemd believes it to be.
    pub fn show(&self, property: &str) -> String {
        self.systemctl(&["show", "--value", "--property", property, &self.name])
    }

    /// Asserts that nothing of the container is left, neither here nor there.
    #[track_caller]
    pub fn assert_gone(&self, bundle: &Bundle) {
        Leftovers::assert_none(bundle);
        self.assert_unknown();
    }

    /// Asserts that systemd has no such unit.
    #[track_caller]
    pub fn assert_unknown(&self) {
        let mut last = String::new();
        let gone = eventually(|| {
            last = self.systemctl(&["list-units", "--all", "--plain", "--no-legend", &self.name]);
            last.is_empty()
        });
        assert!(gone, "systemd still has {last}");
    }
}

/// The cgroup of a running container.
#[track_caller]
pub fn cgroup(bundle: &Bundle) -> PathBuf {
    let pid = bundle.state()["pid"].as_i64().must("a pid");
    cgroup_of(pid)
}

/// The cgroup of a process.
#[track_caller]
pub fn cgroup_of(pid: i64) -> PathBuf {
    let lines = fs::read_to_string(format!("/proc/{pid}/cgroup")).must("read its cgroups");
    let path = lines.lines().find_map(|line| line.strip_prefix("0::/")).must("a cgroup2");
    PathBuf::from("/sys/fs/cgroup").join(path)
}

/// A file of the container's cgroup.
#[track_caller]
pub fn file(bundle: &Bundle, name: &str) -> String {
    let text = fs::read_to_string(cgroup(bundle).join(name)).must(&format!("read {name}"));
    text.trim().to_owned()
}

/// Held by who reloads, and by who can't have that.
static RELOADS: RwLock<()> = RwLock::new(());

/// Until it is dropped, no other test reloads.
pub fn without_reloads() -> RwLockReadGuard<'static, ()> {
    RELOADS.read().unwrap_or_else(PoisonError::into_inner)
}

/// systemd reads all units again, and writes what it believes to every cgroup.
pub fn reload() {
    let _alone = RELOADS.write().unwrap_or_else(PoisonError::into_inner);
    let status = Command::new("systemctl").arg("daemon-reload").status();
    assert!(status.must("systemctl").success(), "daemon-reload");
}
