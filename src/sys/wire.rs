//! The frames between parent and child: 16 bytes each, on a sequenced-packet socket.
//!
//! ```text
//!  child  ── Reached(checkpoint) ──►  parent        and waits for
//!  child  ◄── Proceed ──────────────  parent        (which may be sent ahead)
//!  child  ── Console + descriptor ─►  parent
//!  child  ── Hopped + pidfd ───────►  parent        the second clone of a joined user namespace
//!  child  ── Starting ─────────────►  parent        execve is next; then end of file: it succeeded
//!  child  ── Failed{step,call,errno} ► parent       instead of any of these
//! ```
//! What a newcomer would get wrong: end of file *without* `Starting` is a child that was killed, not a success.

use crate::rights::receive_waiting;
use crate::{Errno, Fd, NewFd, Result};

/// What a frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Tag {
    /// The child stands at a checkpoint (its number in `call`).
    Reached = 1,
    /// It may go on.
    Proceed = 2,
    /// A step failed.
    Failed = 3,
    /// A pty master comes along; its number in `detail`.
    Console = 4,
    /// A pidfd comes along.
    Hopped = 5,
    /// execve is next.
    Starting = 6,
}

/// One frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// What it says.
    pub tag: Tag,
    /// The step it is about.
    pub step: u16,
    /// A checkpoint's or a call's number.
    pub call: u16,
    /// A failed call's errno.
    pub errno: i32,
    /// Which of several (a parameter's index), a hook's exit status, a pty's number.
    pub detail: u32,
}

/// A frame's size on the wire.
pub const FRAME_SIZE: usize = 16;

impl Frame {
    /// A frame that says only this.
    #[must_use]
    pub const fn new(tag: Tag) -> Self {
        Self { tag, step: 0, call: 0, errno: 0, detail: 0 }
    }

    /// As bytes, native order: both ends are one program on one machine.
    #[must_use]
    pub fn to_bytes(self) -> [u8; FRAME_SIZE] {
        let mut bytes = [0; FRAME_SIZE];
        let parts = [
            &(self.tag as u16).to_ne_bytes()[..],
            &self.step.to_ne_bytes(),
            &self.call.to_ne_bytes(),
            &[0; 2],
            &self.errno.to_ne_bytes(),
            &self.detail.to_ne_bytes(),
        ];
        let all = parts.into_iter().flatten();
        for (place, byte) in bytes.iter_mut().zip(all) {
            *place = *byte;
        }
        bytes
    }

    /// Back from bytes; `None` for an unknown tag.
    #[must_use]
    pub fn from_bytes(bytes: [u8; FRAME_SIZE]) -> Option<Self> {
        let [t0, t1, s0, s1, c0, c1, _, _, e0, e1, e2, e3, d0, d1, d2, d3] = bytes;
        let tag = match u16::from_ne_bytes([t0, t1]) {
            1 => Tag::Reached,
            2 => Tag::Proceed,
            3 => Tag::Failed,
            4 => Tag::Console,
            5 => Tag::Hopped,
            6 => Tag::Starting,
            _ => return None,
        };
        Some(Self {
            tag,
            step: u16::from_ne_bytes([s0, s1]),
            call: u16::from_ne_bytes([c0, c1]),
            errno: i32::from_ne_bytes([e0, e1, e2, e3]),
            detail: u32::from_ne_bytes([d0, d1, d2, d3]),
        })
    }
}

/// The next frame, and the descriptor that came with it. `None` is end of file.
///
/// # Errors
/// As recvmsg(2); EPROTO for bytes that are no frame.
pub fn receive(socket: Fd) -> Result<Option<(Frame, Option<NewFd>)>> {
    let mut bytes = [0; FRAME_SIZE];
    let received = match receive_waiting(socket, &mut bytes) {
        // The other end is gone and has not read our last frame. The kernel says so once, before it hands out what
        // the other end had sent: a child that failed while leave to proceed was on its way.
        Err(Errno(libc::ECONNRESET)) => receive_waiting(socket, &mut bytes)?,
        other => other?,
    };
    match (received.length, Frame::from_bytes(bytes)) {
        (0, _) => Ok(None),
        (FRAME_SIZE, Some(frame)) => Ok(Some((frame, received.descriptor))),
        _ => Err(Errno(libc::EPROTO)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rights::send;

    #[test]
    fn frames_come_back_as_they_were_sent() {
        let frame = Frame { tag: Tag::Failed, step: 513, call: 7, errno: 13, detail: 0xdead_beef };
        assert_eq!(Frame::from_bytes(frame.to_bytes()), Some(frame));
        assert_eq!(Frame::from_bytes([0xff; FRAME_SIZE]), None);
    }

    #[test]
    fn last_words_are_heard_although_the_speaker_did_not_listen() {
        let mut ends = [-1; 2];
        // SAFETY: room for two descriptors.
        let made =
            unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0, ends.as_mut_ptr()) };
        assert_eq!(made, 0);
        let [ours, theirs] = ends;
        let failed = Frame { errno: 13, ..Frame::new(Tag::Failed) };
        send(ours, &Frame::new(Tag::Proceed).to_bytes(), None).expect("a pair");
        send(theirs, &failed.to_bytes(), None).expect("a pair");
        crate::path::close(theirs);
        let hear = || receive(ours).map(|heard| heard.map(|(frame, _)| frame));
        assert_eq!(hear(), Ok(Some(failed)));
        assert_eq!(hear(), Ok(None));
        crate::path::close(ours);
    }
}
