//! Namespaces: joining, leaving, and what is set inside a new one.
//!
//! What a newcomer would get wrong: setns(2) and unshare(2) of a pid namespace act on *children*, never on the caller.

use crate::{Errno, Fd, Result};

/// setns(2). `kinds` is `CLONE_NEW*`; with a pidfd several at once.
///
/// # Errors
/// As the call.
pub fn join(fd: Fd, kinds: u32) -> Result<()> {
    // SAFETY: no pointers.
    let answer = unsafe { libc::syscall(libc::SYS_setns, fd, kinds) };
    Errno::check(answer).map(drop)
}

/// unshare(2).
///
/// # Errors
/// As the call.
pub fn unshare(kinds: u32) -> Result<()> {
    // SAFETY: no pointers; the child that calls it has one thread.
    let answer = unsafe { libc::syscall(libc::SYS_unshare, kinds) };
    Errno::check(answer).map(drop)
}

/// sethostname(2).
///
/// # Errors
/// As the call.
pub fn set_hostname(name: &[u8]) -> Result<()> {
    // SAFETY: the bytes are live and as many as said, and only read.
    let answer = unsafe { libc::syscall(libc::SYS_sethostname, name.as_ptr(), name.len()) };
    Errno::check(answer).map(drop)
}

/// setdomainname(2).
///
/// # Errors
/// As the call.
pub fn set_domainname(name: &[u8]) -> Result<()> {
    // SAFETY: the bytes are live and as many as said, and only read.
    let answer = unsafe { libc::syscall(libc::SYS_setdomainname, name.as_ptr(), name.len()) };
    Errno::check(answer).map(drop)
}

/// The part of `struct ifreq` that `SIOCSIFFLAGS` reads, padded to its size (netdevice(7)).
#[repr(C)]
struct InterfaceRequest {
    name: [u8; libc::IFNAMSIZ],
    flags: i16,
    rest: [u8; 22],
}

/// Brings the loopback interface of the caller's network namespace up.
///
/// # Errors
/// As socket(2) and `SIOCSIFFLAGS`.
pub fn loopback_up() -> Result<()> {
    let (family, kind) = (libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC);
    // SAFETY: no pointers.
    let socket = Errno::check(unsafe { libc::syscall(libc::SYS_socket, family, kind, 0) })?;
    let mut request = InterfaceRequest { name: [0; libc::IFNAMSIZ], flags: 0, rest: [0; 22] };
    for (to, from) in request.name.iter_mut().zip(b"lo") {
        *to = *from;
    }
    request.flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    // SAFETY: `request` is a live struct as large as struct ifreq, NUL-terminated in its name.
    let answer = unsafe {
        libc::syscall(libc::SYS_ioctl, socket, libc::SIOCSIFFLAGS, core::ptr::from_ref(&request))
    };
    let result = Errno::check(answer).map(drop);
    crate::path::close(socket as Fd);
    result
}
