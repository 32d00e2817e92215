//! The end of the child's life: hooks, the gate, the filter, the program.

use crate::interpret::{At, Done, Fault, State, leave};
use crate::reap::{self, Ended};
use crate::script::{Call, HookCall, NotifyTo, Strings};
use crate::seccomp::Instruction;
use crate::wire::{FRAME_SIZE, Tag};
use crate::{Errno, Fd, clone, path, rights};
use core::ffi::CStr;
use core::sync::atomic::{AtomicI32, Ordering};

/// Runs a hook: a child whose standard input is the state, waited for with its timeout.
pub(crate) fn hook(hook: &HookCall<'_>) -> Done {
    let child = match clone::fork().at(Call::Clone3)? {
        clone::Side::Parent(child) => child,
        clone::Side::Child => become_hook(hook),
    };
    let pidfd = child.pidfd.into_raw();
    let mut poll = libc::pollfd { fd: pidfd, events: libc::POLLIN, revents: 0 };
    let ready = loop {
        // SAFETY: `poll` is one live pollfd. A wait cut short by a signal starts anew: its handlers are all default,
        // so only a stop and continue can do that.
        let answer = unsafe { libc::poll(&raw mut poll, 1, hook.timeout) };
        match Errno::check(answer.into()) {
            Err(Errno(libc::EINTR)) => {}
            other => break other.at(Call::HookStatus)?,
        }
    };
    if ready == 0 {
        let info = core::ptr::null::<libc::siginfo_t>();
        // SAFETY: no siginfo is given, as the call allows.
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd, libc::SIGKILL, info, 0) };
    }
    let ended = reap::wait(pidfd).at(Call::HookStatus)?;
    path::close(pidfd);
    match ended {
        _ if ready == 0 => {
            Err(Fault { call: Call::HookTimeout, errno: libc::ETIMEDOUT, detail: 0 })
        }
        Ended::Code(0) => Ok(()),
        Ended::Code(code) => {
            Err(Fault { call: Call::HookStatus, errno: libc::ECANCELED, detail: code.into() })
        }
        Ended::Signal(signal) => {
            Err(Fault { call: Call::HookSignal, errno: libc::ECANCELED, detail: signal as u32 })
        }
    }
}

fn become_hook(hook: &HookCall<'_>) -> ! {
    // SAFETY: no pointers. The offset is shared by every hook that reads this file.
    unsafe { libc::syscall(libc::SYS_lseek, hook.input, 0, libc::SEEK_SET) };
    for (stream, file) in (0..).zip([hook.input, hook.output, hook.errors]) {
        crate::fd::place(file, stream).ok();
    }
    // The set-up's own is 0, so that modes are exact; a hook's files should not be open to everybody.
    crate::limits::set_umask(0o022);
    // SAFETY: path, argv and envp are NUL-terminated strings and null-terminated arrays of them, borrowed for the call.
    unsafe {
        libc::syscall(libc::SYS_execve, hook.path.as_ptr(), hook.argv.as_ptr(), hook.envp.as_ptr())
    };
    // 127 is what a shell answers for a program it can't start.
    // SAFETY: no pointers; it does not return.
    unsafe { libc::syscall(libc::SYS_exit_group, 127) };
    leave()
}

/// Remembers the first candidate that is a regular file we may execute.
///
/// The error is execvp(3)'s: EACCES if any candidate was there but not executable, else ENOENT.
pub(crate) fn find(state: &mut State, candidates: &[&CStr]) -> Done {
    let mut refused = Errno(libc::ENOENT);
    for (index, candidate) in candidates.iter().enumerate() {
        match executable(candidate) {
            Ok(()) => {
                state.program = index;
                return Ok(());
            }
            Err(Errno(libc::ENOENT)) => {}
            Err(Errno(libc::ENOTDIR)) if candidates.len() > 1 => {}
            Err(errno) => refused = errno,
        }
    }
    Err(refused).at(Call::Execve)
}

fn executable(candidate: &CStr) -> crate::Result<()> {
    let file = path::open_path(candidate)?.into_raw();
    let stat = path::stat(file);
    path::close(file);
    match stat?.mode & libc::S_IFMT {
        libc::S_IFREG => {}
        libc::S_IFDIR => return Err(Errno(libc::EISDIR)),
        _ => return Err(Errno(libc::EACCES)),
    }
    let (name, mode) = (candidate.as_ptr(), libc::X_OK);
    // SAFETY: `candidate` is NUL-terminated and only read.
    let answer = unsafe {
        libc::syscall(libc::SYS_faccessat2, libc::AT_FDCWD, name, mode, libc::AT_EACCESS)
    };
    Errno::check(answer).map(drop)
}

/// Waits for `start` to connect; from then on it is the parent.
pub(crate) fn gate(state: &mut State, listener: Fd) -> Done {
    path::close(state.control);
    let null = core::ptr::null::<u8>();
    loop {
        // SAFETY: the peer's address is not asked for.
        let answer =
            unsafe { libc::syscall(libc::SYS_accept4, listener, null, null, libc::SOCK_CLOEXEC) };
        match Errno::check(answer) {
            Err(Errno(libc::EINTR | libc::ECONNABORTED)) => {}
            Err(errno) => return Err(errno).at(Call::Accept),
            Ok(connection) => {
                state.control = connection as Fd;
                let mut bytes = [0; FRAME_SIZE];
                match path::read(state.control, &mut bytes) {
                    Ok(FRAME_SIZE) => return Ok(()),
                    // A `start` that died between connecting and speaking: the next may come.
                    Ok(_) | Err(_) => path::close(state.control),
                }
            }
        }
    }
}

/// Says that execve is next, then installs the filter; a notify descriptor is handed over without a filtered call.
pub(crate) fn seccomp(
    state: &State,
    program: &[Instruction],
    flags: u32,
    notify: Option<NotifyTo>,
) -> Done {
    match notify {
        None => crate::seccomp::install(program, flags).map(drop).at(Call::Step),
        Some(to) => hand_over(state, program, flags, to),
    }
}

/// What the sending thread and the filtered one share.
struct HandOver {
    socket: Fd,
    message: *const u8,
    length: usize,
    /// -1 until the filter is installed; then the notify descriptor.
    descriptor: AtomicI32,
    /// 1 when sent; minus errno when not; 0 until then.
    sent: AtomicI32,
}

/// After the filter every call may be one that the listener must answer, and the listener does not have the descriptor
/// yet. So a second thread, made before and not filtered, sends it, while this one waits without a call. The thread's
/// stack lies in this frame, which therefore must not become part of the interpreter's.
#[cold]
#[inline(never)]
fn hand_over(_state: &State, program: &[Instruction], flags: u32, to: NotifyTo) -> Done {
    const STACK: usize = 16 * 1024;
    #[repr(align(16))]
    struct Stack([u8; STACK]);

    let (message, length) = map(to.state).at(Call::Mmap)?;
    let mut stack = Stack([0; STACK]);
    let shared = HandOver {
        socket: to.socket,
        message,
        length,
        descriptor: AtomicI32::new(-1),
        sent: AtomicI32::new(0),
    };
    let kinds = libc::CLONE_VM
        | libc::CLONE_FS
        | libc::CLONE_FILES
        | libc::CLONE_SIGHAND
        | libc::CLONE_THREAD
        | libc::CLONE_SYSVSEM;
    let top = stack.0.as_mut_ptr_range().end;
    // SAFETY: the stack is 16-aligned, its own, and outlives the thread, which ends before `sent` is seen here; the
    // thread only touches `shared`, whose fields it shares are atomics.
    let thread = unsafe {
        libc::clone(send_descriptor, top.cast(), kinds, (&raw const shared).cast_mut().cast())
    };
    Errno::check(thread.into()).at(Call::Clone3)?;
    let descriptor = match crate::seccomp::install(program, flags) {
        Ok(fd) => fd,
        Err(errno) => {
            shared.descriptor.store(-2, Ordering::Release);
            return Err(errno).at(Call::Step);
        }
    };
    shared.descriptor.store(descriptor, Ordering::Release);
    loop {
        match shared.sent.load(Ordering::Acquire) {
            0 => core::hint::spin_loop(),
            1 => return Ok(()),
            minus => return Err(Errno(minus.saturating_neg())).at(Call::Send),
        }
    }
}

extern "C" fn send_descriptor(shared: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `hand_over` passes a HandOver that outlives this thread.
    let shared = unsafe { &*shared.cast::<HandOver>() };
    let descriptor = loop {
        match shared.descriptor.load(Ordering::Acquire) {
            // This thread is not filtered: giving the processor away lets the other finish on a single-core machine.
            // SAFETY: no pointers.
            -1 => drop(unsafe { libc::syscall(libc::SYS_sched_yield) }),
            fd => break fd,
        }
    };
    if descriptor >= 0 {
        // SAFETY: `message` is a mapping of `length` bytes that is never unmapped here.
        let message = unsafe { core::slice::from_raw_parts(shared.message, shared.length) };
        let answer = match rights::send(shared.socket, message, Some(descriptor)) {
            Ok(()) => 1,
            Err(Errno(errno)) => errno.saturating_neg(),
        };
        shared.sent.store(answer, Ordering::Release);
    }
    // SAFETY: no pointers; it ends this thread alone.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
    0
}

/// Maps a memory file read-only.
fn map(file: Fd) -> crate::Result<(*const u8, usize)> {
    let mut stat = core::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `stat` is a live struct stat that the call fills.
    Errno::check(unsafe { libc::fstat(file, stat.as_mut_ptr()) }.into())?;
    // SAFETY: the call succeeded.
    let length = unsafe { stat.assume_init() }.st_size as usize;
    let null = core::ptr::null_mut();
    // SAFETY: a fresh mapping at an address of the kernel's choice disturbs nothing.
    let address = unsafe { libc::mmap(null, length, libc::PROT_READ, libc::MAP_PRIVATE, file, 0) };
    if address == libc::MAP_FAILED { Err(Errno::last()) } else { Ok((address.cast(), length)) }
}

/// Becomes the program. Only a failure returns.
pub(crate) fn exec(
    state: &State,
    candidates: &[&CStr],
    argv: Strings<'_>,
    envp: Strings<'_>,
) -> Done {
    let path = candidates.get(state.program).copied().unwrap_or(c"");
    // SAFETY: path, argv and envp are NUL-terminated strings and null-terminated arrays of them, borrowed for the call.
    let answer =
        unsafe { libc::syscall(libc::SYS_execve, path.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    Errno::check(answer).map(drop).at(Call::Execve)
}

/// Tells the parent that nothing but the filter and execve follows.
pub(crate) fn announce(state: &State) -> Done {
    state.say(Tag::Starting, 0, 0, None)
}
