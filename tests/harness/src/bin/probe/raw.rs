//! The one system call that no safe wrapper can offer: any.
//!
//! Knows how to make it; refuses to know what it means. A newcomer would call this from the facts for convenience; they
//! go through nix and /proc wherever those can answer.

use nix::errno::Errno;

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
