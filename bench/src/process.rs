//! One process, from before it is started until it is reaped, with a deadline; and what a payload says meanwhile.
//!
//! ```text
//! t0 clock read, the process is started     t1 the payload reads the same clock     t2 its words arrive here
//! t3 the end of the process that was started has been collected
//! ```
//!
//! It refuses to wait for ever: who is not done by the deadline is killed and reported as [`Wrong::Hung`]. What a
//! newcomer would get wrong: the processor's time counts the children that the process has itself waited for, so it
//! includes the container of `run`, and not that of `create`.

mod outcome;

pub use outcome::{Answer, Ended, Wrong};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::ptrace;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{pipe2, read};
use rrun_harness::Must;
use std::fs::File;
use std::io::{Read, Seek};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long one start may take before it counts as hung: a thousand times what it should.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What a payload writes: seconds, nanoseconds, and its processor's counter.
const WORDS: usize = size_of::<[u64; 3]>();

/// The pipe that is the standard output of a container's process.
#[derive(Debug)]
pub struct Voice {
    reader: OwnedFd,
    writer: OwnedFd,
    heard: Vec<u8>,
    first_byte: Option<Duration>,
}

impl Voice {
    /// A pipe.
    #[must_use]
    pub fn new() -> Self {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).must("make a pipe");
        fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).must("make a pipe that never blocks");
        Self { reader, writer, heard: Vec::new(), first_byte: None }
    }

    /// Runs `command` to its end with nothing to read and this pipe as its standard output.
    ///
    /// # Errors
    /// [`Wrong::Hung`] at the deadline; [`Wrong::Failed`] with what it said when it can't be started or fails.
    #[allow(clippy::zombie_processes, reason = "wait4 reaps it, and says what it took")]
    pub fn run(&mut self, command: &mut Command, patience: Duration) -> Result<Ended, Wrong> {
        let mut words = nameless_file();
        command.stdin(Stdio::null()).stdout(self.writer.try_clone().must("keep its stdout"));
        command.stderr(words.try_clone().must("keep its stderr"));
        let began = now();
        let child = command.spawn();
        let mut child = child.map_err(|why| Wrong::Failed(format!("{}: {why}", shown(command))))?;
        let mut in_time = true;
        if let Some(process) = pidfd(child.id().cast_signed()) {
            in_time = self.listen(Some(process.as_fd()), began + patience);
        }
        if !in_time {
            // It fails when it has ended meanwhile, which is what is wanted.
            drop(child.kill());
        }
        let (status, usage) = wait(child.id());
        let ended = now();
        self.drain();
        if !in_time {
            let sentence = format!("given up: not done after {} s", patience.as_secs_f64());
            return Err(Wrong::Hung(sentence));
        }
        if status != 0 {
            let mut text = String::new();
            words.rewind().must("read its stderr");
            words.read_to_string(&mut text).must("read its stderr");
            let shown = shown(command);
            let sentence = format!("{shown}: wait status {status:#x}: {}", text.trim_end());
            return Err(Wrong::Failed(sentence));
        }
        let cpu = duration(usage.ru_utime) + duration(usage.ru_stime);
        let switches = u32::try_from(usage.ru_nivcsw).unwrap_or(u32::MAX);
        Ok(Ended { began, ended, cpu, switches })
    }

    /// What the payload says, which is awaited: the process that was run may have ended before it spoke (`start`).
    /// `began` is when its start began.
    ///
    /// # Errors
    /// [`Wrong::Failed`] when it says nothing before the deadline, or no time, or one outside its start.
    pub fn answer(&mut self, began: Duration, patience: Duration) -> Result<Answer, Wrong> {
        let deadline = now() + patience;
        while self.heard.len() < WORDS && self.listen(None, deadline) {}
        let said = std::mem::take(&mut self.heard);
        let Some(first_byte) = self.first_byte.take() else {
            return Err(Wrong::Failed("the payload has not written its time".to_owned()));
        };
        let (first_instruction, _counter) = mark(&said).ok_or_else(|| {
            let text = String::from_utf8_lossy(&said).into_owned();
            Wrong::Failed(format!("the payload's words are no time: {text:?}"))
        })?;
        if first_instruction < began || first_byte < first_instruction {
            return Err(Wrong::Failed(format!(
                "the payload says that it started at {first_instruction:?}; asked {began:?}, heard {first_byte:?}"
            )));
        }
        Ok(Answer { first_instruction, first_byte })
    }

    /// All that was heard and not asked for yet, for who says words and no time.
    #[must_use]
    pub fn words(&mut self) -> Vec<u8> {
        self.first_byte = None;
        std::mem::take(&mut self.heard)
    }

    /// Hears what comes until `process` has ended, or, without one, until something came; `false` at the deadline.
    fn listen(&mut self, process: Option<BorrowedFd<'_>>, deadline: Duration) -> bool {
        loop {
            let left = deadline.saturating_sub(now());
            if left.is_zero() {
                return false;
            }
            let mut waiting = vec![PollFd::new(self.reader.as_fd(), PollFlags::POLLIN)];
            waiting.extend(process.map(|process| PollFd::new(process, PollFlags::POLLIN)));
            match poll(&mut waiting, timeout(left)) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => panic!("poll: {errno}"),
            }
            let is_ready = |at: usize| waiting.get(at).and_then(PollFd::any).unwrap_or(false);
            let (spoke, ended) = (is_ready(0), is_ready(1));
            if spoke {
                self.drain();
            }
            if ended || spoke && process.is_none() {
                return true;
            }
        }
    }

    /// Reads what is there. The clock is read after it: words that come between the two would have come before they were
    /// said.
    fn drain(&mut self) {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = read(&self.reader, &mut bytes) {
            self.first_byte.get_or_insert_with(now);
            self.heard.extend_from_slice(&bytes[..count]);
        }
    }
}

impl Default for Voice {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs `command`, which writes nothing that matters, until its end.
///
/// # Errors
/// As [`Voice::run`].
pub fn run(command: &mut Command, patience: Duration) -> Result<Ended, Wrong> {
    Voice::new().run(command, patience)
}

/// Waits until a process that is no child of ours has ended; `false` at the deadline.
#[must_use]
pub fn await_end(pid: i32, patience: Duration) -> bool {
    let Some(process) = pidfd(pid) else { return true };
    let deadline = now() + patience;
    loop {
        let left = deadline.saturating_sub(now());
        let mut waiting = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
        match poll(&mut waiting, timeout(left)) {
            Ok(1..) => return true,
            Ok(_) | Err(Errno::EINTR) if !left.is_zero() => {}
            Ok(_) | Err(_) => return false,
        }
    }
}

/// Lets whoever starts `command` trace it from its first instruction.
pub fn traced(command: &mut Command) {
    let traceme = || ptrace::traceme().map_err(std::io::Error::from);
    // SAFETY: between fork and exec this makes one system call, and builds an error of a number.
    unsafe { command.pre_exec(traceme) };
}

/// Lets `command` be killed when the thread that starts it ends, so that it does not outlive a killed bench; and keeps it
/// from leaving its core behind when it crashes.
pub fn bound_to_us(command: &mut Command) {
    let bind = || {
        set_pdeathsig(Signal::SIGKILL).and_then(|()| setrlimit(Resource::RLIMIT_CORE, 0, 0))?;
        Ok(())
    };
    // SAFETY: between fork and exec this makes two system calls, and builds an error of a number.
    unsafe { command.pre_exec(bind) };
}

/// The clock that the payload reads, too.
#[must_use]
pub fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).must("read the clock").into()
}

/// As milliseconds, the unit of everything that starts.
#[must_use]
pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// What the payload has written: the time of its first system call, and the time stamp counter of its first instruction.
#[must_use]
pub fn mark(written: &[u8]) -> Option<(Duration, u64)> {
    let written: &[u8; WORDS] = written.try_into().ok()?;
    let number = |at: usize| Some(u64::from_ne_bytes(written[at..at + 8].try_into().ok()?));
    let time = Duration::from_secs(number(0)?).checked_add(Duration::from_nanos(number(8)?))?;
    Some((time, number(16)?))
}

/// Rounded up, so that a wait is not a loop.
fn timeout(left: Duration) -> PollTimeout {
    PollTimeout::try_from(left.as_millis().saturating_add(1)).unwrap_or(PollTimeout::MAX)
}

/// As somebody would type it.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn nameless_file() -> File {
    let flags = nix::sys::memfd::MFdFlags::MFD_CLOEXEC;
    nix::sys::memfd::memfd_create(c"stderr", flags).must("make a memory file").into()
}

/// Of a process that may be gone already.
fn pidfd(pid: i32) -> Option<OwnedFd> {
    // SAFETY: two numbers; the answer is a descriptor that nobody else has, or an error.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    // SAFETY: as said.
    (fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).unwrap_or(-1)) })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    /// What a payload writes that started `after` the clock was read.
    fn words_of_a_payload(after: Duration) -> String {
        let time = now() + after;
        let (seconds, rest) = (time.as_secs(), u64::from(time.subsec_nanos()));
        let bytes = [seconds, rest, 1].map(u64::to_ne_bytes);
        bytes.as_flattened().iter().map(|byte| format!("\\{byte:03o}")).collect()
    }

    #[test]
    fn a_runtime_that_hangs_is_given_up_and_killed() {
        let began = now();
        let wrong = run(&mut shell("exec sleep 60"), Duration::from_millis(50));
        assert_eq!(wrong.err(), Some(Wrong::Hung("given up: not done after 0.05 s".to_owned())));
        assert!(now() - began < Duration::from_secs(30));
    }

    #[test]
    fn a_runtime_that_fails_is_quoted() {
        let wrong = run(&mut shell("echo no such cgroup >&2; exit 3"), PATIENCE).err();
        let sentence = wrong.must("see it fail").sentence().to_owned();
        assert!(sentence.contains("0x300: no such cgroup"), "{sentence}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let wrong = run(&mut Command::new("/nowhere/runtime"), PATIENCE).err();
        assert!(wrong.must("see it fail").sentence().starts_with("/nowhere/runtime: "));
    }

    #[test]
    fn what_the_payload_says_is_heard_also_after_the_runtime_has_ended() {
        let mut voice = Voice::new();
        let said = words_of_a_payload(Duration::ZERO);
        let began = now();
        let slow = format!("(sleep 0.1; printf '{said}') &");
        // The payload's time was read before the start: a lie.
        let ended = voice.run(&mut shell(&slow), PATIENCE).map_err(|wrong| format!("{wrong:?}"));
        let wrong = voice.answer(ended.must("run it").began.max(began), PATIENCE).err();
        assert!(wrong.must("see the lie").sentence().contains("says that it started at"));
    }

    #[test]
    fn the_time_of_an_honest_payload_lies_between_the_question_and_its_arrival() {
        let mut voice = Voice::new();
        let began = now();
        let said = words_of_a_payload(Duration::ZERO);
        let ran = voice.run(&mut shell(&format!("printf '{said}'")), PATIENCE);
        assert!(ran.is_ok_and(|ran| ran.ended > ran.began));
        let answer = voice.answer(began, PATIENCE).map_err(|wrong| format!("{wrong:?}"));
        let answer = answer.must("hear it");
        assert!(began <= answer.first_instruction && answer.first_instruction < answer.first_byte);
    }

    #[test]
    fn a_payload_that_says_nothing_or_nonsense_is_told_apart() {
        let mut voice = Voice::new();
        let silent = voice.answer(now(), Duration::from_millis(1)).err();
        assert!(silent.must("hear nothing").sentence().contains("has not written its time"));
        let ran = voice.run(&mut shell("echo 'hello, says something else'"), PATIENCE);
        assert!(ran.is_ok(), "{ran:?}");
        let nonsense = voice.answer(now(), PATIENCE).err();
        assert!(nonsense.must("hear nonsense").sentence().contains("no time: \"hello"));
    }

    #[test]
    fn the_end_of_a_stranger_is_awaited_but_not_for_ever() {
        let mut child = shell("exec sleep 60").spawn().must("start sh");
        let pid = child.id().cast_signed();
        assert!(!await_end(pid, Duration::from_millis(10)));
        child.kill().must("kill it");
        assert!(await_end(pid, PATIENCE));
        child.wait().must("reap it");
    }
}
