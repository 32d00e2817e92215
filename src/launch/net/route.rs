//! A conversation with rtnetlink in one network namespace.
//!
//! It knows questions and their answers' ends. It refuses to know devices.
//! What a newcomer would get wrong: a list that changed while the kernel wrote it down is marked, and has to be asked for
//! again.

use super::message::{Message, attributes, i32_at, parts, text};
use crate::error::{Error, Result, ResultExt, describe_errno};
use rrun_sys::{ns, route};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};

pub const REQUEST: u16 = 0x1;
pub const ACK: u16 = 0x4;
pub const DUMP: u16 = 0x300;
pub const REPLACE: u16 = 0x100;
pub const CREATE: u16 = 0x400;

/// `NLM_F_DUMP_INTR` of an answer.
const INTERRUPTED: u16 = 0x10;
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// `NLMSGERR_ATTR_MSG`.
const WORDS: u16 = 1;

/// More than the kernel puts into one read(2).
const BUFFER: usize = 1 << 16;

/// A socket.
#[derive(Debug)]
pub struct Route {
    socket: File,
    sequence: u32,
}

/// The kernel's no, and its words for it where it has some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub errno: i32,
    pub words: String,
}

impl Refusal {
    /// As an error of `call`.
    pub fn of(self, call: impl Into<String>) -> Error {
        let call = call.into();
        let error = Error::kernel(call.clone(), self.errno);
        if self.words.is_empty() {
            return error;
        }
        let text = format!("{call}: {}: {}", describe_errno(self.errno), self.words);
        Error::new(error.kind(), text).with_call(call, self.errno)
    }
}

/// An answer's kind and body.
pub type Answer = (u16, Vec<u8>);

impl Route {
    /// In our own network namespace.
    pub fn open() -> Result<Self> {
        let socket = route::open().map(OwnedFd::from);
        let socket = socket.context(|| "open a socket of rtnetlink")?;
        Ok(Self { socket: socket.into(), sequence: 0 })
    }

    /// In that of `namespace`. This thread alone goes there, and comes back.
    pub fn open_in(namespace: &File, own: &File) -> Result<Self> {
        let kind = libc::CLONE_NEWNET.unsigned_abs();
        ns::join(namespace.as_raw_fd(), kind).context(|| "join the network namespace")?;
        let socket = Self::open();
        ns::join(own.as_raw_fd(), kind).context(|| "return to our network namespace")?;
        socket
    }

    /// Asks, and gives every answer.
    pub fn ask(&mut self, message: &Message) -> std::result::Result<Vec<Answer>, Refusal> {
        loop {
            if let Some(answers) = self.ask_once(message)? {
                return Ok(answers);
            }
        }
    }

    /// `None` for a list that changed meanwhile.
    fn ask_once(&mut self, message: &Message) -> std::result::Result<Option<Vec<Answer>>, Refusal> {
        let failed = |error: std::io::Error| Refusal {
            errno: error.raw_os_error().unwrap_or(libc::EIO),
            words: String::new(),
        };
        self.sequence = self.sequence.wrapping_add(1);
        self.socket.write_all(&message.to_bytes(self.sequence)).map_err(failed)?;
        let (mut answers, mut whole) = (Vec::new(), true);
        let mut buffer = vec![0; BUFFER];
        loop {
            let length = match self.socket.read(&mut buffer) {
                Err(error) if error.raw_os_error() == Some(libc::EINTR) => continue,
                other => other.map_err(failed)?,
            };
            let ours = parts(buffer.get(..length).unwrap_or_default());
            for part in ours.filter(|part| part.sequence == self.sequence) {
                whole &= part.flags & INTERRUPTED == 0;
                match part.kind {
                    ERROR | DONE => {
                        let errno = i32_at(part.body, 0).unwrap_or_default();
                        return match errno {
                            0 => Ok(whole.then_some(answers)),
                            _ => Err(refusal(-errno, part.kind, part.body)),
                        };
                    }
                    kind => answers.push((kind, part.body.to_vec())),
                }
            }
        }
    }
}

fn refusal(errno: i32, kind: u16, body: &[u8]) -> Refusal {
    // After the number, and in an error the header of what was asked.
    let start = if kind == ERROR { 20 } else { 4 };
    let mut said = attributes(body.get(start..).unwrap_or_default());
    let words = said.find(|(kind, _)| *kind == WORDS).map(|(_, words)| text(words));
    Refusal { errno, words: words.unwrap_or_default() }
}
