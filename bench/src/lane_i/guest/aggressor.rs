//! Noise: `aggressor hogs N`, `aggressor bomb`, `aggressor memory`. None of them ends by itself.
//!
//! What a newcomer would get wrong: a bomb's fuse is that each child is a bomb, too, and that none waits for another.

use std::hint::black_box;
use std::process::Command;
use std::thread;

/// What a process takes before it is killed for it, if nothing else ends it.
const MEMORY: usize = 256 << 20;

/// Makes noise; returns when it was not asked for noise.
pub fn live(words: &[String]) {
    match words {
        [what, count] if what == "hogs" => hogs(count.parse().unwrap_or(1)),
        [what] if what == "bomb" => bomb(),
        [what] if what == "memory" => memory(),
        [what] if what == "eat" => eat(),
        _ => {}
    }
}

/// This many threads that compute.
fn hogs(count: usize) {
    for _ in 1..count {
        thread::spawn(spin);
    }
    spin();
}

fn spin() {
    let mut sum = 0_u64;
    loop {
        sum = black_box(sum.wrapping_add(1));
    }
}

/// As many processes as can be had.
fn bomb() {
    let mut children = Vec::new();
    loop {
        // At its limit, it goes on asking.
        if let Ok(child) = ourselves("bomb").spawn() {
            children.push(child);
        }
    }
}

/// More memory than it may have, again and again.
fn memory() {
    loop {
        ourselves("eat").status().ok();
    }
}

fn eat() {
    let mut eaten = vec![0_u8; MEMORY];
    for page in eaten.chunks_mut(4096) {
        black_box(page)[0] = 1;
    }
}

fn ourselves(what: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg(what);
    command
}
