//! POSIX extended regular expressions, by the C library.
//!
//! It is for the parent alone: compiling one allocates. It refuses to know what is matched.
//! What a newcomer would get wrong: an expression matches anywhere in a text unless it says `^` and `$`.

use crate::{Errno, Result};
use core::ffi::CStr;
use core::mem::MaybeUninit;

/// A compiled expression.
pub struct Pattern(libc::regex_t);

impl core::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Pattern")
    }
}

impl Pattern {
    /// Compiles `text`.
    ///
    /// # Errors
    /// EINVAL for what is no expression.
    pub fn new(text: &CStr) -> Result<Self> {
        let mut compiled = MaybeUninit::<libc::regex_t>::zeroed();
        let flags = libc::REG_EXTENDED | libc::REG_NOSUB;
        // SAFETY: the target is live and zeroed, the text NUL-terminated and only read.
        let answer = unsafe { libc::regcomp(compiled.as_mut_ptr(), text.as_ptr(), flags) };
        if answer != 0 {
            return Err(Errno(libc::EINVAL));
        }
        // SAFETY: the call succeeded, so it filled the struct. It holds pointers to the heap, none into itself.
        Ok(Self(unsafe { compiled.assume_init() }))
    }

    /// Whether it matches somewhere in `text`.
    #[must_use]
    pub fn matches(&self, text: &CStr) -> bool {
        let none = core::ptr::null_mut();
        // SAFETY: a compiled expression and a NUL-terminated text, both only read; no matches are asked for.
        unsafe { libc::regexec(&raw const self.0, text.as_ptr(), 0, none, 0) == 0 }
    }
}

impl Drop for Pattern {
    fn drop(&mut self) {
        // SAFETY: compiled once, freed once.
        unsafe { libc::regfree(&raw mut self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_matches_anywhere_unless_it_is_anchored() {
        let matches = |pattern, text| Pattern::new(pattern).is_ok_and(|p| p.matches(text));
        assert!(matches(c"eb-[0-9]+", c"web-12"));
        assert!(!matches(c"^eb", c"web-12"));
        assert!(matches(c"^(web|api)-1.$", c"api-1x"));
        assert!(!matches(c"a{2}", c"aba"));
        assert!(Pattern::new(c"(").is_err());
        assert!(Pattern::new(c"[").is_err());
    }
}
