//! clone3(2): one call makes the child, in its namespaces, in its cgroup, with a pidfd.
//!
//! What a newcomer would get wrong: [`spawn`] is safe, and may be called from any thread of any process, because the
//! child runs nothing but the interpreter: it takes no lock, frees nothing and allocates nothing, so it does not matter
//! which lock another thread held when the address space was copied.

use crate::script::Script;
use crate::{Errno, Fd, NewFd, Result, interpret};

/// As `struct clone_args`, clone3(2).
#[repr(C, align(8))]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

const CLONE_PIDFD: u64 = 0x1000;
const CLONE_PARENT: u64 = 0x8000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;

/// A started child.
#[derive(Debug)]
pub struct Child {
    /// As the caller's pid namespace numbers it.
    pub pid: i32,
    /// Its pidfd.
    pub pidfd: NewFd,
}

/// Which side of the clone a caller finds itself on.
pub(crate) enum Side {
    Parent(Child),
    Child,
}

/// Clones the caller with these `CLONE_*` flags and no other shared state.
fn clone3(flags: u64, cgroup: Option<Fd>, exit_signal: i32) -> Result<Side> {
    let mut pidfd: Fd = -1;
    let mut args = CloneArgs {
        flags: flags | CLONE_PIDFD,
        pidfd: (&raw mut pidfd) as u64,
        exit_signal: exit_signal as u64,
        ..CloneArgs::default()
    };
    if let Some(fd) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = fd as u64;
    }
    // SAFETY: `args` is a live struct clone_args of the size given and `pidfd` outlives the call. Without CLONE_VM the
    // child has its own copy of this stack and of all memory; it returns from here into code of this crate only, which
    // neither allocates nor takes a lock.
    let answer = unsafe {
        libc::syscall(libc::SYS_clone3, &raw mut args, core::mem::size_of::<CloneArgs>())
    };
    match Errno::check(answer)? {
        0 => Ok(Side::Child),
        pid => Ok(Side::Parent(Child { pid: pid as i32, pidfd: NewFd(pidfd) })),
    }
}

/// Starts a child in new namespaces (`CLONE_NEW*` in `kinds`), in the cgroup of this directory descriptor, that performs
/// `script` and nothing else.
///
/// # Errors
/// As clone3(2): EPERM without the privilege for a namespace, ENOSPC for too many nested ones, EBUSY for a cgroup with
/// controllers enabled for its children.
pub fn spawn(script: &Script<'_>, kinds: u64, cgroup: Option<Fd>) -> Result<Child> {
    match clone3(kinds | CLONE_CLEAR_SIGHAND, cgroup, libc::SIGCHLD)? {
        Side::Parent(child) => Ok(child),
        Side::Child => interpret::run(script),
    }
}

/// The second clone of a child that joined a user namespace: a sibling, whose parent is the first child's parent. It has
/// the first child's exit signal, and clone3 refuses to be told another.
pub(crate) fn hop(kinds: u64) -> Result<Side> {
    clone3(kinds | CLONE_PARENT, None, 0)
}

/// An ordinary child of the child, for a hook.
pub(crate) fn fork() -> Result<Side> {
    clone3(0, None, libc::SIGCHLD)
}

/// Starts a child in a new user namespace that only waits to be killed: its namespace is what an idmapped mount needs.
///
/// # Errors
/// As clone3(2).
pub fn spawn_idle_in_user_namespace() -> Result<Child> {
    match clone3(libc::CLONE_NEWUSER as u64, None, libc::SIGCHLD)? {
        Side::Parent(child) => Ok(child),
        Side::Child => loop {
            // SAFETY: no pointers. Every signal but SIGKILL leaves it here or ends it: both are right.
            unsafe { libc::syscall(libc::SYS_pause) };
        },
    }
}
