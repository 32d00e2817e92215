//! A container is written to files and comes back from them as it was, by CRIU.
//!
//! What a newcomer would get wrong: a program that starts anew looks like one that was restored, unless it has something
//! that only memory kept. So the programs here count, and never read what they wrote.

#[path = "checkpoint/life.rs"]
mod life;
#[path = "checkpoint/memory.rs"]
mod memory;
#[path = "checkpoint/options.rs"]
mod options;
#[path = "checkpoint/parts.rs"]
mod parts;
#[path = "checkpoint/refused.rs"]
mod refused;
#[path = "checkpoint/scene.rs"]
mod scene;
