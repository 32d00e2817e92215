//! One process, from before it is started until it is reaped.
//!
//! What a newcomer would get wrong: the processor's time counts the children that the process has itself waited for,
//! so it includes the container of `run`, and not that of `create`.

use nix::sys::prctl::set_pdeathsig;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_gettime};
use rrun_harness::Must;
use std::io::{Read, Seek};
use std::mem::MaybeUninit;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

/// What it took.
#[derive(Debug, Clone, Copy)]
pub struct Took {
    /// From before it was started until the payload's first instruction; zero when no payload has written its time.
    pub start: Duration,
    /// From before it was started until it was reaped.
    pub wall: Duration,
    /// Of the processors, in user space and in the kernel.
    pub cpu: Duration,
}

/// Runs `command` with nothing to read and its output thrown away.
///
/// # Panics
/// When it can't be started, and when it fails: with what it said.
#[allow(clippy::zombie_processes, reason = "wait4 reaps it, and says what it took")]
pub fn time(command: &mut Command) -> Took {
    let (mut answer, mut words) = (nameless_file(), nameless_file());
    command.stdin(Stdio::null()).stdout(answer.try_clone().must("keep its stdout"));
    command.stderr(words.try_clone().must("keep its stderr"));
    let begin = now();
    let child = command.spawn().must(&format!("start {command:?}"));
    let (status, usage) = wait(child.id());
    let wall = now() - begin;
    if status != 0 {
        let mut text = String::new();
        words.rewind().must("read its stderr");
        words.read_to_string(&mut text).must("read its stderr");
        panic!("{command:?} ended with wait status {status:#x}: {}", text.trim_end());
    }
    let start = time_of_payload(&mut answer).map_or(Duration::ZERO, |first| first - begin);
    Took { start, wall, cpu: duration(usage.ru_utime) + duration(usage.ru_stime) }
}

/// Lets whoever starts `command` trace it from its first instruction.
pub fn traced(command: &mut Command) {
    let traceme = || ptrace::traceme().map_err(std::io::Error::from);
    // SAFETY: between fork and exec this makes one system call, and builds an error of a number.
    unsafe { command.pre_exec(traceme) };
}

/// Lets `command` be killed when the thread that starts it ends, so that it does not outlive a killed bench.
pub fn bound_to_us(command: &mut Command) {
    let bind = || set_pdeathsig(Signal::SIGKILL).map_err(std::io::Error::from);
    // SAFETY: between fork and exec this makes one system call, and builds an error of a number.
    unsafe { command.pre_exec(bind) };
}

/// The clock that the payload reads, too.
#[must_use]
pub fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).must("read the clock").into()
}

/// What the payload has written: the time of its first system call, and the time stamp counter of its first instruction.
#[must_use]
pub fn mark(written: &[u8]) -> Option<(Duration, u64)> {
    let written: &[u8; 24] = written.try_into().ok()?;
    let number = |at: usize| Some(u64::from_ne_bytes(written[at..at + 8].try_into().ok()?));
    Some((Duration::from_secs(number(0)?) + Duration::from_nanos(number(8)?), number(16)?))
}

fn time_of_payload(answer: &mut std::fs::File) -> Option<Duration> {
    let mut bytes = Vec::new();
    answer.rewind().and_then(|()| answer.read_to_end(&mut bytes)).must("read its stdout");
    mark(&bytes).map(|(time, _)| time)
}

fn nameless_file() -> std::fs::File {
    let flags = nix::sys::memfd::MFdFlags::MFD_CLOEXEC;
    nix::sys::memfd::memfd_create(c"stderr", flags).must("make a memory file").into()
}

/// Waits for a child that nobody else waits for: its wait status, and what it took of the processors.
#[must_use]
pub fn reap(pid: u32) -> (i32, Duration) {
    let (status, usage) = wait(pid);
    (status, duration(usage.ru_utime) + duration(usage.ru_stime))
}

fn wait(pid: u32) -> (i32, libc::rusage) {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: two live values that the call fills; `pid` is a child that nobody else waits for.
    let answer = unsafe { libc::wait4(pid.cast_signed(), &raw mut status, 0, usage.as_mut_ptr()) };
    assert!(answer != -1, "wait4: {}", std::io::Error::last_os_error());
    // SAFETY: plain numbers, zeroed before the call.
    (status, unsafe { usage.assume_init() })
}

fn duration(time: libc::timeval) -> Duration {
    Duration::from_micros(time.tv_sec.cast_unsigned() * 1_000_000 + time.tv_usec.cast_unsigned())
}
