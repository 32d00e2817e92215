//! Real processes, a real cgroup, and a subreaper in a process of its own.

use super::{End, Loop};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use rrun_sys::reap::Ended;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const HANGS: Duration = Duration::from_secs(60);

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
