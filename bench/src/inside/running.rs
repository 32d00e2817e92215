//! Work that has been started: its lines, its answer, its end.
//!
//! What a newcomer would get wrong: a process that has forked is not over when it is killed; it is started in a group
//! of its own, and the group is ended. It is bound to the *thread* that started it, and ends with that.

use super::answer::{Answer, Said};
use crate::process::bound_to_us;
use crate::vm::{Line, Session, listen};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use rrun_harness::wait_until;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How long the end may take after `done`, and a clean-up.
const GRACE: Duration = Duration::from_secs(20);

/// Takes away what a killed process would leave.
pub(super) type CleanUp = Box<dyn FnOnce() + Send>;

enum Who {
    Process { child: Child, lines: Receiver<Line>, words: File, clean_up: Option<CleanUp> },
    Guest(Session),
    Over,
}

/// Work that goes on; dropped, it is ended and nothing of it is left.
pub struct Running {
    label: String,
    who: Who,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Running").field("label", &self.label).finish_non_exhaustive()
    }
}

impl Running {
    /// Starts a process whose voice is its stdout.
    pub(super) fn process(
        label: &str,
        mut command: Command,
        clean_up: Option<CleanUp>,
    ) -> Result<Self, String> {
        let flags = nix::sys::memfd::MFdFlags::MFD_CLOEXEC;
        let words: File = nix::sys::memfd::memfd_create(c"stderr", flags)
            .map_err(|why| format!("a memory file: {why}"))?
            .into();
        let stderr = words.try_clone().map_err(|why| format!("keep its stderr: {why}"))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr).process_group(0);
        bound_to_us(&mut command);
        let mut child = command.spawn().map_err(|why| format!("start it: {why}"))?;
        let Some(stdout) = child.stdout.take() else { return Err("it has no stdout".to_owned()) };
        let who = Who::Process { child, lines: listen(stdout), words, clean_up };
        Ok(Self { label: label.to_owned(), who })
    }

    /// Of a guest that was started.
    pub(super) fn guest(label: &str, session: Session) -> Self {
        Self { label: label.to_owned(), who: Who::Guest(session) }
    }

    /// The process that was started: the work's own, the runtime's, or QEMU's.
    #[must_use]
    pub fn pid(&self) -> u32 {
        match &self.who {
            Who::Process { child, .. } => child.id(),
            Who::Guest(session) => session.pid(),
            Who::Over => 0,
        }
    }

    /// The next thing that is said, waited for until `deadline`.
    ///
    /// # Errors
    /// A sentence that names the subject and the op.
    pub fn said(&mut self, deadline: Instant) -> Result<Said, String> {
        let said = self.line(deadline).and_then(|line| Said::parse(&line.text));
        said.map_err(|why| format!("{}: {why}", self.label))
    }

    /// Everything until `done`, and the end.
    ///
    /// # Errors
    /// A sentence that names the subject and the op: it was not done before `deadline`, it ended before it was done, it
    /// went wrong, or it said what is no sample.
    pub fn answer(mut self, deadline: Instant) -> Result<Answer, String> {
        let mut answer = Answer::default();
        while !answer.add(self.said(deadline)?) {}
        let label = self.label.clone();
        self.end(deadline.max(Instant::now() + GRACE)).map_err(|why| format!("{label}: {why}"))?;
        Ok(answer)
    }

    fn line(&mut self, deadline: Instant) -> Result<Line, String> {
        match &mut self.who {
            Who::Guest(session) => session.line(deadline),
            Who::Over => Err("it is over".to_owned()),
            Who::Process { lines, .. } => {
                let left = deadline.saturating_duration_since(Instant::now());
                match lines.recv_timeout(left) {
                    Ok(line) => Ok(line),
                    Err(RecvTimeoutError::Timeout) => {
                        Err("not done before the deadline".to_owned())
                    }
                    Err(RecvTimeoutError::Disconnected) => Err(self.last_words()),
                }
            }
        }
    }

    fn end(&mut self, deadline: Instant) -> Result<(), String> {
        match std::mem::replace(&mut self.who, Who::Over) {
            Who::Guest(session) => session.end(deadline).map(drop),
            Who::Over => Ok(()),
            Who::Process { mut child, lines, words, clean_up } => {
                let status = wait_until(&mut child, deadline);
                self.who = Who::Process { child, lines, words, clean_up };
                match status {
                    Some(status) if status.success() => Ok(()),
                    Some(_) => Err(self.last_words()),
                    None => Err("it said that it is done, and did not end".to_owned()),
                }
            }
        }
    }

    fn last_words(&mut self) -> String {
        let Who::Process { child, words, .. } = &mut self.who else { return String::new() };
        let status = wait_until(child, Instant::now() + Duration::from_secs(1));
        let status = status.map_or_else(|| "still running".to_owned(), |how| how.to_string());
        let mut said = String::new();
        // What can't be read is not worth a second error.
        drop(words.rewind().and_then(|()| words.read_to_string(&mut said)));
        format!("it ended before it was done ({status}): {}", said.trim())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Who::Process { child, clean_up, .. } = &mut self.who else { return };
        if let Some(clean_up) = clean_up.take() {
            clean_up();
        }
        // What has ended and was collected leaves a group of whom it has forked, or none.
        killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL).ok();
        drop(child.wait());
    }
}

#[cfg(test)]
mod tests {
    use crate::inside::{Bare, Subject, Task};
    use std::time::Duration;

    /// A subject that does what a shell is told, whatever op is asked for.
    fn fake(script: &str) -> Subject {
        let mut bare = Bare::new("fake".into());
        bare.before = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        Subject::Bare(bare)
    }

    fn asked(script: &str, patience: u64) -> Result<super::Answer, String> {
        fake(script).run(&Task::new("stat").with("n", 1), Duration::from_millis(patience))
    }

    #[test]
    fn an_answer_is_what_was_said_until_done() {
        let answer = asked("echo a 1 2; echo a 3; echo missing b no disk; echo done", 10_000);
        let answer = answer.expect("an answer");
        assert_eq!(answer.of("a"), [1.0, 2.0, 3.0]);
        assert_eq!(answer.missing.get("b").map(String::as_str), Some("no disk"));
    }

    #[test]
    fn a_subject_that_is_never_done_is_named_and_ended() {
        let why = asked("echo a 1; sleep 1000", 200).expect_err("no answer");
        assert_eq!(why, "bare: stat: not done before the deadline");
    }

    #[test]
    fn a_subject_that_dies_is_named_with_its_last_words() {
        let why = asked("echo a 1; echo no memory >&2; exit 3", 10_000).expect_err("no answer");
        assert!(
            why.starts_with("bare: stat: it ended before it was done (exit status: 3)"),
            "{why}"
        );
        assert!(why.ends_with("no memory"), "{why}");
        let why = asked("echo a 1; echo done; exit 3", 10_000).expect_err("no answer");
        assert!(why.contains("exit status: 3"), "{why}");
    }

    #[test]
    fn garbage_is_no_answer() {
        let why = asked("echo a 1; echo WARN cgroup; echo done", 10_000).expect_err("no answer");
        assert_eq!(why, "bare: stat: said what is no sample: \"WARN cgroup\"");
        let why = asked("echo error out of files; exit 1", 10_000).expect_err("no answer");
        assert_eq!(why, "bare: stat: went wrong: out of files");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let subject = Subject::Bare(Bare::new("/nonexistent/workload".into()));
        let why = subject.run(&Task::new("stat"), Duration::from_secs(1)).expect_err("no answer");
        assert!(why.starts_with("bare: stat: start it:"), "{why}");
    }
}
