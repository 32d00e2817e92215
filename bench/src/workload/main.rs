//! `workload OP [key=value…]`: one kind of work, measured by whoever does it.
//!
//! The same static file is a bare process, a container's process, and (`workload vm OP …`) a guest's /init. It says
//! lines, `NAME VALUE…` (samples), `missing NAME SENTENCE` (not to be had here), and at the end `done`, or
//! `error SENTENCE`. It refuses to know where it runs, but for its voice. What a newcomer would get wrong: the clock is
//! read in here, by the side that works; a clock outside would measure the way to it, too.

mod aggress;
mod arguments;
mod batch;
mod compute;
mod cpus;
mod files;
mod guest;
mod ipc;
mod limits;
mod memory;
mod netlink;
mod network;
mod raw;
mod syscalls;
mod victim;
mod voice;

use arguments::Arguments;
use std::process::ExitCode;
use voice::Voice;

/// Does its work and says what it found.
type Op = fn(&Arguments, &mut Voice) -> Result<(), String>;

/// Everything that can be asked for.
const OPS: &[(&str, Op)] = &[
    ("hello", hello),
    ("compute", compute::compute),
    ("syscalls", syscalls::syscalls),
    ("ipc", ipc::ipc),
    ("memory", memory::memory),
    ("micro", micro),
    ("files", files::files),
    ("disk-files", files::disk_files),
    ("network", network::network),
    ("network-serve", network::serve),
    ("aggress", aggress::run),
    ("victim", victim::run),
    ("limit", limits::run),
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.split_first() {
        Some((first, rest)) if first == "vm" => guest::live(|voice| work(rest, voice)),
        _ => {
            let mut voice = Voice::stdout();
            let worked = work(&words, &mut voice);
            // Without a voice there is nobody to tell.
            let told = voice.end(&worked);
            if worked.is_ok() && told.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
    }
}

fn work(words: &[String], voice: &mut Voice) -> Result<(), String> {
    let (op, rest) = words.split_first().ok_or("usage: workload [vm] OP [key=value…]")?;
    let names = || OPS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let found = OPS.iter().find(|(name, _)| name == op);
    let (_, run) = found.ok_or_else(|| format!("there is no op {op:?}; there are {}", names()))?;
    run(&Arguments::of(rest)?, voice)
}

/// Nothing but the sign that work could begin; with `wait=1` it never ends.
fn hello(arguments: &Arguments, voice: &mut Voice) -> Result<(), String> {
    voice.say("hello", &[1.0])?;
    while arguments.number("wait", 0)? == 1 {
        std::thread::park();
    }
    Ok(())
}

/// Several in one start, which a guest's boot makes dear. Calls come first: a fork copies what is mapped.
fn micro(arguments: &Arguments, voice: &mut Voice) -> Result<(), String> {
    syscalls::syscalls(arguments, voice)?;
    ipc::ipc(arguments, voice)?;
    compute::compute(arguments, voice)?;
    memory::memory(arguments, voice)
}
