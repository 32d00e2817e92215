//! Programs whose state is worth keeping: a number in memory, a connection.
//!
//! Knows numbers and one file. Refuses to begin anew: the file is never read, so a number that goes on was kept in memory.
//! A newcomer would write the file in place; a reader must never find half a number.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use crate::act::{Outcome, say};

const BEAT: Duration = Duration::from_millis(10);

/// Counts in its memory, and tells each number.
pub(crate) fn count(path: &str) -> Outcome {
    say("ready")?;
    let mut number = 0_u64;
    loop {
        number += 1;
        tell(path, number)?;
        std::thread::sleep(BEAT);
    }
}

/// The same, with a lock that is its own: what another process has locked for it, CRIU does not see.
pub(crate) fn hold(lock: &str, path: &str) -> Outcome {
    let file = fs::File::create(lock)?;
    file.lock()?;
    count(path)
}

/// Sends each number over a connection to itself, and tells what arrived.
pub(crate) fn pump(path: &str) -> Outcome {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut sender = TcpStream::connect(listener.local_addr()?)?;
    let (mut receiver, _) = listener.accept()?;
    drop(listener);
    say("ready")?;
    let mut number = 0_u64;
    loop {
        number += 1;
        sender.write_all(&number.to_le_bytes())?;
        let mut bytes = [0; 8];
        receiver.read_exact(&mut bytes)?;
        tell(path, u64::from_le_bytes(bytes))?;
        std::thread::sleep(BEAT);
    }
}

fn tell(path: &str, number: u64) -> std::io::Result<()> {
    let draft = format!("{path}.draft");
    fs::write(&draft, number.to_string())?;
    fs::rename(draft, path)
}
