//! The system calls that no safe wrapper can offer: any, by either entry, and those of a seccomp agent.
//!
//! Knows how to make them; refuses to know what they mean. A newcomer would call this from the facts for convenience; they
//! go through nix and /proc wherever those can answer.

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

use crate::agent::Answer;

/// Makes system call `number` with these arguments, missing ones being 0.
pub(crate) fn syscall(number: i64, args: &[u64]) -> Result<i64, Errno> {
    let arg = |n: usize| args.get(n).copied().unwrap_or(0);
    // SAFETY: the arguments come from a test's command line and are plain numbers. The tests ask for calls that a filter
    // should answer or that fail on null pointers; a call that succeeds and changes this process can only change what
    // the next line prints, because nothing else runs in it.
    let result = unsafe { libc::syscall(number, arg(0), arg(1), arg(2), arg(3), arg(4), arg(5)) };
    if result == -1 { Err(Errno::last()) } else { Ok(result) }
}

/// Rows and columns of the terminal at `fd`.
pub(crate) fn window(fd: i32) -> Result<(u16, u16), Errno> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ writes one `struct winsize` through its argument, which is one that lives until the call ends.
    let result = unsafe { libc::ioctl(fd, libc::TIOCGWINSZ, &raw mut size) };
    if result == -1 { Err(Errno::last()) } else { Ok((size.ws_row, size.ws_col)) }
}

/// The description of the session keyring: "type;uid;gid;perm;name" (keyctl_describe(3)).
pub(crate) fn keyring() -> Result<String, Errno> {
    const KEYCTL_DESCRIBE: libc::c_int = 6;
    const KEY_SPEC_SESSION_KEYRING: libc::c_int = -3;
    let mut text = [0_u8; 256];
    // SAFETY: the kernel writes at most `text.len()` bytes, the fourth argument, at `text`, which lives until it returns.
    let length = unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            KEYCTL_DESCRIBE,
            KEY_SPEC_SESSION_KEYRING,
            text.as_mut_ptr(),
            text.len(),
        )
    };
    let length = usize::try_from(length).map_err(|_| Errno::last())?;
    let shown = &text[..length.min(text.len())];
    Ok(String::from_utf8_lossy(shown).trim_end_matches('\0').to_owned())
}

nix::ioctl_readwrite!(notify_receive, b'!', 0, libc::seccomp_notif);
nix::ioctl_readwrite!(notify_send, b'!', 1, libc::seccomp_notif_resp);

/// The next call that a notify descriptor tells of.
pub(crate) fn notification(fd: i32) -> Result<libc::seccomp_notif, Errno> {
    let data = libc::seccomp_data { nr: 0, arch: 0, instruction_pointer: 0, args: [0; 6] };
    let mut call = libc::seccomp_notif { id: 0, pid: 0, flags: 0, data };
    // SAFETY: the kernel reads and writes one `struct seccomp_notif`, all zero as it wants, that lives until it returns.
    unsafe { notify_receive(fd, &raw mut call) }?;
    Ok(call)
}

/// Answers the call with this id.
pub(crate) fn answer(fd: i32, id: u64, answer: Answer) -> Result<(), Errno> {
    const CONTINUE: u32 = 1;
    let (val, error, flags) = match answer {
        Answer::Continue => (0, 0, CONTINUE),
        Answer::Value(value) => (value, 0, 0),
        Answer::Errno(errno) => (0, -errno, 0),
    };
    let mut response = libc::seccomp_notif_resp { id, val, error, flags };
    // SAFETY: the kernel reads one `struct seccomp_notif_resp` that lives until it returns.
    unsafe { notify_send(fd, &raw mut response) }.map(drop)
}

/// Makes system call `number` through the 32-bit entry, without arguments; what the kernel answers, errors negative.
#[cfg(target_arch = "x86_64")]
pub(crate) fn syscall_32(number: u32) -> i32 {
    let result: i32;
    // SAFETY: the entry takes its number in eax and answers there; ebx to ebp, the arguments, are zero or kept, and rbx
    // is restored because the compiler owns it. As with `syscall`, the tests ask for calls that change nothing.
    unsafe {
        core::arch::asm!(
            "push rbx", "xor ebx, ebx", "int 0x80", "pop rbx",
            inlateout("eax") number.cast_signed() => result,
            in("ecx") 0, in("edx") 0, in("esi") 0, in("edi") 0,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    result
}

/// A message and the descriptor that came with it; EBADMSG when none did.
pub(crate) fn receive(stream: &UnixStream) -> Result<(String, OwnedFd), Errno> {
    let mut bytes = vec![0; 1 << 16];
    let mut space = nix::cmsg_space!([i32; 1]);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let got = recvmsg::<()>(stream.as_raw_fd(), &mut parts, Some(&mut space), flags)?;
    let length = got.bytes;
    let number = got.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::ScmRights(fds) => fds.first().copied(),
        _ => None,
    });
    let number = number.ok_or(Errno::EBADMSG)?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows its number.
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    Ok((String::from_utf8_lossy(&bytes[..length]).into_owned(), descriptor))
}
