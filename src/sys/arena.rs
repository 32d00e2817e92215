//! The allocator of a program that lives for milliseconds: one block, handed out in order, never taken back.
//!
//! Parsing and planning make thousands of small objects, and nearly all of them live until the program ends. Keeping
//! books over them was a quarter of rrun's own instructions, and freeing one after the clone copies a page. What does not
//! fit goes to the C library's allocator, so that a verb that works long (`unpack`) does not grow without bound.
//!
//! What a newcomer would get wrong: this is the *parent's* memory. The child never allocates; it only reads its copy.

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicUsize, Ordering};
use std::alloc::System;

/// What a start of a container needs, several times over. Its pages come as they are touched: one that nobody touches
/// would cost as much as one that is, and the child's page tables would hold it, too.
const SIZE: usize = 256 * 1024;

/// What malloc(3) promises, and crates that keep C structures in a `Vec<u8>` have come to rely on.
const ALIGNED: usize = 16;

/// Larger objects are rare, and would waste the block when they grow.
const LARGEST: usize = 32 * 1024;

/// No block yet.
const UNMAPPED: usize = 0;
/// The kernel had no memory for one: the C library's allocator serves all.
const REFUSED: usize = 1;

/// See the module.
#[derive(Debug)]
pub struct Arena {
    /// Where the block begins; or [`UNMAPPED`], or [`REFUSED`].
    start: AtomicUsize,
    /// The first byte that is free.
    next: AtomicUsize,
}

impl Arena {
    /// An arena that maps its block when it is first asked.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "a static's initialiser must be const")]
    pub const fn new() -> Self {
        Self { start: AtomicUsize::new(UNMAPPED), next: AtomicUsize::new(0) }
    }

    /// Where the block begins, mapped if it is not yet.
    fn start(&self) -> Option<usize> {
        match self.start.load(Ordering::Acquire) {
            REFUSED => None,
            UNMAPPED => self.map(),
            start => Some(start),
        }
    }

    #[cold]
    fn map(&self) -> Option<usize> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping at an address of the kernel's choice replaces nothing.
        let block = unsafe { libc::mmap(core::ptr::null_mut(), SIZE, access, kind, -1, 0) };
        let start = if block == libc::MAP_FAILED { REFUSED } else { block as usize };
        let first =
            self.start.compare_exchange(UNMAPPED, start, Ordering::AcqRel, Ordering::Acquire);
        match first {
            Ok(_) => {}
            Err(_) if start == REFUSED => {}
            Err(_) => {
                // Another thread was faster.
                // SAFETY: the mapping made above, which nobody has seen.
                unsafe { libc::munmap(block, SIZE) };
            }
        }
        match self.start.load(Ordering::Acquire) {
            REFUSED => None,
            start => Some(start),
        }
    }

    /// The next free place for `layout`.
    fn take(&self, layout: Layout) -> Option<*mut u8> {
        if layout.size() > LARGEST {
            return None;
        }
        let start = self.start()?;
        let mut place = 0;
        let after = |used: usize| {
            let free = start.checked_add(used)?;
            place = free.checked_next_multiple_of(layout.align().max(ALIGNED))?;
            let after = place.checked_add(layout.size())?.checked_sub(start)?;
            (after <= SIZE).then_some(after)
        };
        self.next.fetch_update(Ordering::AcqRel, Ordering::Relaxed, after).ok()?;
        Some(place as *mut u8)
    }

    fn holds(&self, place: *mut u8) -> bool {
        let start = self.start.load(Ordering::Acquire);
        start != REFUSED && (start..start.saturating_add(SIZE)).contains(&(place as usize))
    }

    /// Moves the end of the last object from `old` to `new` bytes behind `place`; `false` when it is not the last, or
    /// there is no room.
    fn move_end(&self, place: *mut u8, old: usize, new: usize) -> bool {
        let offset = (place as usize).wrapping_sub(self.start.load(Ordering::Acquire));
        let (Some(from), Some(to)) = (offset.checked_add(old), offset.checked_add(new)) else {
            return false;
        };
        let moved = |_| self.next.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed);
        to <= SIZE && moved(()).is_ok()
    }
}

// SAFETY: `take` hands out ranges that do not overlap (an atomic counter that only `move_end` lowers, and only from the
// end of the last object, whose owner asks for it), within a mapping that is never unmapped, aligned as asked. Everything
// else is the system allocator's, told apart by address.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match self.take(layout) {
            Some(place) => place,
            // SAFETY: the caller's.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        if self.holds(place) {
            self.move_end(place, layout.size(), 0);
        } else {
            // SAFETY: not ours, so the system allocator's.
            unsafe { System.dealloc(place, layout) };
        }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !self.holds(place) {
            // SAFETY: not ours, so the system allocator's.
            return unsafe { System.realloc(place, layout, size) };
        }
        if size <= LARGEST && self.move_end(place, layout.size(), size) {
            return place;
        }
        // SAFETY: a size that the caller vouches for, with the alignment of a valid layout.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: the caller's.
        let larger = unsafe { self.alloc(new) };
        if !larger.is_null() {
            // SAFETY: two live objects that do not overlap, each at least as long as the shorter of the two.
            unsafe { core::ptr::copy_nonoverlapping(place, larger, layout.size().min(size)) };
        }
        larger
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).expect("valid")
    }

    #[test]
    fn objects_are_aligned_and_do_not_overlap() {
        let arena = Arena::new();
        let mut last_end = 0;
        for (size, align) in [(1, 1), (8, 8), (3, 1), (64, 64), (100, 16)] {
            // SAFETY: a valid layout.
            let place = unsafe { arena.alloc(layout(size, align)) } as usize;
            assert_eq!(place % align.max(ALIGNED), 0);
            assert!(place >= last_end, "overlaps the object before");
            last_end = place + size;
        }
    }

    #[test]
    fn the_last_object_grows_where_it_is_and_its_place_is_used_again() {
        let arena = Arena::new();
        // SAFETY: valid layouts; each object is given back with its own.
        unsafe {
            let first = arena.alloc(layout(16, 8));
            let grown = arena.realloc(first, layout(16, 8), 64);
            assert_eq!(first, grown);
            arena.dealloc(grown, layout(64, 8));
            assert_eq!(arena.alloc(layout(8, 8)), first);
        }
    }

    #[test]
    fn what_does_not_fit_is_the_system_allocators_and_keeps_its_content() {
        let arena = Arena::new();
        // SAFETY: valid layouts; the object is written within its bounds and given back with its own.
        unsafe {
            let small = arena.alloc(layout(100, 1));
            small.write_bytes(7, 100);
            let large = arena.realloc(small, layout(100, 1), SIZE);
            assert!(!arena.holds(large));
            assert_eq!(*large.add(99), 7);
            arena.dealloc(large, layout(SIZE, 1));
            let mut count = 0;
            while arena.holds(arena.alloc(layout(LARGEST, 1))) {
                count += 1;
            }
            assert!(count < SIZE / LARGEST + 1);
        }
    }
}
