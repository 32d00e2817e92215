//! sendmsg(2) and recvmsg(2) of one message with at most one descriptor: what we hand on, and what a stranger may hand us.
//!
//! It refuses to know what the bytes mean. What a newcomer would get wrong: room for a control message is rounded up to
//! eight bytes, so the usual buffer for one descriptor takes *two*, and the second, which nobody looks for, stays open
//! for good. The length given to the kernel here is exact; it closes what does not fit.

use crate::{Errno, Fd, NewFd, Result};
use core::mem::{MaybeUninit, size_of};

/// A message.
#[derive(Debug)]
pub struct Received {
    /// Its bytes, in the buffer given. 0 is an empty datagram, or the end of a connection.
    pub length: usize,
    /// It was longer than the buffer; the rest is lost.
    pub cut: bool,
    /// The descriptor that came with it, close-on-exec.
    pub descriptor: Option<NewFd>,
}

/// Room for one descriptor's control message, aligned as the kernel wants it.
#[repr(C, align(8))]
struct Control([u8; 24]);

/// Receives one message, without waiting.
///
/// # Errors
/// EAGAIN when there is none; else as recvmsg(2).
pub fn receive(socket: Fd, bytes: &mut [u8]) -> Result<Received> {
    receive_with(socket, bytes, libc::MSG_DONTWAIT)
}

/// Receives one message, and waits for it.
///
/// # Errors
/// As recvmsg(2); EINTR is retried.
pub fn receive_waiting(socket: Fd, bytes: &mut [u8]) -> Result<Received> {
    loop {
        match receive_with(socket, bytes, 0) {
            Err(Errno(libc::EINTR)) => {}
            other => return other,
        }
    }
}

fn receive_with(socket: Fd, bytes: &mut [u8], flags: i32) -> Result<Received> {
    let mut control = Control([0; 24]);
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: null pointers and zero lengths are a valid msghdr.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    // SAFETY: CMSG_LEN only computes a size: 20, which is less than the 24 of `Control`.
    message.msg_controllen = unsafe { libc::CMSG_LEN(size_of::<Fd>() as u32) } as _;
    let flags = libc::MSG_CMSG_CLOEXEC | flags;
    // SAFETY: `message` and the two buffers it points to are live and as long as it says.
    let answer = unsafe { libc::recvmsg(socket, &raw mut message, flags) };
    let length = Errno::check(answer as libc::c_long)? as usize;
    // SAFETY: the kernel left a valid control buffer in `message`; the answer is null when it is empty.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message).as_ref() };
    let descriptor = header
        .filter(|header| {
            header.cmsg_level == libc::SOL_SOCKET && header.cmsg_type == libc::SCM_RIGHTS
        })
        .map(|header| {
            // SAFETY: a control message with rights holds at least one descriptor, here within the 20 bytes given.
            NewFd(unsafe { libc::CMSG_DATA(header).cast::<Fd>().read_unaligned() })
        });
    Ok(Received { length, cut: message.msg_flags & libc::MSG_TRUNC != 0, descriptor })
}

/// Sends `bytes`, and a descriptor with them, as one message.
///
/// # Errors
/// As sendmsg(2); EPIPE (never the signal) when the other end is gone.
pub fn send(socket: Fd, bytes: &[u8], descriptor: Option<Fd>) -> Result<()> {
    let mut control = Control([0; 24]);
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
        // SAFETY: `control` is 8-aligned and has the 24 bytes of a header with one descriptor.
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
