//! A seccomp agent: it gets notify descriptors over a socket and answers the calls they tell of.
//!
//! Knows one answer for each system call, from its command line. Refuses to look at the program's memory: a call is a
//! number here. A newcomer would wait for notifications with the receiving ioctl alone; it blocks for ever once the
//! program is gone, which only poll(2) tells.

use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::{UnixListener, UnixStream};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::act::{Trouble, say};
use crate::raw;

/// How a call is answered.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    /// The kernel goes on with it.
    Continue,
    /// It returns this.
    Value(i64),
    /// It fails with this errno.
    Errno(i32),
}

/// `NR=continue`, `NR=VALUE`, or `NR=-ERRNO`.
fn parse(word: &str) -> Option<(i32, Answer)> {
    let (number, answer) = word.split_once('=')?;
    let answer = match answer.parse::<i64>() {
        Ok(value @ 0..) => Answer::Value(value),
        Ok(minus) => Answer::Errno(i32::try_from(-minus).ok()?),
        Err(_) => (answer == "continue").then_some(Answer::Continue)?,
    };
    Some((number.parse().ok()?, answer))
}

/// Listens on `path`; every connection brings a descriptor and a message, and each call it tells of is one line.
pub(crate) fn listen(path: &str, words: &[&str]) -> Result<u8, Trouble> {
    let answers: Option<Vec<_>> = words.iter().map(|word| parse(word)).collect();
    let answers = answers.ok_or(Trouble::Usage)?;
    let listener = UnixListener::bind(path)?;
    say("ready")?;
    loop {
        let (stream, _) = listener.accept()?;
        let answers = answers.clone();
        std::thread::spawn(move || {
            if let Err(Trouble::Kernel(why) | Trouble::Other(why)) = attend(&stream, &answers) {
                // Nobody can be told when stdout is closed.
                drop(say(&format!("agent: {why}")));
            }
        });
    }
}

fn attend(stream: &UnixStream, answers: &[(i32, Answer)]) -> Result<(), Trouble> {
    let (message, descriptor) = raw::receive(stream)?;
    say(&format!("message {message}"))?;
    loop {
        let mut polled = [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)];
        poll(&mut polled, PollTimeout::NONE)?;
        let events = polled[0].revents().unwrap_or(PollFlags::POLLHUP);
        if !events.contains(PollFlags::POLLIN) {
            return Ok(());
        }
        // A program that was killed meanwhile has nothing to be answered.
        let Ok(call) = raw::notification(descriptor.as_raw_fd()) else { continue };
        let answer = answers.iter().find(|(number, _)| *number == call.data.nr);
        let answer = answer.map_or(Answer::Continue, |(_, answer)| *answer);
        say(&format!("call {} argument {}", call.data.nr, call.data.args[0]))?;
        raw::answer(descriptor.as_raw_fd(), call.id, answer).ok();
    }
}
