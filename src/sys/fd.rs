//! Raw descriptors, and the one door through which they become owned on the std side.

/// A raw descriptor number. The std side owns descriptors; the child, which has no destructors, only names them.
pub type Fd = i32;

/// Takes ownership of a descriptor that a call of this crate has just returned.
#[cfg(feature = "std")]
#[must_use]
pub fn own(raw: Fd) -> std::os::fd::OwnedFd {
    use std::os::fd::FromRawFd;
    assert!(raw >= 0, "own({raw})");
    // SAFETY: callers pass what a call of this crate returned and nobody else holds yet (its documented contract);
    // a wrong number could at worst close a descriptor of ours, which the kernel answers with EBADF.
    unsafe { std::os::fd::OwnedFd::from_raw_fd(raw) }
}
