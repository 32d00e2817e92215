//! Descriptors: plain numbers for the child, owned ones for the std side.
//!
//! What a newcomer would get wrong: the child has no destructors. What it opens stays open until execve or a
//! close_range step, which is why everything is opened close-on-exec.

use crate::{Errno, Result, path};

/// A descriptor number, borrowed: somebody else owns it, or the child names it.
pub type Fd = i32;

/// A descriptor that a kernel call has just returned and that nobody owns yet. Only this crate makes one, so turning it
/// into an owner is safe.
#[derive(Debug)]
#[must_use = "a descriptor nobody owns is a leak"]
pub struct NewFd(pub(crate) Fd);

impl NewFd {
    /// The number, for the child, which never closes by dropping.
    #[must_use]
    pub fn into_raw(self) -> Fd {
        self.0
    }

    /// Itself, when what was done with it went well; else it is closed.
    pub(crate) fn closed_on_failure(self, outcome: Result<()>) -> Result<Self> {
        if let Err(errno) = outcome {
            path::close(self.0);
            return Err(errno);
        }
        Ok(self)
    }
}

/// dup3(2): `fd` gets the number `number`, too, and there it stays open over execve(2).
pub(crate) fn place(fd: Fd, number: Fd) -> Result<()> {
    // SAFETY: no pointers.
    Errno::check(unsafe { libc::syscall(libc::SYS_dup3, fd, number, 0) }).map(drop)
}

#[cfg(feature = "std")]
impl From<NewFd> for std::os::fd::OwnedFd {
    fn from(new: NewFd) -> Self {
        use std::os::fd::FromRawFd;
        // SAFETY: a `NewFd` is made only in this crate, from a descriptor that a kernel call has just returned, and is
        // consumed here, so this is its only owner.
        unsafe { Self::from_raw_fd(new.0) }
    }
}

/// Gives `command` the descriptors `given` as its 3, 4, 5 and so on. They are numbers of the caller that stay open until the
/// start, above all of the targets; and the targets are taken while `Command` starts it, or its own pipe for a failed
/// execve may be one of them, and be lost.
#[cfg(feature = "std")]
pub fn hand_over<const COUNT: usize>(
    command: &mut std::process::Command,
    given: [Fd; COUNT],
) -> &mut std::process::Command {
    use std::os::unix::process::CommandExt;
    let place = move || {
        for (given, target) in given.into_iter().zip(3..) {
            // SAFETY: two numbers; the target is the caller's to replace, in a process about to call execve.
            let answer = unsafe { libc::syscall(libc::SYS_dup3, given, target, 0) };
            crate::Errno::check(answer)
                .map_err(|errno| std::io::Error::from_raw_os_error(errno.0))?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec, `place` makes raw system calls on numbers it holds: no allocation, no lock, no
    // memory of another thread.
    unsafe { command.pre_exec(place) }
}
