//! What a program inherits about signals, made as if nobody had started it.
//!
//! The parent's half (blocking, signalfd) is the supervisor's business, through nix. What a newcomer would get wrong:
//! `CLONE_CLEAR_SIGHAND` resets *handlers* only. Ignored signals stay ignored through clone and through execve, and
//! the Rust runtime ignores SIGPIPE in every program: without [`reset`], `yes | head` in a container would not end.

/// The kernel's `_NSIG`: signals are 1 to 64.
const SIGNALS: i32 = 64;

/// The kernel's `struct sigaction`: handler, flags, restorer and mask are four words on every 64-bit port, and all
/// zero is `SIG_DFL` without flags.
static DEFAULT_ACTION: [u64; 4] = [0; 4];

/// The size of the kernel's sigset_t, which both calls demand.
const SET_SIZE: usize = 8;

/// Gives every signal its default action, then unblocks all of them, in this order: a signal that came while it was
/// blocked meets its default. 63 calls of some 60 ns each; asking which are ignored would cost as many.
pub fn reset() {
    for signal in 1..=SIGNALS {
        if signal != libc::SIGKILL && signal != libc::SIGSTOP {
            // SAFETY: the kernel reads one struct sigaction, which `DEFAULT_ACTION` is, and writes none. No handler is
            // installed. It cannot fail: the number, the size and the address are valid.
            unsafe {
                libc::syscall(
                    libc::SYS_rt_sigaction,
                    signal,
                    &raw const DEFAULT_ACTION,
                    core::ptr::null_mut::<u64>(),
                    SET_SIZE,
                )
            };
        }
    }
    empty_mask();
}

/// Makes `command` begin as after [`reset`], with no descriptor but its standard streams. `Command` hands its starter's
/// blocked signals on, and a foreground runtime blocks all of them: its hooks, for one, could not be told to end. And
/// what we were started with is for the container at most.
#[cfg(feature = "std")]
pub fn start_clean(command: &mut std::process::Command) -> &mut std::process::Command {
    use std::os::unix::process::CommandExt;
    let reset = || {
        reset();
        crate::limits::close_on_exec_from(3)
            .map_err(|errno| std::io::Error::from_raw_os_error(errno.0))
    };
    // SAFETY: between fork and exec, `reset` makes raw system calls on constants: no allocation, no lock, no memory
    // of another thread.
    unsafe { command.pre_exec(reset) }
}

/// The same, and `kept` are handed on by their numbers.
#[cfg(feature = "std")]
pub fn start_clean_with<const N: usize>(
    command: &mut std::process::Command,
    kept: [crate::Fd; N],
) -> &mut std::process::Command {
    use std::os::unix::process::CommandExt;
    let keep = move || {
        for fd in kept {
            // SAFETY: fcntl(2) with F_SETFD takes numbers only; it changes the forked process's own table.
            let answer = unsafe { libc::syscall(libc::SYS_fcntl, fd, libc::F_SETFD, 0) };
            crate::Errno::check(answer)
                .map_err(|errno| std::io::Error::from_raw_os_error(errno.0))?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec, `keep` makes raw system calls on numbers it owns: no allocation, no lock, no memory
    // of another thread. It runs after what `start_clean` has registered.
    unsafe { start_clean(command).pre_exec(keep) }
}

/// Makes these signals do nothing here, by a handler that does nothing. To ignore them would reach every program that is
/// executed; a handler ends with execve. Calls that it interrupts go on.
#[cfg(feature = "std")]
pub fn disregard(signals: &[i32]) {
    extern "C" fn nothing(_: i32) {}
    for signal in signals {
        // SAFETY: all zero is a valid struct sigaction without a mask; the handler touches nothing, so it may run at any
        // point of any thread. The kernel refuses a signal that does not exist, and then nothing has changed.
        unsafe {
            let mut action: libc::sigaction = core::mem::zeroed();
            action.sa_sigaction = nothing as extern "C" fn(i32) as libc::sighandler_t;
            action.sa_flags = libc::SA_RESTART;
            libc::sigaction(*signal, &raw const action, core::ptr::null_mut());
        }
    }
}

/// Unblocks every signal of the calling thread.
pub fn empty_mask() {
    let nothing = 0_u64;
    // SAFETY: the kernel reads one 8-byte set, which `nothing` is, and writes none. It cannot fail.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const nothing,
            core::ptr::null_mut::<u64>(),
            SET_SIZE,
        )
    };
}
