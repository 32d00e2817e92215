//! The kernel's answer to a refused call, as a number.
//!
//! What a newcomer would get wrong: errno lives in thread-local memory that the child after clone shares with nobody;
//! reading it there is safe, allocating a message for it is not. Words are the parent's business.

/// A refused call's errno, as in errno(3). Never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

/// What every call of this crate returns.
pub type Result<T> = core::result::Result<T, Errno>;

impl Errno {
    /// The calling thread's errno.
    #[must_use]
    pub fn last() -> Self {
        // SAFETY: __errno_location returns the address of this thread's errno, valid for as long as the thread.
        Self(unsafe { *libc::__errno_location() })
    }

    /// The answer of a raw call: -1 means errno, anything else is the value.
    ///
    /// # Errors
    /// This thread's errno when `value` is -1.
    pub fn check(value: libc::c_long) -> Result<libc::c_long> {
        if value == -1 { Err(Self::last()) } else { Ok(value) }
    }
}
