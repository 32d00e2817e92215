//! A clock that parent and child write into one shared page: when each of the child's steps was done.
//!
//! It refuses to know what the steps are. What a newcomer would get wrong: the monotonic clock is *not* the same on
//! both sides, because a time namespace moves it (time_namespaces(7)). The wall clock is the one both share.

use crate::{Errno, Result};
use core::mem::size_of;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

/// Nanoseconds since 1970: the time line of a trace.
#[must_use]
pub fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a live timespec that the call fills; this clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut time) };
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

/// A row of time stamps in memory that a child made by clone or fork shares with its parent.
#[derive(Debug)]
pub struct SharedClock {
    stamps: NonNull<AtomicU64>,
    count: usize,
}

// SAFETY: the mapping belongs to no thread, lives as long as the value, and is only touched through atomics.
unsafe impl Send for SharedClock {}
// SAFETY: as above: shared access is atomic.
unsafe impl Sync for SharedClock {}

impl SharedClock {
    /// Room for `count` stamps, none of them set.
    ///
    /// # Errors
    /// EINVAL for none; ENOMEM.
    pub fn new(count: usize) -> Result<Self> {
        let length = count.checked_mul(size_of::<AtomicU64>()).ok_or(Errno(libc::ENOMEM))?;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping at an address of the kernel's choice replaces nothing.
        let address = unsafe { libc::mmap(core::ptr::null_mut(), length, access, kind, -1, 0) };
        if address == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        match NonNull::new(address.cast()) {
            Some(stamps) => Ok(Self { stamps, count }),
            None => Err(Errno(libc::ENOMEM)),
        }
    }

    fn all(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is page-aligned, `count` atomics long, zero at first (a valid value), and lives as long
        // as `self`.
        unsafe { core::slice::from_raw_parts(self.stamps.as_ptr(), self.count) }
    }

    /// Sets stamp `index` to now. Beyond the end, nothing happens: a trace must not end a container.
    pub fn stamp(&self, index: usize) {
        if let Some(stamp) = self.all().get(index) {
            stamp.store(now(), Ordering::Relaxed);
        }
    }

    /// Stamp `index`, as [`now`] counts; `None` while it is not set.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<u64> {
        self.all().get(index).map(|stamp| stamp.load(Ordering::Relaxed)).filter(|&time| time != 0)
    }
}

impl Drop for SharedClock {
    fn drop(&mut self) {
        let length = self.count.saturating_mul(size_of::<AtomicU64>());
        // SAFETY: exactly the mapping made in `new`; no reference to it outlives `self`.
        unsafe { libc::munmap(self.stamps.as_ptr().cast(), length) };
    }
}
