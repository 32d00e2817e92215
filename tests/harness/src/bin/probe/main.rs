//! The process inside the container: it tells what it sees, and does what a test asks.
//!
//! Static, so that an empty rootfs can run it. Knows nothing of runtimes; refuses to judge: facts go out as JSON, an
//! action's outcome as its exit code and one line. A newcomer would let a missing /proc fail it; a container may have
//! none, and then those facts are null.

mod act;
mod agent;
mod facts;
mod pump;
mod raw;

use std::env;
use std::process::ExitCode;

const USAGE: &str = "\
probe facts [NAME…]         what this process sees, as JSON; with names, only those facts
probe exit N                ends with that code
probe kill-self SIGNAL      ends by that signal (a number)
probe sleep [SECONDS]       writes `ready`, then sleeps (for ever)
probe trap SIGNAL N         writes `ready`, waits for that signal (a number), ends with code N
probe alloc BYTES           touches so much memory, a megabyte at a time, then writes `touched BYTES`
probe spin SECONDS          burns a processor for so long; prints the processor time it got, in nanoseconds
probe threads N             starts N threads that add one each, and prints the sum
probe forkbomb N            starts up to N sleeping children; prints how many started
probe open PATH r|w|rw|c    opens (c: creates); prints `ok` or the error's name, and fails with it
probe try r|w|rw|c PATH…    opens each; prints `ok` or the error's name of each as JSON
probe write PATH TEXT       writes TEXT to PATH; as open
probe read PATH             prints what PATH holds; as open
probe stat PATH…            prints type, mode, owner and device number as JSON, of several as a list
probe syscall NR [ARG…]     makes the call with numeric arguments; prints its result or the error's name
probe syscalls CALL…        makes each call `NR,ARG,…`; prints a line for each as `syscall` does
probe syscall-32 NR         makes the call through the 32-bit entry; prints its result or the error's name
probe agent PATH NR=HOW…    answers seccomp notifications: HOW is `continue`, a value, or minus an errno
probe grab                  holds the program of each process it sees and tries to open it for writing; tells of both
probe listen [PATH]         accepts one connection on a unix socket (default /probe.sock), echoes its bytes, ends
probe count FILE            counts in its memory and writes each number to FILE
probe hold LOCK FILE        the same, with a lock on LOCK
probe pump FILE             the same, each number sent to itself over TCP first; writes `ready`
probe echo                  copies stdin to stdout
probe say TEXT              prints it
probe notify STATE          sends STATE to $NOTIFY_SOCKET
probe winsize               prints `ROWS COLUMNS` of its terminal, and again after each change until killed
probe on-terminal TTY CMD…  becomes a session leader with TTY as its terminal and three streams, then runs CMD";

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["facts", names @ ..] => facts::print(names),
        ["say", text] => act::say(text),
        [verb, args @ ..] => act::act(verb, args),
        [] => Err(act::Trouble::Usage),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(act::Trouble::Usage) => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
        Err(act::Trouble::Kernel(name)) => {
            println!("{name}");
            ExitCode::FAILURE
        }
        Err(act::Trouble::Other(why)) => {
            eprintln!("probe: {why}");
            ExitCode::FAILURE
        }
    }
}
