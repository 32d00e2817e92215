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
use core::mem::MaybeUninit;

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

/// Room for one descriptor's control message, aligned as the kernel wants it.
#[repr(C, align(8))]
struct Control([u8; 32]);

/// Sends `bytes`, and a descriptor with them, as one message.
///
/// # Errors
/// As sendmsg(2); EPIPE (never the signal) when the other end is gone.
pub fn send(socket: Fd, bytes: &[u8], descriptor: Option<Fd>) -> Result<()> {
    let mut control = Control([0; 32]);
    let mut iov = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: all-zero bytes are a valid msghdr: null pointers and zero lengths.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = &raw mut iov;
    message.msg_iovlen = 1;
    if let Some(fd) = descriptor {
        // SAFETY: CMSG_SPACE and CMSG_LEN only compute sizes.
        let (space, length) = unsafe { (libc::CMSG_SPACE(4), libc::CMSG_LEN(4)) };
        message.msg_control = (&raw mut control).cast();
        message.msg_controllen = space as _;
        // SAFETY: `control` is 8-aligned and 32 bytes, more than the 24 of a header with one descriptor.
        unsafe {
            let header = (&raw mut control).cast::<libc::cmsghdr>();
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = length as _;
            libc::CMSG_DATA(header).cast::<Fd>().write_unaligned(fd);
        }
    }
    loop {
        // SAFETY: `message` and what it points to live through the call, which only reads them.
        let answer = unsafe {
            libc::syscall(libc::SYS_sendmsg, socket, &raw const message, libc::MSG_NOSIGNAL)
        };
        match Errno::check(answer) {
            Err(Errno(libc::EINTR)) => {}
            other => return other.map(drop),
        }
    }
}

/// The next frame, and the descriptor that came with it. `None` is end of file.
///
/// # Errors
/// As recvmsg(2); EPROTO for bytes that are no frame.
pub fn receive(socket: Fd) -> Result<Option<(Frame, Option<NewFd>)>> {
    let mut bytes = [0; FRAME_SIZE];
    let received = match receive_waiting(socket, &mut bytes) {
        // Told once, and before what is still in the queue: the other end is gone without having read all we sent, as a
        // child that fails after leave to proceed was given ahead. Its last words follow.
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

    #[test]
    fn last_words_are_heard_of_one_that_left_without_listening() {
        let mut ends = [0; 2];
        // SAFETY: the kernel writes two descriptors into `ends`.
        let made =
            unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0, ends.as_mut_ptr()) };
        assert_eq!(made, 0);
        let [ours, theirs] = ends;
        let words = Frame::new(Tag::Failed);
        send(ours, &Frame::new(Tag::Proceed).to_bytes(), None).unwrap();
        send(theirs, &words.to_bytes(), None).unwrap();
        crate::path::close(theirs);
        let heard = || receive(ours).unwrap().map(|(frame, _)| frame);
        assert_eq!((heard(), heard()), (Some(words), None));
        crate::path::close(ours);
    }

    #[test]
    fn frames_come_back_as_they_were_sent() {
        let frame = Frame { tag: Tag::Failed, step: 513, call: 7, errno: 13, detail: 0xdead_beef };
        assert_eq!(Frame::from_bytes(frame.to_bytes()), Some(frame));
        assert_eq!(Frame::from_bytes([0xff; FRAME_SIZE]), None);
    }
}
