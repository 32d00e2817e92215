//! Hooks of the six kinds: when and where they run, what they are given, and what their failure means.
//!
//! Each test here also holds for runc 1.1, unless it says `rrun` and why.

#[path = "hooks/appended.rs"]
mod appended;
#[path = "hooks/failing.rs"]
mod failing;
#[path = "hooks/given.rs"]
mod given;
#[path = "hooks/journal.rs"]
mod journal;
#[path = "hooks/places.rs"]
mod places;
