//! What the tests of the command line share: a root, processes that stand for a container's, a cgroup.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::{self, File};
use std::io::{Read, Seek};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A root directory of one test's own.
pub struct Root(pub PathBuf);

impl Root {
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(Self::unique_name());
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn unique_name() -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        format!("rrun-cli-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// `rrun --root … line`, the line split at blanks.
    pub fn rrun(&self, line: &str) -> Output {
        let root = ["--root".into(), self.path("state").display().to_string()];
        rrun(root.into_iter().chain(line.split_ascii_whitespace().map(str::to_owned)))
    }

    /// A record of the process `pid`, as `create` would leave it.
    pub fn record(&self, id: &str, pid: u32, start_time: u64) -> PathBuf {
        let directory = self.path("state").join(id);
        fs::create_dir_all(&directory).unwrap();
        let json = format!(
            r#"{{"version":1,"id":"{id}","oci_version":"1.3.0","bundle":"/b","rootfs":"/b/rootfs",
            "pid":{pid},"start_time":{start_time},"cgroup":{{"unified":null}},"created":"2026-11-22T07:59:21.5Z",
            "annotations":{{}},"hooks":{{"poststart":[],"poststop":[]}},
            "namespaces":{{"entered":0,"new":0}},"terminal":false}}"#
        );
        fs::write(directory.join("state.json"), json).unwrap();
        directory
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A process to stand for a container's, ended with the test.
pub struct Sleeper(pub Child);

impl Sleeper {
    pub fn new() -> Self {
        Self(Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap())
    }

    pub fn start_time(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let after_name = stat.rsplit(')').next().unwrap();
        after_name.split_ascii_whitespace().nth(19).unwrap().parse().unwrap()
    }

    pub fn recorded(&self, root: &Root, id: &str) -> PathBuf {
        root.record(id, self.0.id(), self.start_time())
    }

    pub fn signal_that_ended_it(&mut self) -> Option<i32> {
        self.0.wait().unwrap().signal()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        // Does nothing to one that was waited for.
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

pub fn rrun(words: impl IntoIterator<Item = impl AsRef<std::ffi::OsStr>>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rrun")).args(words).stdin(Stdio::null()).output().unwrap()
}

pub fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

pub fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// It succeeded and said nothing.
pub fn assert_silent(output: &Output) {
    assert_eq!((output.status.code(), stdout(output), stderr(output)), (Some(0), "", ""));
}

/// It failed with `code`, one line on standard error that holds `part`, and nothing on standard output.
#[track_caller]
pub fn assert_fails(output: &Output, code: i32, part: &str) {
    let text = stderr(output);
    assert_eq!((output.status.code(), stdout(output)), (Some(code), ""), "{text}");
    assert!(text.starts_with("rrun: ") && text.contains(part), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

/// A cgroup of one test's own in cgroup2, removed at its end.
pub struct Group(pub PathBuf);

impl Group {
    /// `None`, loudly, where there is no cgroup2 that this user may write to; in strict mode that is a failure.
    pub fn new() -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let mount = mounts.lines().find(|line| line.contains(" - cgroup2 "))?;
        let path = Path::new(mount.split(' ').nth(4)?).join(Root::unique_name());
        match fs::create_dir(&path) {
            Ok(()) => Some(Self(path)),
            Err(error) => {
                eprintln!("SKIPPED, needs a writable cgroup2: mkdir {}: {error}", path.display());
                assert!(std::env::var_os("RRUN_TEST_STRICT").is_none(), "a skip is a failure here");
                None
            }
        }
    }

    pub fn holding(&self, sleepers: &[&Sleeper]) {
        for sleeper in sleepers {
            fs::write(self.0.join("cgroup.procs"), sleeper.0.id().to_string()).unwrap();
        }
    }

    /// Makes it the cgroup of the container whose `directory` this is.
    pub fn recorded(&self, directory: &Path) {
        let file = directory.join("state.json");
        let none = "\"unified\":null";
        let own = format!("\"unified\":{:?}", self.0);
        fs::write(&file, fs::read_to_string(&file).unwrap().replace(none, &own)).unwrap();
    }

    pub fn freeze(&self) {
        fs::write(self.0.join("cgroup.freeze"), "1").unwrap();
        self.wait_for("frozen 1");
    }
}

impl Group {
    /// The kernel announces a change of cgroup.events as an exceptional condition.
    fn wait_for(&self, line: &str) {
        let mut events = File::open(self.0.join("cgroup.events")).unwrap();
        loop {
            let mut text = String::new();
            events.rewind().unwrap();
            events.read_to_string(&mut text).unwrap();
            if text.lines().any(|now| now == line) {
                return;
            }
            poll(&mut [PollFd::new(events.as_fd(), PollFlags::POLLPRI)], PollTimeout::NONE)
                .unwrap();
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.0.is_dir() {
            fs::write(self.0.join("cgroup.kill"), "1").unwrap();
            self.wait_for("populated 0");
            fs::remove_dir(&self.0).unwrap();
        }
    }
}
