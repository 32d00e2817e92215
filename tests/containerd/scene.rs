//! A container's life as `ctr` tells it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use rrun_harness::engines::{Containerd, Room};
use rrun_harness::{Must, Output, Running, Stdio, eventually};

/// Who calls the runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// containerd's own shim, which executes rrun for every step.
    RuncsShim,
    /// Ours, which has the runtime in it.
    OurShim,
}

impl Way {
    pub fn flags(self, containerd: &Containerd) -> Vec<String> {
        match self {
            Way::RuncsShim => containerd.by_runcs_shim(),
            Way::OurShim => containerd.by_our_shim(),
        }
    }

    /// Part of the shim's name.
    pub fn shim(self) -> &'static str {
        match self {
            Way::RuncsShim => "runc",
            Way::OurShim => "rrun",
        }
    }
}

/// One container of one case; what is left of it when the case fails is removed.
pub struct Scene<'a> {
    pub containerd: &'a Containerd,
    pub way: Way,
    pub image: &'a str,
    pub id: String,
}

impl<'a> Scene<'a> {
    pub fn new(containerd: &'a Containerd, way: Way, image: &'a str) -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let id = format!("c{}", NEXT.fetch_add(1, Ordering::Relaxed));
        Scene { containerd, way, image, id }
    }

    pub fn room(&self) -> &Room {
        self.containerd.room()
    }

    /// `ctr run` with flags, not yet started.
    pub fn run_command(&self, flags: &[&str], argv: &[&str]) -> Command {
        let mut command = self.containerd.ctr();
        command.arg("run").args(self.way.flags(self.containerd)).args(flags);
        command.args([self.image, &self.id]).args(argv);
        command
    }

    /// `ctr run --rm` to its end.
    #[track_caller]
    pub fn run(&self, flags: &[&str], argv: &[&str]) -> Output {
        let flags = [&["--rm"], flags].concat();
        self.room().finish(self.run_command(&flags, argv))
    }

    /// `ctr run --detach`.
    #[track_caller]
    pub fn detach(&self, flags: &[&str], argv: &[&str]) {
        let flags = [&["--detach"], flags].concat();
        self.room().finish(self.run_command(&flags, argv)).success();
    }

    /// `ctr tasks VERB ARGS… ID REST…`
    #[track_caller]
    pub fn task(&self, verb: &[&str], rest: &[&str]) -> Output {
        self.containerd.call(&[&["tasks"], verb, &[&*self.id], rest].concat())
    }

    #[track_caller]
    pub fn exec(&self, flags: &[&str], argv: &[&str]) -> Output {
        self.task(&[&["exec", "--exec-id", "e"], flags].concat(), argv)
    }

    /// The line of `ctr tasks list`: ID PID STATUS.
    pub fn listed(&self) -> Option<(i32, String)> {
        let list = self.containerd.call(&["tasks", "list"]).success().stdout();
        let line = list.lines().find(|line| line.split_whitespace().next() == Some(&self.id))?;
        let mut words = line.split_whitespace().skip(1);
        Some((words.next()?.parse().ok()?, words.next()?.to_owned()))
    }

    #[track_caller]
    pub fn expect_status(&self, status: &str) {
        let mut last = None;
        let reached = eventually(|| {
            last = self.listed();
            last.as_ref().is_some_and(|(_, found)| found == status)
        });
        assert!(reached, "{} is {last:?}, not {status}", self.id);
    }

    /// Kills it and takes its status; then the container is forgotten.
    #[track_caller]
    pub fn end(&self, code: i32) {
        self.task(&["kill", "--signal", "SIGKILL"], &[]).success();
        self.expect_status("STOPPED");
        self.delete(code);
    }

    #[track_caller]
    pub fn delete(&self, code: i32) {
        // A status is a warning to `ctr`, not its own.
        let said = self.task(&["delete"], &[]).success();
        if code != 0 {
            said.stderr_has(&format!("exit code {code}"));
        }
        self.containerd.call(&["containers", "delete", &self.id]).success();
    }

    /// A file of its cgroup, by the name in the first or the second version.
    #[track_caller]
    pub fn cgroup_file(&self, controller: &str, v1: &str, v2: &str) -> String {
        let below = format!("{}/{}", self.room().name(), self.id);
        let at = PathBuf::from("/sys/fs/cgroup");
        let first = at.join(controller).join(&below).join(v1);
        let path = if first.exists() { first } else { at.join(below).join(v2) };
        fs::read_to_string(&path).must(&format!("read {}", path.display())).trim().to_owned()
    }

    /// `ctr events`, listening.
    #[track_caller]
    pub fn events(&self) -> Running {
        let mut command = self.containerd.ctr();
        command.arg("events");
        let events = self.room().start(command, &Stdio::Kept);
        // It says nothing when it has subscribed; an event that is heard says so.
        let heard = eventually(|| {
            let label = ["containers", "label", &self.id, "heard=1"];
            self.containerd.call(&label).success();
            events.stdout().contains("/containers/update")
        });
        assert!(heard, "no event is heard");
        events
    }
}

impl Drop for Scene<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.containerd.call(&["tasks", "delete", "--force", &self.id]);
            self.containerd.call(&["containers", "delete", &self.id]);
        }
    }
}
