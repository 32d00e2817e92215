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
