//! CRIU (Checkpoint/Restore In Userspace) does the freezing, the pages and the sockets; this is how it is asked.
//!
//! ```text
//!  rrun                                        criu swrk FD
//!  VERSION, FEATURE_CHECK  ──────────────────►
//!  DUMP or RESTORE         ──────────────────►
//!                          ◄────────────────── NOTIFY setup-namespaces, post-restore, orphan-pts-master, …
//!  what is ours to do, NOTIFY ───────────────►
//!                          ◄────────────────── success, or not
//! ```
//! It knows CRIU's messages. It refuses to know containers.
//!
//! Messages and not a command line, because three things go no other way: the master of a restored terminal (a
//! descriptor), the moment between the namespaces and the processes at which hooks run, and the restored process as a
//! child of ours, whose end we can wait for. There are forty fields, written by hand ([`message`]): a library for them would
//! weigh more than all of this.
//!
//! What a newcomer would get wrong: descriptors for directories are named by *our* numbers, CRIU opens them below our
//! /proc; those it shall use as they are must be handed on by the same number. And a directory is one of the mount
//! namespace it was opened in: CRIU mounts below its working directory, so that must be of CRIU's own.

pub mod message;
pub mod mounts;
pub mod options;
mod said;

use super::hooks::{memory_file, read_back};
use crate::error::{Error, Kind, Result, ResultExt};
use message::{Message, Value, last, read};
use mounts::OwnMounts;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use rrun_sys::{rights, signal};
use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The oldest that is asked: with it came profiles other than the recorded ones, the last thing that older ones do wrong
/// without a word.
const OLDEST: (i32, i32) = (3, 16);

/// Longer than any answer: these have a version's name or a line of text at most.
const LONGEST: usize = 40 * 1024;

/// `criu_req_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Dump = 1,
    Restore = 2,
    PreDump = 4,
    Notify = 6,
    FeatureCheck = 9,
    Version = 10,
}

/// What CRIU shall do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Write images.
    Dump,
    /// Write memory, and let everything go on.
    PreDump,
    /// Read images.
    Restore,
}

impl Task {
    fn kind(self) -> Type {
        match self {
            Self::Dump => Type::Dump,
            Self::PreDump => Type::PreDump,
            Self::Restore => Type::Restore,
        }
    }
}

/// Something that a kernel or a CRIU may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// Telling which pages were written to since.
    MemoryTracking = 1,
    /// Handing over pages when they are touched.
    LazyPages = 2,
}

/// The program.
#[derive(Debug, Clone)]
pub struct Criu {
    program: PathBuf,
}

/// What CRIU tells meanwhile.
#[derive(Debug)]
pub struct Notice {
    /// What has come: `setup-namespaces`, `post-restore`, `orphan-pts-master`, …
    pub script: String,
    /// The first process, where there is one.
    pub pid: Option<i32>,
    /// What came with it.
    pub descriptor: Option<OwnedFd>,
}

/// What CRIU is asked.
pub struct Call<'a> {
    /// What shall be done.
    pub task: Task,
    /// In the words of an error: `checkpoint web`.
    pub what: &'a str,
    /// `criu_opts`.
    pub options: &'a Message,
    /// What must be there for it.
    pub features: &'a [Feature],
    /// Standard streams of CRIU, which restored processes may take over; /dev/null without.
    pub streams: Option<[BorrowedFd<'a>; 3]>,
    /// Where CRIU runs; with us without.
    pub mounts: Option<&'a OwnMounts>,
    /// Namespaces that it takes over by their numbers; two at most.
    pub kept: &'a [OwnedFd],
    /// Where it logs.
    pub log: &'a Path,
}

impl Criu {
    /// The one at `given`, or the first on `path` (`PATH`).
    ///
    /// # Errors
    /// [`Kind::NotFound`] without one.
    pub fn find(given: Option<&Path>, path: Option<&std::ffi::OsStr>) -> Result<Self> {
        if let Some(program) = given {
            return Ok(Self { program: program.to_owned() });
        }
        let mut places = path.map(std::env::split_paths).into_iter().flatten();
        match places.find_map(|at| Some(at.join("criu")).filter(|program| program.is_file())) {
            Some(program) => Ok(Self { program }),
            None => Err(Error::new(
                Kind::NotFound,
                "checkpoint and restore need criu, which is not on PATH",
            )
            .hint("install the package criu, or name the program: rrun --criu PATH …")),
        }
    }

    /// Has it do what `call` says. `listen` is told what happens meanwhile, and may end it by an error.
    ///
    /// # Errors
    /// That of `listen`, or what CRIU said.
    pub fn perform(
        &self,
        call: &Call<'_>,
        listen: &mut dyn FnMut(Notice) -> Result<()>,
    ) -> Result<()> {
        let mut said = memory_file("")?;
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        let mut child = self.start(call, &theirs, &said)?;
        drop(theirs);
        let answer = converse(&ours, call, listen);
        // It ends when it has nobody to listen to; a restored container stays.
        drop(ours);
        child.wait().context(|| "wait for criu")?;
        match answer {
            Ok(Answer::Done) => Ok(()),
            Ok(Answer::Failed(reason)) => {
                Err(said::failure(call.what, reason, call.log, &read_back(&mut said, 0)))
            }
            Err(error) => Err(error),
        }
    }

    fn start(&self, call: &Call<'_>, socket: &OwnedFd, said: &File) -> Result<Child> {
        let mut command = Command::new(&self.program);
        command.arg("swrk").arg(socket.as_raw_fd().to_string()).current_dir("/");
        match call.streams {
            Some([input, output, errors]) => {
                let own = |stream: BorrowedFd<'_>| stream.try_clone_to_owned();
                let streams = (own(input), own(output), own(errors));
                let (Ok(input), Ok(output), Ok(errors)) = streams else {
                    return Err(Error::new(Kind::Kernel, "duplicate a stream for criu"));
                };
                command.stdin(input).stdout(output).stderr(errors);
            }
            None => {
                command.stdin(Stdio::null()).stdout(Stdio::null());
                command.stderr(said.try_clone().context(|| "duplicate a file for criu")?);
            }
        }
        // Without others, the socket more than once.
        let mut handed = [socket.as_raw_fd(); 3];
        for (place, kept) in handed.iter_mut().skip(1).zip(call.kept) {
            *place = kept.as_raw_fd();
        }
        signal::start_clean_with(&mut command, handed);
        let spawn = |mut command: Command| {
            command.spawn().map_err(|error| {
                Error::from(error)
                    .context(format!("start {}", self.program.display()))
                    .hint("install the package criu, or name the program: rrun --criu PATH …")
            })
        };
        match call.mounts {
            None => spawn(command),
            Some(own) => own.within(|| spawn(command)),
        }
    }
}

/// How it ended.
enum Answer {
    Done,
    Failed(Option<String>),
}

fn converse(
    socket: &OwnedFd,
    call: &Call<'_>,
    listen: &mut dyn FnMut(Notice) -> Result<()>,
) -> Result<Answer> {
    if let Some(failed) = check(socket, call)? {
        return Ok(failed);
    }
    let mut request = Message::default();
    request.number(1, call.task.kind() as i64).message(2, call.options);
    send(socket, &request)?;
    let mut refused = None;
    loop {
        let Some(reply) = Reply::receive(socket)? else {
            return refused.map_or(Ok(Answer::Failed(None)), Err);
        };
        if reply.kind != Type::Notify as i32 {
            return match (refused, reply.success) {
                (Some(error), _) => Err(error),
                (None, true) => Ok(Answer::Done),
                (None, false) => Ok(Answer::Failed(reply.reason)),
            };
        }
        let notice = reply.notice.ok_or_else(|| strange("a notification without a name"))?;
        let heard = if refused.is_none() { listen(notice) } else { Ok(()) };
        if let Err(error) = heard {
            refused = Some(error);
        }
        let mut thanks = Message::default();
        thanks.number(1, Type::Notify as i64).number(3, i64::from(refused.is_none()));
        // It may have ended; what it said last is still to be read.
        send(socket, &thanks).ok();
    }
}

/// Whether it is new enough, and has what is needed.
fn check(socket: &OwnedFd, call: &Call<'_>) -> Result<Option<Answer>> {
    let mut request = Message::default();
    request.number(1, Type::Version as i64).number(4, 1);
    send(socket, &request)?;
    let Some(reply) = Reply::receive(socket)? else { return Ok(Some(Answer::Failed(None))) };
    let version = reply.version.unwrap_or_default();
    if version < OLDEST {
        let ((major, minor), (old, older)) = (version, OLDEST);
        return Err(Error::new(Kind::Unsupported, format!("criu {major}.{minor} is too old"))
            .hint(format!("install criu {old}.{older} or later")));
    }
    for feature in call.features {
        let mut asked = Message::default();
        asked.number(*feature as u32, 1);
        let mut request = Message::default();
        request.number(1, Type::FeatureCheck as i64).number(4, 1).message(5, &asked);
        send(socket, &request)?;
        let Some(reply) = Reply::receive(socket)? else { return Ok(Some(Answer::Failed(None))) };
        if reply.features.is_none_or(|has| !has.contains(feature)) {
            let (problem, hint) = match feature {
                Feature::MemoryTracking => (
                    "this kernel does not tell which memory was written to",
                    "leave --pre-dump and --parent-path away, or use a kernel with CONFIG_MEM_SOFT_DIRTY",
                ),
                Feature::LazyPages => (
                    "this kernel does not hand over memory when it is touched",
                    "leave --lazy-pages away, or use a kernel with CONFIG_USERFAULTFD",
                ),
            };
            return Err(Error::new(Kind::Host, problem).hint(hint));
        }
    }
    Ok(None)
}

/// `criu_resp`.
struct Reply {
    kind: i32,
    success: bool,
    reason: Option<String>,
    notice: Option<Notice>,
    version: Option<(i32, i32)>,
    features: Option<Vec<Feature>>,
}

impl Reply {
    /// The next; `None` when CRIU has ended.
    fn receive(socket: &OwnedFd) -> Result<Option<Self>> {
        let mut bytes = vec![0; LONGEST];
        let received = match rights::receive_waiting(socket.as_raw_fd(), &mut bytes) {
            Ok(received) => received,
            Err(rrun_sys::Errno(libc::ECONNRESET)) => return Ok(None),
            Err(errno) => return Err(Error::kernel("recvmsg from criu", errno.0)),
        };
        let descriptor = received.descriptor.map(OwnedFd::from);
        if received.length == 0 {
            return Ok(None);
        }
        let bytes = bytes.get(..received.length).filter(|_| !received.cut);
        let fields = bytes.and_then(read).ok_or_else(|| strange("what is no message of its"))?;
        let inner = |field| last(&fields, field).and_then(Value::bytes).and_then(read);
        let int = |field| last(&fields, field).and_then(Value::int);
        let errno = int(7).filter(|errno| *errno != 0).map(crate::error::describe_errno);
        Ok(Some(Self {
            kind: int(1).unwrap_or_default(),
            success: int(2) == Some(1),
            reason: last(&fields, 9).and_then(Value::text).or(errno),
            notice: inner(5).map(|notice| Notice {
                script: last(&notice, 1).and_then(Value::text).unwrap_or_default(),
                pid: last(&notice, 2).and_then(Value::int),
                descriptor,
            }),
            version: inner(10).map(|version| {
                let number = |field| last(&version, field).and_then(Value::int).unwrap_or_default();
                (number(1), number(2))
            }),
            features: inner(8).map(|features| {
                let has =
                    |one: Feature| last(&features, one as u32).and_then(Value::int) == Some(1);
                [Feature::MemoryTracking, Feature::LazyPages]
                    .into_iter()
                    .filter(|one| has(*one))
                    .collect()
            }),
        }))
    }
}

fn send(socket: &OwnedFd, message: &Message) -> Result<()> {
    rights::send(socket.as_raw_fd(), message.as_bytes(), None)
        .map_err(|errno| Error::kernel("sendmsg to criu", errno.0))
}

fn strange(what: &str) -> Error {
    Error::new(Kind::Kernel, format!("criu sent {what}"))
}
