//! A logger: a program that reads a container's output from its descriptors 3 and 4 (`binary://`).
//!
//! What a newcomer would get wrong: the logger closes descriptor 5, or writes to it, when it is ready; one that dies closes
//! it, too. And a logger may die later: the container must neither die with it nor hang, so what it writes then is read
//! and dropped.

use super::copy::Copy;
use super::open::{null, pipe, set_nonblocking};
use super::progress::Progress;
use crate::watch::{Loop, Source};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rrun::error::{Error, Kind, Result, ResultExt};
use rrun_sys::reap::Ended;
use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a logger may take to be ready.
pub const READY: Duration = Duration::from_secs(10);

/// How long after its input has ended it is told to end, and how long after that it is killed.
const PATIENCE: Duration = Duration::from_secs(10);
const LAST_PATIENCE: Duration = Duration::from_secs(2);

/// A logger that runs. Dropped, its input ends once the container's ends are closed, and it is given time to finish.
pub struct Logger {
    pidfd: OwnedFd,
    held: Arc<Mutex<Vec<OwnedFd>>>,
    progress: Arc<Progress>,
    events: Loop,
}

/// Whose output it is, and who watches.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The loop.
    pub events: &'a Loop,
    /// The container.
    pub id: &'a str,
    /// Its namespace in containerd.
    pub namespace: &'a str,
}

impl Logger {
    /// Starts `program` and waits until it is ready, `patience` at most ([`READY`]). Also returned: the writing ends of standard output and error.
    pub fn start(
        program: &Path,
        arguments: &[OsString],
        context: Context<'_>,
        progress: &Arc<Progress>,
        patience: Duration,
    ) -> Result<(Self, [OwnedFd; 2])> {
        let named = |error: Error| error.context(format!("logger {}", program.display()));
        let (out_reader, out) = pipe()?;
        let (err_reader, err) = pipe()?;
        let (ready, ready_writer) = pipe()?;
        let launching = context.events.launching();
        let given = [out_reader.as_fd(), err_reader.as_fd(), ready_writer.as_fd()];
        let pid = spawn(program, arguments, context, given).map_err(named)?;
        drop(ready_writer);
        let pidfd = OwnedFd::from(rrun_sys::pidfd::pidfd_open(pid).context(|| "pidfd_open")?);
        let held = Arc::new(Mutex::new(vec![out_reader, err_reader]));
        progress.logs();
        let logger = Self {
            pidfd: pidfd.try_clone()?,
            held: Arc::clone(&held),
            progress: Arc::clone(progress),
            events: context.events.clone(),
        };
        logger.watch(pid, pidfd, program);
        drop(launching);
        logger.wait_ready(pid, &ready, patience).map_err(named)?;
        Ok((logger, [out, err]))
    }

    fn watch(&self, pid: i32, pidfd: OwnedFd, program: &Path) {
        let (held, progress) = (Arc::clone(&self.held), Arc::clone(&self.progress));
        let (events, program) = (self.events.clone(), program.to_owned());
        self.events.watch_process(pid, pidfd, move |end| {
            let orphaned =
                std::mem::take(&mut *held.lock().unwrap_or_else(PoisonError::into_inner));
            if !progress.has_ended() {
                crate::log::warn(&format!("logger {} ended: {end:?}", program.display()));
                for reader in orphaned {
                    match nowhere(reader) {
                        Ok(copy) => events.submit(|reactor| reactor.add(copy)),
                        Err(error) => crate::log::warn(&error.to_string()),
                    }
                }
            }
            progress.logged(end.ended);
        });
    }

    /// The container has ended: only the logger reads from now on.
    pub fn release(&self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn wait_ready(&self, pid: i32, ready: &OwnedFd, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(ready.as_fd(), PollFlags::POLLIN)], timeout) {
                Ok(0) => {
                    // The failure is what is reported; one that cannot be killed has ended.
                    rrun_sys::pidfd::pidfd_send_signal(self.pidfd.as_raw_fd(), libc::SIGKILL).ok();
                    return Err(Error::new(
                        Kind::Host,
                        format!("not ready after {patience:?}, and killed"),
                    )
                    .hint("it has to close descriptor 5 when it is ready to read"));
                }
                Ok(_) => break,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        if !is_ending(pid) {
            return Ok(());
        }
        let how = match self.progress.wait_logged(deadline) {
            // It may have left somebody behind that does the work.
            Some(Some(Ended::Code(0))) => return Ok(()),
            Some(Some(Ended::Code(code))) => format!("exited with {code}"),
            Some(Some(Ended::Signal(signal))) => format!("was killed by signal {signal}"),
            Some(None) | None => "ended".to_owned(),
        };
        Err(Error::new(Kind::Host, format!("{how} before it was ready"))
            .hint("start it by hand with descriptors 3, 4 and 5 open to see why"))
    }
}

impl Drop for Logger {
    fn drop(&mut self) {
        self.release();
        if !self.progress.is_logging() {
            return;
        }
        let Ok(pidfd) = self.pidfd.try_clone() else { return };
        self.events.submit(move |reactor| {
            reactor.after(PATIENCE, move |reactor| {
                // ESRCH: it has ended, as it should.
                if rrun_sys::pidfd::pidfd_send_signal(pidfd.as_raw_fd(), libc::SIGTERM).is_ok() {
                    reactor.after(LAST_PATIENCE, move |_| {
                        rrun_sys::pidfd::pidfd_send_signal(pidfd.as_raw_fd(), libc::SIGKILL).ok();
                    });
                }
            });
        });
    }
}

/// Reads and drops.
fn nowhere(reader: OwnedFd) -> Result<Box<dyn Source>> {
    set_nonblocking(&reader, true)?;
    Ok(Box::new(Copy::new(reader, null(OFlag::O_WRONLY)?)))
}

/// Above the descriptors that the logger gets.
const ABOVE: i32 = 10;

fn spawn(
    program: &Path,
    arguments: &[OsString],
    context: Context<'_>,
    given: [BorrowedFd<'_>; 3],
) -> Result<i32> {
    let [out, err, ready] = given.map(|fd| duplicate_above(fd, ABOVE));
    let (out, err, ready) = (out?, err?, ready?);
    // See `hand_over`: its targets are taken meanwhile, by these at the latest.
    let taken = given.map(|fd| fd.try_clone_to_owned());
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("CONTAINER_ID", context.id)
        .env("CONTAINER_NAMESPACE", context.namespace)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let command = rrun_sys::signal::start_clean(&mut command);
    let given = [out.as_raw_fd(), err.as_raw_fd(), ready.as_raw_fd()];
    let child = rrun_sys::fd::hand_over(command, given).spawn().context(|| "start it");
    drop(taken);
    Ok(child?.id().cast_signed())
}

/// A safe way to a duplicate whose number is at least so much: asked for until it is, the lower ones given back then.
fn duplicate_above(fd: BorrowedFd<'_>, at_least: i32) -> Result<OwnedFd> {
    let mut lower = Vec::new();
    loop {
        let duplicate = fd.try_clone_to_owned()?;
        if duplicate.as_raw_fd() >= at_least {
            return Ok(duplicate);
        }
        lower.push(duplicate);
    }
}

/// Whether the process is on its way out: its flags say so before its descriptors are closed.
fn is_ending(pid: i32) -> bool {
    const PF_EXITING: u64 = 0x4;
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return true };
    // Behind the name, which may contain anything: state ppid pgrp session tty tpgid flags.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let flags = fields.split_whitespace().nth(6).and_then(|flags| flags.parse::<u64>().ok());
    flags.is_none_or(|flags| flags & PF_EXITING != 0)
}
