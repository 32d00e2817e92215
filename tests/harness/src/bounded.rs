//! Programs that are waited for, but never for ever.
//!
//! Knows how to start a program with its output in files and to end it by its own handle. Refuses pipes: the process
//! that `create` leaves behind inherits the runtime's stdout, and a reader of a pipe would wait for *its* end.
//! A newcomer would get wrong that the output of a container started with `create`/`start` is in the output of
//! `create`, and grows later: ask [`Output::stdout`] again.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::Must;

/// How long anything may take before it counts as hung. Generous: the guest emulates its processor.
pub const PATIENCE: Duration = Duration::from_secs(90);

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Where a program's three streams go.
#[derive(Debug, Clone, Default)]
pub enum Stdio {
    /// stdin is empty; stdout and stderr are kept for the [`Output`].
    #[default]
    Kept,
    /// As `Kept`, with these bytes as stdin.
    Input(Vec<u8>),
    /// Whatever the command was given already, a terminal for instance.
    AsGiven,
}

/// A program that has been started and not yet waited for. Dropping it kills and reaps it.
#[derive(Debug)]
pub struct Running {
    child: Option<Child>,
    shown: String,
    out: PathBuf,
    err: PathBuf,
}

impl Running {
    /// Starts `command`, its output kept in files of `directory`.
    #[track_caller]
    pub fn start(mut command: Command, streams: &Stdio, directory: &Path) -> Running {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let file = |kind: &str| directory.join(format!("{n}.{kind}"));
        let (out, err) = (file("out"), file("err"));
        if !matches!(streams, Stdio::AsGiven) {
            command.stdout(File::create(&out).must("make a file for stdout"));
            command.stderr(File::create(&err).must("make a file for stderr"));
        }
        match streams {
            Stdio::Kept => {
                command.stdin(std::process::Stdio::null());
            }
            Stdio::Input(bytes) => {
                let input = file("in");
                fs::write(&input, bytes).must("write stdin");
                command.stdin(File::open(&input).must("open stdin"));
            }
            Stdio::AsGiven => {}
        }
        let shown = show(&command);
        let child = command.spawn().must(&format!("start `{shown}`"));
        Running { child: Some(child), shown, out, err }
    }

    /// The pid of the program, as this namespace sees it.
    #[track_caller]
    pub fn pid(&self) -> i32 {
        let child = self.child.as_ref().must("the child of a running program");
        i32::try_from(child.id()).must("the pid as a signed number")
    }

    /// Sends a signal to the program itself, not to its container. It is not reaped yet, so the pid is its own.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).must("signal the program");
    }

    /// What it has written to stdout so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        read(&self.out)
    }

    /// Waits until its stdout contains `text`.
    #[track_caller]
    pub fn expect_stdout(&self, text: &str) {
        eventually(|| self.stdout().contains(text) || self.has_ended());
        assert!(
            self.stdout().contains(text),
            "`{}` never wrote {text:?}; stdout: {:?}, stderr: {:?}",
            self.shown,
            self.stdout(),
            read(&self.err)
        );
    }

    /// Whether it waits to be reaped: asked without reaping it, so that its pid stays its own.
    fn has_ended(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        // The state follows the program's name, which may itself contain spaces and parentheses (proc_pid_stat(5)).
        stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z'))
    }

    /// Whether it has not ended yet.
    #[track_caller]
    pub fn is_running(&mut self) -> bool {
        match &mut self.child {
            Some(child) => child.try_wait().must("wait for the program").is_none(),
            None => false,
        }
    }

    /// Waits for its end; a program that takes longer than [`PATIENCE`] is killed and fails the test.
    #[track_caller]
    pub fn wait(mut self) -> Output {
        let mut child = self.child.take().must("the child of a running program");
        let status = wait_until(&mut child, Instant::now() + PATIENCE);
        let Some(status) = status else {
            panic!(
                "`{}` did not end in {PATIENCE:?}; stdout: {:?}, stderr: {:?}",
                self.shown,
                read(&self.out),
                read(&self.err)
            );
        };
        Output {
            shown: std::mem::take(&mut self.shown),
            status,
            out: self.out.clone(),
            stderr: read(&self.err),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            end(&mut child);
        }
    }
}

/// Waits for `child` until `deadline`; `None` says that it had to be killed.
pub fn wait_until(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    let mut pause = Duration::from_micros(500);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < deadline => {}
            Ok(None) | Err(_) => {
                end(child);
                return None;
            }
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}

fn end(child: &mut Child) {
    // Either may fail because the child is gone already, which is what is wanted.
    drop(child.kill());
    drop(child.wait());
}

/// Asks `condition` again and again until it holds; `false` when [`PATIENCE`] is over.
pub fn eventually(mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(1);
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// How a program ended and what it said.
#[derive(Debug, Clone)]
pub struct Output {
    shown: String,
    status: ExitStatus,
    out: PathBuf,
    stderr: String,
}

impl Output {
    /// The exit code, or 128 + the signal that ended the program.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }

    /// Everything written to its stdout until now.
    #[must_use]
    pub fn stdout(&self) -> String {
        read(&self.out)
    }

    /// What was on its stderr when it ended.
    #[must_use]
    pub fn stderr(&self) -> &str {
        &self.stderr
    }

    /// Asserts the exit code.
    #[track_caller]
    pub fn code(self, expected: i32) -> Output {
        let code = self.exit_code();
        assert!(code == expected, "exit code {code}, expected {expected}\n{}", self.account());
        self
    }

    /// Asserts exit code 0.
    #[track_caller]
    pub fn success(self) -> Output {
        self.code(0)
    }

    /// Asserts that it failed, with whatever code.
    #[track_caller]
    pub fn failure(self) -> Output {
        assert!(self.exit_code() != 0, "succeeded, expected a failure\n{}", self.account());
        self
    }

    /// Asserts that stderr contains `text`.
    #[track_caller]
    pub fn stderr_has(self, text: &str) -> Output {
        assert!(self.stderr.contains(text), "stderr lacks {text:?}\n{}", self.account());
        self
    }

    /// Asserts that stdout contains `text`.
    #[track_caller]
    pub fn stdout_has(self, text: &str) -> Output {
        assert!(self.stdout().contains(text), "stdout lacks {text:?}\n{}", self.account());
        self
    }

    /// Asserts stdout as a whole.
    #[track_caller]
    pub fn stdout_is(self, text: &str) -> Output {
        assert!(self.stdout() == text, "stdout is not {text:?}\n{}", self.account());
        self
    }

    /// stdout as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout())
            .must(&format!("read the output as JSON\n{}", self.account()))
    }

    /// The command, how it ended and what it wrote: for the messages of failed assertions.
    #[must_use]
    pub fn account(&self) -> String {
        format!(
            "  $ {}\n  {}\n  stdout: {}\n  stderr: {}",
            self.shown,
            self.status,
            indent(&self.stdout()),
            indent(&self.stderr)
        )
    }
}

fn indent(text: &str) -> String {
    text.trim_end().replace('\n', "\n          ")
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

fn show(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy().into_owned()));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn output_and_exit_code_are_kept() {
        let dir = std::env::temp_dir();
        let running = Running::start(
            shell("cat; echo lost >&2; exit 7"),
            &Stdio::Input(b"hi".to_vec()),
            &dir,
        );
        let output = running.wait().code(7).stdout_is("hi").stderr_has("lost");
        assert!(output.account().contains("exit status: 7"), "{}", output.account());
    }

    #[test]
    fn a_program_ended_by_a_signal_counts_as_128_plus_the_signal() {
        let running = Running::start(shell("kill -TERM $$"), &Stdio::Kept, &std::env::temp_dir());
        running.wait().code(143);
    }

    #[test]
    #[should_panic(expected = "never wrote")]
    fn words_of_a_program_that_has_ended_are_not_waited_for() {
        let running = Running::start(shell("true"), &Stdio::Kept, &std::env::temp_dir());
        running.expect_stdout("words");
    }

    #[test]
    fn a_program_that_outlives_its_deadline_is_killed() {
        let mut child = shell("sleep 60").spawn().must("start sh");
        assert!(wait_until(&mut child, Instant::now()).is_none());
        assert!(child.try_wait().must("ask for its status").is_some());
    }
}
