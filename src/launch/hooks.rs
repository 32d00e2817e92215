//! Hooks of the host's side: each gets the container's state on its standard input.
//!
//! What a newcomer would get wrong: the state is a memory file, not a pipe: a hook that never reads it can't block us,
//! and one that reads it gets an end of file. Standard output is not ours to give: on create it is the container's.

use super::fault::point;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::spec::{Hook, HookPhase};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs `hooks` in order, up to the first that fails.
///
/// # Errors
/// [`Kind::Hook`] naming the hook, how it ended, and the last line it wrote to standard error.
pub fn run_all(hooks: &[Hook], state_json: &str, phase: HookPhase) -> Result<()> {
    hooks.iter().enumerate().try_for_each(|numbered| run_one(numbered, state_json, phase))
}

/// Runs every one of `hooks` in order, those after a failed one too, and returns the failures.
#[must_use]
pub fn run_every(hooks: &[Hook], state_json: &str, phase: HookPhase) -> Vec<Error> {
    let run = |numbered| run_one(numbered, state_json, phase).err();
    hooks.iter().enumerate().filter_map(run).collect()
}

fn run_one((index, hook): (usize, &Hook), state_json: &str, phase: HookPhase) -> Result<()> {
    point("a hook")?;
    run(hook, state_json)
        .map_err(|error| error.at(format!("/hooks/{}/{index}", phase.name())))
        .context(|| format!("{} hook {}", phase.name(), hook.path.display()))
}

/// How a hook ended, with the last line it wrote to standard error, if it wrote any.
pub(super) fn with_last_words(how: &str, said: &str) -> String {
    match said.lines().rev().find(|line| !line.trim().is_empty()) {
        Some(line) => format!("{how}: {}", line.trim()),
        None => how.to_owned(),
    }
}

/// A file that `run.oci.hooks.stdout` or `stderr` names; made where there is none.
///
/// # Errors
/// That it can't be opened, with the annotation.
pub fn appending(path: &Path, annotation: &str) -> Result<File> {
    // Readable, for the last words of a hook that fails. A pipe that nobody reads must not stop us.
    let mut options = File::options();
    options.read(true).append(true).create(true).mode(0o644);
    let opened = options.custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK).open(path);
    let file = opened
        .map_err(|error| Error::from(error).with_kind(Kind::Spec))
        .context(|| format!("{annotation}: open {}", path.display()))?;
    // The hook itself may wait.
    fcntl(&file, FcntlArg::F_SETFL(OFlag::O_APPEND))?;
    Ok(file)
}

/// Where a hook writes its errors: the file that `run.oci.hooks.stderr` names, or one in memory; and where that begins.
///
/// # Errors
/// As [`appending`].
pub(super) fn errors(path: Option<&Path>) -> Result<(File, u64)> {
    let Some(path) = path else { return Ok((memory_file("")?, 0)) };
    let file = appending(path, "run.oci.hooks.stderr")?;
    let before = file.metadata()?.len();
    Ok((file, before))
}

/// What was written to a memory file, or appended to another, from `start` on and up to a bound.
pub(super) fn read_back(file: &mut File, start: u64) -> String {
    let mut bytes = Vec::new();
    // It is there to enrich an error; that it can't be read must not replace that error.
    if file.seek(SeekFrom::Start(start)).is_err() {
        return String::new();
    }
    Read::take(file, 64 * 1024).read_to_end(&mut bytes).ok();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A memory file with `text`, read from its start.
///
/// # Errors
/// [`Kind::Kernel`] when there is no memory for it.
pub fn memory_file(text: &str) -> Result<File> {
    let fd: OwnedFd = memfd_create(c"rrun-state", MFdFlags::MFD_CLOEXEC)?;
    let mut file = File::from(fd);
    rewrite(&mut file, text)?;
    Ok(file)
}

/// Replaces a memory file's content.
///
/// # Errors
/// As write(2).
pub fn rewrite(file: &mut File, text: &str) -> Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(text.as_bytes())?;
    file.seek(SeekFrom::Start(0))?;
    Ok(())
}

fn run(hook: &Hook, state_json: &str) -> Result<()> {
    let (name, arguments) = match hook.args.split_first() {
        Some((name, rest)) => (name.as_str(), rest),
        None => (hook.path.to_str().unwrap_or_default(), &[][..]),
    };
    let (mut said, before) = errors(hook.stderr.as_deref())?;
    let output = match &hook.stdout {
        Some(path) => appending(path, "run.oci.hooks.stdout")?.into(),
        None => Stdio::null(),
    };
    let mut command = Command::new(&hook.path);
    command
        .arg0(name)
        .args(arguments)
        .env_clear()
        .envs(hook.env.iter().map(|pair| pair.split_once('=').unwrap_or((pair, ""))))
        .stdin(memory_file(state_json)?)
        .stdout(output)
        .stderr(said.try_clone()?);
    // The supervisor's parent has every signal blocked by now.
    let mut child = rrun_sys::signal::start_clean(&mut command)
        .spawn()
        .map_err(|error| Error::from(error).with_kind(Kind::Hook))?;
    if let Some(timeout) = hook.timeout {
        let pidfd = OwnedFd::from(rrun_sys::pidfd::pidfd_open(child.id().cast_signed())?);
        let mut ready = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        let ended = loop {
            match poll(&mut ready, timeout) {
                Err(nix::errno::Errno::EINTR) => {}
                other => break other,
            }
        };
        if ended != Ok(1) {
            child.kill()?;
            child.wait()?;
            ended?;
            return Err(Error::new(Kind::Hook, "timed out and was killed")
                .hint("raise its timeout, or make it faster"));
        }
    }
    let status = child.wait()?;
    if status.success() {
        return Ok(());
    }
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, signal) => format!("killed by signal {}", signal.unwrap_or(0)),
    };
    Err(Error::new(Kind::Hook, with_last_words(&how, &read_back(&mut said, before))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn shell(script: &str, timeout: Option<Duration>) -> Hook {
        let args = ["sh", "-c", script].map(str::to_owned).to_vec();
        Hook {
            path: "/bin/sh".into(),
            args,
            env: vec!["A=b".into()],
            timeout,
            stdout: None,
            stderr: None,
        }
    }

    #[test]
    fn a_hook_reads_the_state_and_has_only_its_own_environment() {
        let script = "test \"$(cat)\" = state && test \"$A\" = b && test -z \"$HOME\"";
        run_all(&[shell(script, None)], "state", HookPhase::Prestart).expect("succeeds");
    }

    #[test]
    fn a_failing_hook_is_named_with_its_status_and_last_words() {
        let hooks = [shell("true", None), shell("echo no luck >&2; exit 3", None)];
        let error = run_all(&hooks, "", HookPhase::CreateRuntime).expect_err("fails");
        assert_eq!(error.kind(), Kind::Hook);
        assert_eq!(
            error.to_string(),
            "createRuntime hook /bin/sh: exit status 3: no luck (at /hooks/createRuntime/1)"
        );
    }

    #[test]
    fn a_hook_that_outlives_its_timeout_is_killed() {
        let hook = shell("exec sleep 60", Some(Duration::from_millis(50)));
        let error = run_all(&[hook], "", HookPhase::Poststart).expect_err("is killed");
        assert!(error.to_string().contains("timed out and was killed"), "{error}");
    }
}
