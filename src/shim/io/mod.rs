//! The standard streams of one process, from the engine's fifos to the child's descriptors.
//!
//! ```text
//!  stdin   fifo ──copied──► pipe ──► child        only so can an engine close it
//!  stdout  fifo ◄────────────────── child        nothing is copied; the shim keeps the way open
//!  terminal: both ways copied between the fifos and the pty's master
//! ```
//! It refuses to know containers and requests. Every call may come from any thread and returns at once, but for a logger's
//! start ([`Streams::open`]) and [`Streams::wait_drained`]. What a newcomer would get wrong: CloseIO is not the end of
//! file. The shim only stops keeping the fifo open; what the engine still writes arrives, and its own close is the end.

mod copy;
mod flow;
mod linger;
mod logger;
mod open;
mod progress;
mod target;
mod terminal;
#[cfg(test)]
mod tests;

pub use logger::Context;
pub use open::Owner;

use crate::watch::{Loop, Token};
use copy::Copy;
use logger::Logger;
use nix::fcntl::OFlag;
use open::{Input, Output};
use progress::Progress;
use rrun::error::{Error, Kind, Result, ResultExt};
use rrun_sys::tty;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use target::Target;
use terminal::{Ends, Terminal};

/// What a request says of the streams.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stdio<'a> {
    /// Empty, or a path.
    pub stdin: &'a str,
    /// Empty, a path, or a URI.
    pub stdout: &'a str,
    /// As `stdout`; of no meaning with a terminal.
    pub stderr: &'a str,
    /// The process gets a terminal.
    pub terminal: bool,
}

/// The streams of one process. Dropped, they are closed, drained or not.
pub struct Streams {
    events: Loop,
    progress: Arc<Progress>,
    state: Mutex<State>,
    /// Fifos that outlive the process because nobody has read them yet.
    lingering: Arc<linger::Waiting>,
    /// Who wants to know when the last output was read.
    then: linger::Then,
    /// What is copied, by its name on the loop: standard input, or the terminal.
    copying: Token,
    logger: Option<Logger>,
}

#[derive(Default)]
struct State {
    child: Option<[OwnedFd; 3]>,
    terminal: Option<(Option<OwnedFd>, OwnedFd)>,
    /// Keeps standard input from its end.
    stdin_writer: Option<OwnedFd>,
    held: Vec<OwnedFd>,
}

impl Streams {
    /// Opens what `stdio` names. A logger is started, and waited for until it is ready (at most 10 s).
    ///
    /// # Errors
    /// [`Kind::Usage`] and [`Kind::Unsupported`] for a stream's text, [`Kind::Host`] for a logger that is not ready,
    /// [`Kind::Kernel`] for what cannot be opened; all with the name of the stream.
    pub fn open(stdio: &Stdio<'_>, owner: Owner, context: Context<'_>) -> Result<Self> {
        let progress = Arc::new(Progress::default());
        let mut streams = Self {
            events: context.events.clone(),
            progress: Arc::clone(&progress),
            state: Mutex::default(),
            lingering: Arc::default(),
            then: linger::Then::default(),
            copying: context.events.token(),
            logger: None,
        };
        let [stdout, stderr] = streams.open_outputs(stdio, owner, context)?;
        let mut state = streams.lock();
        let outputs = [stdout.held, stderr.held];
        state.held.extend(outputs.into_iter().flatten());
        let stdin = match Target::parse("stdin", stdio.stdin)? {
            Target::Null => None,
            Target::Path(path) => Some(open::input(&path)?),
            Target::File(_) | Target::Binary { .. } => {
                return Err(unusable_stdin(stdio.stdin));
            }
        };
        if stdio.terminal {
            open::set_nonblocking(&stdout.child, true)?;
            let stdin = match stdin {
                None => None,
                Some(Input::Direct(reader)) => {
                    open::set_nonblocking(&reader, true)?;
                    Some(reader)
                }
                Some(Input::Fifo { reader, writer }) => {
                    state.stdin_writer = Some(writer);
                    Some(reader)
                }
            };
            state.terminal = Some((stdin, stdout.child));
        } else {
            let stdin = match stdin {
                None => open::null(OFlag::O_RDONLY)?,
                Some(Input::Direct(reader)) => reader,
                Some(Input::Fifo { reader, writer }) => {
                    state.stdin_writer = Some(writer);
                    streams.copy_input(reader, owner)?
                }
            };
            state.child = Some([stdin, stdout.child, stderr.child]);
        }
        drop(state);
        Ok(streams)
    }

    /// Both outputs. A file or a logger that is named for standard output alone is for both.
    fn open_outputs(
        &mut self,
        stdio: &Stdio<'_>,
        owner: Owner,
        context: Context<'_>,
    ) -> Result<[Output; 2]> {
        let stdout = Target::parse("stdout", stdio.stdout)?;
        let mut stderr = Target::parse("stderr", stdio.stderr)?;
        let is_log = matches!(stdout, Target::File(_) | Target::Binary { .. });
        if stdio.terminal {
            stderr = Target::Null;
        } else if stderr == Target::Null && is_log {
            stderr = stdout.clone();
        }
        let mut logged = [None, None];
        if let Some(Target::Binary { program, arguments }) =
            [&stdout, &stderr].into_iter().find(|target| matches!(target, Target::Binary { .. }))
        {
            let (logger, ends) =
                Logger::start(program, arguments, context, &self.progress, logger::READY)?;
            self.logger = Some(logger);
            logged = ends.map(Some);
        }
        if let (Target::Binary { .. }, Target::Binary { .. }) = (&stdout, &stderr)
            && stdout != stderr
        {
            return Err(Error::new(Kind::Unsupported, "two loggers for one process")
                .hint("give stdout and stderr the same binary:// URI, it reads both"));
        }
        let [out, err] = logged;
        let open = |field: &str, target: &Target, end: Option<OwnedFd>| match target {
            Target::Null => Ok(Output { child: open::null(OFlag::O_WRONLY)?, held: None }),
            Target::Path(path) => open::output(field, path, owner),
            Target::File(path) => open::file(field, path),
            Target::Binary { .. } => {
                let child =
                    end.ok_or_else(|| Error::new(Kind::Internal, "a logger's pipe twice"))?;
                owner.take(&child)?;
                Ok(Output { child, held: None })
            }
        };
        Ok([open("stdout", &stdout, out)?, open("stderr", &stderr, err)?])
    }

    /// Copies the fifo `reader` into a pipe, whose reading end is the child's.
    fn copy_input(&self, reader: OwnedFd, owner: Owner) -> Result<OwnedFd> {
        let (child, writer) = open::pipe()?;
        owner.take(&child)?;
        open::set_nonblocking(&writer, true)?;
        let (token, copy) = (self.copying, Copy::new(reader, writer));
        self.events.submit(move |reactor| reactor.add_as(token, Box::new(copy)));
        Ok(child)
    }

    /// Standard input, output and error for the child, once; none with a terminal. They are to be closed here as soon as the
    /// child has them: open, they keep readers from their end of file.
    pub fn take_child_ends(&self) -> Option<[OwnedFd; 3]> {
        self.lock().child.take()
    }

    /// Copies between the fifos and the terminal whose master this is, from now on.
    ///
    /// # Errors
    /// [`Kind::State`] when none was asked for, or it is there already; [`Kind::Kernel`] for what is no master.
    pub fn attach_master(&self, master: OwnedFd) -> Result<()> {
        let twice = || {
            Error::new(Kind::State, "no terminal is awaited")
                .hint("set `terminal`, and attach it once")
        };
        let (stdin, stdout) = self.lock().terminal.take().ok_or_else(twice)?;
        open::set_nonblocking(&master, true)?;
        let peer = tty::open_peer(master.as_raw_fd()).context(|| "open the pty's other end")?;
        self.progress.copies(master.try_clone()?);
        let (progress, lingering) = (Arc::clone(&self.progress), Arc::clone(&self.lingering));
        let held = std::mem::take(&mut self.lock().held);
        let attached = Arc::clone(&self.progress);
        let then = Arc::clone(&self.then);
        let on_end = move |reactor: &mut crate::watch::Reactor| {
            linger::close_when_read(held, lingering, then, linger::FIRST_LOOK, reactor);
            progress.copied();
        };
        let ends = Ends { master, peer: peer.into(), stdin, stdout };
        let terminal = Terminal::new(ends, Box::new(on_end));
        let token = self.copying;
        self.events.submit(move |reactor| {
            reactor.add_as(token, Box::new(terminal));
            // If it ends later, its order comes later.
            if attached.has_ended() {
                reactor.close(token);
            }
        });
        Ok(())
    }

    /// Gives the terminal a size, in characters.
    ///
    /// # Errors
    /// [`Kind::State`] without a terminal.
    pub fn resize(&self, width: u16, height: u16) -> Result<()> {
        let size = tty::Size { rows: height, columns: width };
        self.progress
            .with_master(|master| Ok(tty::resize(master.as_raw_fd(), size)?))
            .context(|| format!("resize to {width}x{height}"))
    }

    /// CloseIO: what is written arrives, and when the engine has closed its end, that is the end of standard input.
    pub fn close_stdin(&self) {
        self.lock().stdin_writer = None;
    }

    /// The process has ended: its last output is copied, and what the shim held open is closed. `then` is called on the
    /// loop's thread when the output has been read, or a moment later if nobody reads.
    pub fn ended(&self, then: impl FnOnce() + Send + 'static) {
        if !self.progress.end() {
            return;
        }
        let mut state = self.lock();
        state.stdin_writer = None;
        let held = std::mem::take(&mut state.held);
        drop(state);
        if let Some(logger) = &self.logger {
            logger.release();
        }
        let (token, lingering) = (self.copying, Arc::clone(&self.lingering));
        let (progress, slot) = (Arc::clone(&self.progress), Arc::clone(&self.then));
        self.events.submit(move |reactor| {
            let copies = progress.is_copying();
            let then = move || {
                progress.close();
                then();
            };
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(then));
            reactor.close(token);
            if copies {
                // The terminal calls it when it is through; an engine that does not read is not waited for.
                reactor.after(linger::TOO_LONG, move |_| linger::call(&slot));
            } else {
                linger::close_when_read(held, lingering, slot, linger::FIRST_LOOK, reactor);
            }
        });
    }

    /// Waits until [`Streams::ended`] was called and the last output is with the engine's fifos, or with a logger that has
    /// finished. False when it is not by then; dropping the streams then closes them all the same.
    #[must_use]
    pub fn wait_drained(&self, timeout: Duration) -> bool {
        self.progress.wait_drained(timeout)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        let token = self.copying;
        self.events.submit(move |reactor| reactor.remove(token));
    }
}

fn unusable_stdin(text: &str) -> Error {
    Error::new(Kind::Unsupported, format!("stdin {text:?}: nothing can be read from there"))
        .hint("give a fifo's path")
}
