//! Neighbours that misbehave, each of them bounded.
//!
//! | `kind=` | what it does, for `seconds` |
//! | --- | --- |
//! | `cpu` | computes in `threads` threads |
//! | `memory` | touches more and more memory, `mib` at the most, and begins again when it was killed for it |
//! | `bomb` | starts processes that start processes, never more than `processes` at a time |
//! | `disk` | writes `file` from its beginning to its end, with fsync, over and over |
//! | `flood` | sends datagrams to `address` as fast as it can |
//!
//! Each says `on` when it is at work. It refuses to run for ever: whoever started it may have been killed, and a hog that
//! nobody ends would spoil every later measurement. What a newcomer would get wrong: the bomb does not count its
//! processes, which would need a lock; each process is given a number of descendants, and divides it among its children.

use crate::arguments::Arguments;
use crate::voice::Voice;
use std::fs::OpenOptions;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const MIB: usize = 1 << 20;

/// MiB that the memory hog has touched when it is at work.
const AT_WORK: usize = 16;

/// What the writer writes before it begins again.
const FILE: u64 = 64 << 20;

/// Processes of a bomb at the most, whatever was asked for: it also runs where nothing else limits it.
const CAP: u64 = 200;

/// Misbehaves as it is asked to.
pub fn run(asked: &Arguments, voice: &mut Voice) -> Result<(), String> {
    let until = Instant::now() + Duration::from_secs(asked.number("seconds", 20)?);
    match asked.text("kind", "") {
        "cpu" => cpu(asked.number("threads", 1)?, until, voice),
        "memory" => memory(asked.number("mib", 256)?, until, voice),
        "memory-child" => grow(asked.count("mib", 0)?),
        // Each that stays has at most one at a time that does not.
        "bomb" => bomb(asked.number("processes", CAP)?.min(CAP) / 2, until, &mut Some(voice)),
        "bomb-child" => match asked.number("processes", 0)? {
            0 => Ok(()),
            processes => bomb(processes, at(asked.number("until", 0)?), &mut None),
        },
        "disk" => disk(asked.text("file", ""), until, voice),
        "flood" => flood(asked.text("address", ""), until, voice),
        other => Err(format!("there is no aggressor {other:?}")),
    }
}

fn at_work(voice: &mut Voice) -> Result<(), String> {
    voice.say("on", &[1.0])
}

/// Ourselves, by the path that we were started with: there may be no /proc.
fn ourselves(words: &[String]) -> Command {
    let mut command = Command::new(std::env::args_os().next().unwrap_or_default());
    command.arg("aggress").args(words).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn cpu(threads: u64, until: Instant, voice: &mut Voice) -> Result<(), String> {
    let all: Vec<_> = (0..threads)
        .map(|_| {
            thread::spawn(move || {
                let mut value = 1_u64;
                while Instant::now() < until {
                    for _ in 0..1_000_000 {
                        value = black_box(value.wrapping_mul(6_364_136_223_846_793_005) + 1);
                    }
                }
            })
        })
        .collect();
    at_work(voice)?;
    for one in all {
        one.join().map_err(|_| "a thread of the hog panicked".to_owned())?;
    }
    Ok(())
}

fn memory(mebibytes: u64, until: Instant, voice: &mut Voice) -> Result<(), String> {
    let mut told = false;
    while Instant::now() < until {
        let mut child = ourselves(&["kind=memory-child".to_owned(), format!("mib={mebibytes}")]);
        let mut child = child
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|why| format!("start the part that grows: {why}"))?;
        // Its stdout ends with it, however it ends: that it is killed is what is wanted of it.
        let (mut line, stdout) = (String::new(), child.stdout.take());
        if let Some(mut stdout) = stdout.map(BufReader::new) {
            drop(stdout.read_line(&mut line));
            if !told && !line.is_empty() {
                at_work(voice)?;
                told = true;
            }
            drop(stdout.read_to_string(&mut line));
        }
        ended(child);
    }
    Ok(())
}

fn ended(mut child: Child) {
    // Both fail when it has ended already, which is what is wanted.
    drop(child.kill());
    drop(child.wait());
}

/// Touches so much, page by page, and gives it back. It says so when it is well on its way.
fn grow(mebibytes: usize) -> Result<(), String> {
    let mut held: Vec<Vec<u8>> = Vec::new();
    for count in 1..=mebibytes {
        let mut piece = vec![0_u8; MIB];
        for page in piece.chunks_mut(4096) {
            page[0] = 1;
        }
        held.push(black_box(piece));
        if count == AT_WORK {
            let mut stdout = std::io::stdout();
            drop(stdout.write_all(b"grown\n").and_then(|()| stdout.flush()));
        }
    }
    Ok(())
}

/// Starts two children that do the same with half of the processes each, then short-lived ones for ever. A limit makes
/// both fail, and it tries again at once, as a bomb does. Who has a voice is the root.
fn bomb(processes: u64, until: Instant, voice: &mut Option<&mut Voice>) -> Result<(), String> {
    let deadline = written(until);
    let mut stay = Vec::new();
    for share in shares(processes) {
        let words = [
            "kind=bomb-child".to_owned(),
            format!("processes={share}"),
            format!("until={deadline}"),
        ];
        while Instant::now() < until {
            if let Ok(child) = ourselves(&words).spawn() {
                stay.push(child);
                break;
            }
        }
    }
    if let Some(voice) = voice {
        at_work(voice)?;
    }
    while Instant::now() < until {
        if let Ok(mut child) = ourselves(&["kind=bomb-child".to_owned()]).spawn() {
            drop(child.wait());
        }
    }
    stay.into_iter().for_each(ended);
    Ok(())
}

/// The processes of each child's tree, of a tree of `processes`; nobody has a child without any.
fn shares(processes: u64) -> impl Iterator<Item = u64> {
    let below = processes.saturating_sub(1);
    [below.div_ceil(2), below / 2].into_iter().filter(|share| *share > 0)
}

/// An instant as children read it: of the wall's clock, because no other is known by number here.
fn written(until: Instant) -> u128 {
    let left = until.saturating_duration_since(Instant::now());
    let then = SystemTime::now() + left;
    then.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}

fn at(milliseconds: u64) -> Instant {
    let then = UNIX_EPOCH + Duration::from_millis(milliseconds);
    let left = then.duration_since(SystemTime::now()).unwrap_or_default();
    // A clock that was set back must not keep it alive.
    Instant::now() + left.min(Duration::from_secs(60))
}

/// O_DIRECT where the file system has it: cgroup v1 knows only then who has written.
fn disk(path: &str, until: Instant, voice: &mut Voice) -> Result<(), String> {
    let told = |why: std::io::Error| format!("{path}: {why}");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    let direct = options.clone().custom_flags(libc::O_DIRECT).open(path);
    let mut file = direct.or_else(|_| options.open(path)).map_err(told)?;
    let bytes = vec![0xa5_u8; MIB + 4096];
    // The kernel wants the memory aligned, too.
    let first = bytes.as_ptr().align_offset(4096);
    let block = &bytes[first..first + MIB];
    let mut written = 0;
    while Instant::now() < until {
        file.write_all(block).and_then(|()| file.sync_data()).map_err(told)?;
        written += block.len() as u64;
        if written == block.len() as u64 {
            at_work(voice)?;
        }
        if written % FILE == 0 {
            file.seek(SeekFrom::Start(0)).map_err(told)?;
        }
    }
    Ok(())
}

fn flood(address: &str, until: Instant, voice: &mut Voice) -> Result<(), String> {
    let address: SocketAddr = address.parse().map_err(|why| format!("{address}: {why}"))?;
    let socket = UdpSocket::bind("0.0.0.0:0").map_err(|why| format!("a socket: {why}"))?;
    socket.connect(address).map_err(|why| format!("{address}: {why}"))?;
    at_work(voice)?;
    let datagram = [0_u8; 1400];
    while Instant::now() < until {
        for _ in 0..100 {
            // A full queue or a closed port stops nobody who floods.
            drop(socket.send(&datagram));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All processes of a tree that stay.
    fn tree(processes: u64) -> u64 {
        1 + shares(processes).map(tree).sum::<u64>()
    }

    #[test]
    fn a_bomb_has_as_many_processes_as_it_was_given_and_none_more() {
        for processes in 1..=300 {
            assert_eq!(tree(processes), processes);
        }
    }

    #[test]
    fn an_aggressor_that_is_not_there_is_named() {
        let asked = Arguments::of(&["kind=bombs".to_owned()]).expect("pairs");
        let why = run(&asked, &mut Voice::stdout()).expect_err("no such aggressor");
        assert!(why.contains("bombs"), "{why}");
    }

    #[test]
    fn a_deadline_survives_being_written() {
        let until = Instant::now() + Duration::from_secs(30);
        let read = at(u64::try_from(written(until)).expect("a year before 584 million"));
        let apart = read.max(until) - read.min(until);
        assert!(apart < Duration::from_secs(1), "{apart:?}");
    }
}
