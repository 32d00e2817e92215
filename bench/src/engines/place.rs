//! Where a container of a shim lives: a bundle as containerd makes it, its fifos, and who hears the shims' events.
//!
//! What a newcomer would get wrong: a fifo that has no reader stops who opens it for writing, and one whose last writer
//! has gone is at its end for good. So ours are held open for both, and never end.

use crate::process::{PATIENCE, Wrong, mark, now};
use crate::programs::Programs;
use crate::room;
use crate::scene::{self, Life, Seccomp};
use containerd_shim_protos::api;
use containerd_shim_protos::shim::events::ForwardRequest;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::Value;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What a payload writes.
const WORDS: usize = 24;

/// A bundle and its fifos.
#[derive(Debug)]
pub struct Place {
    /// The directory.
    pub bundle: PathBuf,
    /// Its container's standard output.
    pub stdout: PathBuf,
    /// And error: containerd's shim wants both.
    pub stderr: PathBuf,
    reader: File,
    /// Held open, so that the shim that opens them goes on.
    others: [File; 2],
}

impl Place {
    /// A new one in the room, called `name`, like the cgroup of its container.
    ///
    /// # Errors
    /// [`Wrong::Failed`]: a file can't be made.
    pub fn new(
        programs: &Programs,
        name: &str,
        seccomp: Seccomp,
        life: Life,
    ) -> Result<Self, Wrong> {
        let bundle = scene::bundle(programs, name, seccomp, life);
        let [stdout, stderr] = ["stdout", "stderr"].map(|name| bundle.join(name));
        let (reader, others) = (fifo(&stdout)?, [fifo(&stderr)?, fifo(&bundle.join("log"))?]);
        Ok(Self { bundle, stdout, stderr, reader, others })
    }

    /// Changes the configuration.
    ///
    /// # Errors
    /// [`Wrong::Failed`]: it can't be read or written.
    pub fn edit(&self, edit: impl FnOnce(&mut Value)) -> Result<(), Wrong> {
        let file = self.bundle.join("config.json");
        let told = |why: String| Wrong::Failed(format!("{}: {why}", file.display()));
        let text = fs::read_to_string(&file).map_err(|why| told(why.to_string()))?;
        let mut config = serde_json::from_str(&text).map_err(|why| told(why.to_string()))?;
        edit(&mut config);
        fs::write(&file, config.to_string()).map_err(|why| told(why.to_string()))
    }

    /// When the payload's first instruction ran, as it says itself; it was asked for at `asked`.
    ///
    /// # Errors
    /// [`Wrong::Failed`]: it says nothing, or no time, or one that can't be.
    pub fn first_instruction(&mut self, asked: Duration) -> Result<Duration, Wrong> {
        let (mut said, deadline) = (Vec::new(), now() + PATIENCE);
        while said.len() < WORDS {
            if now() > deadline {
                return Err(Wrong::Failed(format!("the payload said {} bytes", said.len())));
            }
            let mut waiting = [PollFd::new(self.reader.as_fd(), PollFlags::POLLIN)];
            // An interruption is one more turn.
            poll(&mut waiting, PollTimeout::from(100_u8)).ok();
            let mut bytes = [0; WORDS];
            if let Ok(count) = self.reader.read(&mut bytes) {
                said.extend_from_slice(&bytes[..count]);
            }
        }
        let (time, _counter) = mark(&said)
            .ok_or_else(|| Wrong::Failed(format!("the payload's words are no time: {said:?}")))?;
        if time < asked || time > now() {
            return Err(Wrong::Failed(format!(
                "the payload says {time:?}; it was asked at {asked:?}"
            )));
        }
        Ok(time)
    }

    /// The same as soon as something is said, and after this time at the latest.
    pub fn drain_within(&self, pause: Duration) {
        let files = [&self.reader].into_iter().chain(&self.others);
        let mut fds: Vec<_> =
            files.map(|file| PollFd::new(file.as_fd(), PollFlags::POLLIN)).collect();
        let timeout = PollTimeout::try_from(pause).unwrap_or(PollTimeout::MAX);
        // Interrupted, it drains early.
        poll(&mut fds, timeout).ok();
        self.drain();
    }

    /// Throws away what was said: a full fifo would stop who writes.
    pub fn drain(&self) {
        let mut bytes = [0; 4096];
        for mut file in [&self.reader].into_iter().chain(&self.others) {
            while matches!(file.read(&mut bytes), Ok(1..)) {}
        }
    }
}

fn fifo(at: &Path) -> Result<File, Wrong> {
    let told = |why: &dyn std::fmt::Display| Wrong::Failed(format!("{}: {why}", at.display()));
    if !at.exists() {
        mkfifo(at, Mode::S_IRWXU).map_err(|why| told(&why))?;
    }
    let mut options = File::options();
    let opened = options.read(true).write(true).custom_flags(libc::O_NONBLOCK).open(at);
    opened.map_err(|why| told(&why))
}

/// Hears events as containerd does, and forgets them.
pub struct Ears {
    server: Option<ttrpc::Server>,
}

struct Deaf;

impl containerd_shim_protos::Events for Deaf {
    fn forward(&self, _: &ttrpc::TtrpcContext, _: ForwardRequest) -> ttrpc::Result<api::Empty> {
        Ok(api::Empty::new())
    }
}

impl Ears {
    /// Listens in the room.
    ///
    /// # Errors
    /// [`Wrong::Failed`]: it can't.
    pub fn open() -> Result<Self, Wrong> {
        let told = |why: ttrpc::Error| Wrong::Failed(format!("listen for events: {why}"));
        fs::create_dir_all(room::directory())
            .map_err(|why| Wrong::Failed(format!("make the room's directory: {why}")))?;
        let methods = containerd_shim_protos::create_events(Arc::new(Deaf));
        let server = ttrpc::Server::new().bind(&format!("unix://{}", Self::socket().display()));
        let mut server = server.map_err(told)?.register_service(methods);
        server.start().map_err(told)?;
        Ok(Self { server: Some(server) })
    }

    /// Where.
    #[must_use]
    pub fn socket() -> PathBuf {
        room::directory().join("events")
    }
}

impl std::fmt::Debug for Ears {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Ears").finish_non_exhaustive()
    }
}

impl Drop for Ears {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.shutdown();
        }
    }
}
