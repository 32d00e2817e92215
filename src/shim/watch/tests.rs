//! Real processes, a real cgroup, and a subreaper in a process of its own.

use super::{End, Loop, Next, Reactor, Ready, Source, Token};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use rrun::launch::cgroup::{Cgroup, OomWatch};
use rrun_harness::requires;
use rrun_sys::reap::Ended;
use serde_json::json;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const HANGS: Duration = Duration::from_secs(60);

#[allow(clippy::zombie_processes, reason = "the loop waits for it: that is what is tested")]
fn start(events: &Loop, script: &str) -> Receiver<End> {
    let (sender, ends) = channel();
    let guard = events.launching();
    let child = Command::new("sh").args(["-c", script]).spawn().expect("sh");
    let pid = child.id().cast_signed();
    let pidfd = OwnedFd::from(rrun_sys::pidfd::pidfd_open(pid).expect("a pidfd"));
    events.watch_process(pid, pidfd, move |end| sender.send(end).expect("the test"));
    drop(guard);
    ends
}

#[test]
fn ends_are_told_with_code_or_signal() {
    let events = Loop::start().expect("a loop");
    let (code, signal) = (start(&events, "exit 7"), start(&events, "kill -9 $$"));
    let code = code.recv_timeout(HANGS).expect("an end");
    assert_eq!((code.ended, code.code()), (Some(Ended::Code(7)), 7));
    let signal = signal.recv_timeout(HANGS).expect("an end");
    assert_eq!((signal.ended, signal.code()), (Some(Ended::Signal(9)), 137));
}

#[test]
fn many_processes_end_at_once() {
    let events = Loop::start().expect("a loop");
    let all: Vec<_> =
        (0..100).map(|code| (code, start(&events, &format!("exit {code}")))).collect();
    for (code, end) in all {
        assert_eq!(end.recv_timeout(HANGS).expect("an end").code(), code);
    }
}

/// A source that is only asked.
struct Asked(Arc<AtomicUsize>);

impl Source for Asked {
    fn begin(&mut self, _: Token, _: &mut Reactor) -> Next {
        Next::Stay
    }

    fn ready(&mut self, _: Ready, _: &mut Reactor) -> Next {
        Next::Stay
    }

    fn process_ends(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn counts_are_asked_before_an_end_is_told() {
    let events = Loop::start().expect("a loop");
    let count = Arc::new(AtomicUsize::new(0));
    let asked = Asked(Arc::clone(&count));
    events.submit(move |reactor| reactor.add(Box::new(asked)));
    for round in 1..=3 {
        start(&events, "exit 0").recv_timeout(HANGS).expect("an end");
        assert_eq!(count.load(Ordering::SeqCst), round);
    }
}

/// A cgroup with a limit on memory, for one test.
struct Limited(PathBuf);

impl Limited {
    fn new() -> (Self, Cgroup) {
        let name = format!("rrun-shim-oom-{}", std::process::id());
        let v1 = Path::new("/sys/fs/cgroup/memory");
        let (path, limit, field) = if v1.is_dir() {
            (v1.join(name), "memory.limit_in_bytes", "v1")
        } else {
            (Path::new("/sys/fs/cgroup").join(name), "memory.max", "unified")
        };
        std::fs::create_dir(&path).expect("a cgroup");
        let limited = Self(path);
        std::fs::write(limited.0.join(limit), "16777216").expect("a limit");
        let described = match field {
            "v1" => json!({"unified": null, "v1": [limited.0]}),
            _ => json!({"unified": limited.0}),
        };
        let cgroup = serde_json::from_value(described).expect("a cgroup");
        (limited, cgroup)
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        let deadline = Instant::now() + HANGS;
        while let Err(error) = std::fs::remove_dir(&self.0) {
            assert!(Instant::now() < deadline, "{:?}: {error}", self.0);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_kill_for_want_of_memory_is_told_before_the_end() {
    requires!(root, cgroup("memory"));
    let events = Loop::start().expect("a loop");
    let (limited, cgroup) = Limited::new();
    let watch = OomWatch::open(&cgroup).expect("a watch").expect("a memory controller");
    let kills = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&kills);
    let watched = events.watch_oom(watch, move || {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let join = format!("echo $$ > {}/cgroup.procs", limited.0.display());
    let quiet = start(&events, &format!("{join}; exit 0"));
    assert_eq!(quiet.recv_timeout(HANGS).expect("an end").code(), 0);
    assert_eq!(kills.load(Ordering::SeqCst), 0, "an end is no kill");
    let greedy = start(&events, &format!("{join}; exec tail /dev/zero"));
    assert_eq!(greedy.recv_timeout(HANGS).expect("an end").ended, Some(Ended::Signal(9)));
    assert_eq!(kills.load(Ordering::SeqCst), 1, "told late, or never");
    // A child of what is watched is killed: no end of ours says so, the bell does.
    let flag = std::env::temp_dir().join(format!("rrun-shim-oom-{}", std::process::id()));
    let wait = format!("until [ -e {} ]; do sleep 0.05; done; exit 6", flag.display());
    let parent = start(&events, &format!("{join}; tail /dev/zero; {wait}"));
    let deadline = Instant::now() + HANGS;
    while kills.load(Ordering::SeqCst) < 2 {
        assert!(Instant::now() < deadline, "the bell did not ring");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(kills.load(Ordering::SeqCst), 2, "one kill was told twice");
    std::fs::write(&flag, "").expect("a flag");
    assert_eq!(parent.recv_timeout(HANGS).expect("an end").code(), 6);
    std::fs::remove_file(&flag).expect("the flag");
    drop(watched);
}

/// Set in the process in which orphans are reaped: elsewhere other tests' children would be.
const ALONE: &str = "RRUN_TEST_ALONE";

#[test]
fn orphans_are_reaped_and_nobody_elses_children() {
    if std::env::var_os(ALONE).is_some() {
        return as_subreaper();
    }
    // The test's threads are to have SIGCHLD blocked from their birth, as the shim's have.
    let mut children = SigSet::empty();
    children.add(Signal::SIGCHLD);
    let before = children.thread_swap_mask(SigmaskHow::SIG_BLOCK).expect("a mask");
    let output = Command::new(std::env::current_exe().expect("ourselves"))
        .args(["--exact", "watch::tests::orphans_are_reaped_and_nobody_elses_children"])
        .arg("--nocapture")
        .env(ALONE, "1")
        .stdin(Stdio::null())
        .output();
    before.thread_set_mask().expect("a mask");
    let output = output.expect("ourselves");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

fn as_subreaper() {
    let events = Loop::start().expect("a loop");
    events.adopt_orphans().expect("orphans");
    let stop = Instant::now() + Duration::from_secs(1);
    let rounds = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for code in 1..=3 {
            let (events, rounds) = (&events, &rounds);
            scope.spawn(move || {
                while Instant::now() < stop {
                    // Waited for by its starter, leaving an orphan.
                    let guard = events.launching();
                    let script = format!("(exit 9) & exit {code}");
                    let mut command = Command::new("sh");
                    let command = rrun_sys::signal::start_clean(&mut command);
                    let status = command.args(["-c", &script]).status();
                    drop(guard);
                    assert_eq!(status.expect("nobody took it").code(), Some(code));
                    // Watched.
                    let end = start(events, "true & exit 5").recv_timeout(HANGS).expect("an end");
                    assert_eq!(end.ended, Some(Ended::Code(5)));
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert!(rounds.load(Ordering::Relaxed) > 0);
    // An orphan that ends when nothing else happens.
    let guard = events.launching();
    Command::new("sh").args(["-c", "sleep 0.2 & exit 0"]).status().expect("sh");
    drop(guard);
    let deadline = Instant::now() + HANGS;
    while nix::sys::wait::waitid(
        nix::sys::wait::Id::All,
        nix::sys::wait::WaitPidFlag::WEXITED
            | nix::sys::wait::WaitPidFlag::WNOHANG
            | nix::sys::wait::WaitPidFlag::WNOWAIT,
    ) != Err(nix::errno::Errno::ECHILD)
    {
        assert!(Instant::now() < deadline, "an orphan is left");
        std::thread::sleep(Duration::from_millis(5));
    }
}
