//! A socket of rtnetlink(7), through which network devices are asked about and moved.
//!
//! It knows the socket; it refuses to know messages, which are bytes for read(2) and write(2).
//! What a newcomer would get wrong: a socket belongs to the network namespace it was made in for as long as it is open, and
//! keeps that namespace alive, whoever else has left it.

use crate::{Errno, NewFd, Result, fd::Fd};

/// netlink(7): options of a socket. The second saves the echo of the request in each refusal, the first adds words to it.
const EXT_ACK: i32 = 11;
const CAP_ACK: i32 = 10;

/// Opens one in the calling thread's network namespace; a refusal will come with the kernel's words for it.
///
/// # Errors
/// As socket(2) and setsockopt(2).
pub fn open() -> Result<NewFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers.
    let answer =
        unsafe { libc::syscall(libc::SYS_socket, libc::AF_NETLINK, kind, libc::NETLINK_ROUTE) };
    let socket = NewFd(Errno::check(answer)? as Fd);
    let outcome = [CAP_ACK, EXT_ACK].into_iter().try_for_each(|option| set(socket.0, option));
    socket.closed_on_failure(outcome)
}

fn set(socket: Fd, option: i32) -> Result<()> {
    let on: i32 = 1;
    let size = core::mem::size_of::<i32>();
    // SAFETY: `on` is live, as large as said, and only read.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_setsockopt,
            socket,
            libc::SOL_NETLINK,
            option,
            core::ptr::from_ref(&on),
            size,
        )
    };
    Errno::check(answer).map(drop)
}
