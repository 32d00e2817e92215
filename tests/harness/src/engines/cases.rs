//! Many cases to one daemon, whose start costs more than any of them.
//!
//! Knows how to run a list of cases to its end, each by its name, and to fail with all that failed. Refuses order: no
//! case may need what another did. A newcomer would make each a `#[test]` and share the daemon by a static, which is
//! never dropped: nobody would end it.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// A list of cases as it is worked through. `RRUN_CASE=TEXT` leaves those whose name has the text.
#[derive(Debug)]
pub struct Cases {
    about: String,
    ran: usize,
    failed: Vec<String>,
}

impl Cases {
    /// None yet; `about` begins each name.
    #[must_use]
    pub fn of(about: &str) -> Cases {
        Cases { about: about.to_owned(), ran: 0, failed: Vec::new() }
    }

    /// Runs one case; that it fails is told at the end, too.
    pub fn case(&mut self, name: &str, case: impl FnOnce()) {
        let name = format!("{}: {name}", self.about);
        if env::var("RRUN_CASE").is_ok_and(|wanted| !name.contains(&wanted)) {
            return;
        }
        let since = Instant::now();
        self.ran += 1;
        // What it had is not used again after a panic, but for the daemon, which is another process.
        let outcome = catch_unwind(AssertUnwindSafe(case));
        let took = since.elapsed().as_secs_f64();
        println!("case {name} ... {} ({took:.1} s)", if outcome.is_ok() { "ok" } else { "FAILED" });
        if let Err(why) = outcome {
            let text = why.downcast_ref::<String>().cloned();
            let text = text.or_else(|| why.downcast_ref::<&str>().map(|&text| text.to_owned()));
            self.failed.push(format!("{name}: {}", text.unwrap_or_default()));
        }
    }

    /// Fails the test when a case failed, or when there was none.
    ///
    /// # Panics
    /// Then.
    #[track_caller]
    pub fn end(self) {
        assert!(self.failed.is_empty(), "{}", self.failed.join("\n"));
        assert!(self.ran > 0 || env::var("RRUN_CASE").is_ok(), "{}: no case ran", self.about);
    }
}
