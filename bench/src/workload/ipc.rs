//! Round trips between two processes: a byte through pipes, a wake-up through eventfds, a byte through a unix socket.
//!
//! On one processor a round trip is two changes of the running process; on two it is two wake-ups of a processor that
//! may have gone to sleep, which is another thing and often the dearer. What a newcomer would get wrong: a process that
//! may run anywhere is moved by the scheduler in the middle, and the samples are a mixture of the two.

use crate::arguments::Arguments;
use crate::batch::Batches;
use crate::cpus;
use crate::raw::Forked;
use crate::voice::Voice;
use nix::sys::eventfd::EventFd;
use nix::unistd::{pipe, read, write};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

/// One step of an end: the one sends and waits for the answer, the other waits and answers.
type Trip = Box<dyn FnMut() -> Result<(), String>>;

/// The parent's end and the child's, who does his step for ever.
type Pair = (Trip, Trip);

/// Makes such a pair.
type Way = fn() -> Result<Pair, String>;

const WAYS: [(&str, Way); 3] = [("pipe", pipes), ("eventfd", eventfds), ("unix-socket", sockets)];

/// Each way, with both ends on one processor (`@one`) and on two (`@two`).
pub fn ipc(arguments: &Arguments, voice: &mut Voice) -> Result<(), String> {
    let batches = Batches::of(arguments)?;
    let all = cpus::allowed()?;
    for (name, way) in WAYS {
        let first = all.first().copied().ok_or("there is no processor")?;
        voice.say(&format!("{name}@one"), &trips(&batches, way, first, first)?)?;
        let both = format!("{name}@two");
        match all.get(1) {
            Some(second) => voice.say(&both, &trips(&batches, way, first, *second)?)?,
            None => voice.missing(&both, "there is one processor only")?,
        }
    }
    cpus::stay_on(&all)
}

fn trips(batches: &Batches, way: Way, ours: usize, theirs: usize) -> Result<Vec<f64>, String> {
    let (mut trip, mut echo) = way()?;
    // Before the fork, so that an error is ours to tell; the child inherits it.
    cpus::stay_on(&[theirs])?;
    let child = Forked::doing(|| while echo().is_ok() {})?;
    cpus::stay_on(&[ours])?;
    let samples = batches.measure(&mut trip);
    drop(child);
    samples
}

fn told(why: impl std::fmt::Display) -> String {
    format!("round trip: {why}")
}

/// A byte out of the one and into the other.
fn through(from: &OwnedFd, to: &OwnedFd, receive_first: bool) -> Result<(), String> {
    let mut byte = [0];
    let mut receive = || match read(from, &mut byte).map_err(told)? {
        0 => Err(told("the other end is closed")),
        _ => Ok(()),
    };
    if receive_first {
        receive()?;
    }
    write(to, &[1]).map_err(told)?;
    if receive_first { Ok(()) } else { receive() }
}

fn pipes() -> Result<Pair, String> {
    let ((there_out, there_in), (back_out, back_in)) =
        (pipe().map_err(told)?, pipe().map_err(told)?);
    let trip = move || through(&back_out, &there_in, false);
    Ok((Box::new(trip), Box::new(move || through(&there_out, &back_in, true))))
}

fn eventfds() -> Result<Pair, String> {
    let make = || EventFd::new().map_err(told);
    let shared = std::rc::Rc::new((make()?, make()?));
    let theirs = shared.clone();
    let trip = move || {
        shared.0.write(1).map_err(told)?;
        shared.1.read().map(drop).map_err(told)
    };
    let echo = move || {
        theirs.0.read().map_err(told)?;
        theirs.1.write(1).map(drop).map_err(told)
    };
    Ok((Box::new(trip), Box::new(echo)))
}

fn sockets() -> Result<Pair, String> {
    let (mut ours, mut theirs) = UnixStream::pair().map_err(told)?;
    let trip = move || {
        ours.write_all(&[1]).map_err(told)?;
        ours.read_exact(&mut [0]).map_err(told)
    };
    let echo = move || {
        theirs.read_exact(&mut [0]).map_err(told)?;
        theirs.write_all(&[1]).map_err(told)
    };
    Ok((Box::new(trip), Box::new(echo)))
}
