//! Fixtures that cannot be made fail the test in one sentence.
//!
//! Knows nothing of runtimes; refuses to hide the error's own words. A newcomer would reach for `expect`, which prints
//! the error with `Debug` and points at this crate instead of at the test's line.

use std::fmt::Display;

/// Takes the value, or fails the test.
pub trait Must<T> {
    /// The value; otherwise panics at the caller with "`doing`: the error".
    fn must(self, doing: &str) -> T;
}

impl<T, E: Display> Must<T> for Result<T, E> {
    #[track_caller]
    fn must(self, doing: &str) -> T {
        match self {
            Ok(value) => value,
            Err(error) => panic!("{doing}: {error}"),
        }
    }
}

impl<T> Must<T> for Option<T> {
    #[track_caller]
    fn must(self, doing: &str) -> T {
        match self {
            Some(value) => value,
            None => panic!("{doing}: there is none"),
        }
    }
}
