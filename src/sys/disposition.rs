//! Signals as a new program expects them: every disposition the default, nothing blocked.
//!
//! What a newcomer would get wrong: clone3's CLONE_CLEAR_SIGHAND resets *handlers*; an ignored signal (SIGPIPE, by
//! Rust's start-up; SIGHUP, under nohup) stays ignored, and would stay so in the container.

/// The kernel's `struct sigaction`, all default.
#[repr(C)]
struct Default {
    handler: usize,
    flags: u64,
    restorer: usize,
    mask: u64,
}

/// Resets them all. No call here can fail in a way that matters: SIGKILL and SIGSTOP are not asked for.
pub(crate) fn reset() {
    const SIGSET_SIZE: usize = 8;
    let default = Default { handler: libc::SIG_DFL, flags: 0, restorer: 0, mask: 0 };
    let old = core::ptr::null_mut::<Default>();
    for signal in 1..=31 {
        if signal != libc::SIGKILL && signal != libc::SIGSTOP {
            // SAFETY: `default` is live, laid out as the kernel's struct sigaction, and only read.
            unsafe {
                libc::syscall(libc::SYS_rt_sigaction, signal, &raw const default, old, SIGSET_SIZE)
            };
        }
    }
    let empty = 0_u64;
    let old = core::ptr::null_mut::<u64>();
    // SAFETY: `empty` is a live signal set of the size given, and only read.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const empty,
            old,
            SIGSET_SIZE,
        )
    };
}
