//! Children of the first process: started, waited for, and collected when they are nobody's.

use super::to;
use crate::lane_i::order::Words;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// How often something is tried again, 1 ms apart.
pub const TRIES: usize = 2000;

/// A command with nothing to read, and the file that its errors go to.
pub fn prepared(words: &Words, answer: Option<&File>) -> Result<(Command, File), String> {
    let Some((program, arguments)) = words.split_first() else {
        return Err("an empty command".to_owned());
    };
    let errors = nameless_file()?;
    let copy = |file: &File| file.try_clone().map_err(to("keep a file"));
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stderr(copy(&errors)?);
    command.stdout(match answer {
        Some(answer) => Stdio::from(copy(answer)?),
        None => Stdio::null(),
    });
    Ok((command, errors))
}

pub fn succeed((command, errors): &mut (Command, File)) -> Result<(), String> {
    let status = command.status().map_err(to(&format!("{command:?}")))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}: {}", read(errors))) }
}

/// A container that was killed ends a little later; until then it can't be deleted.
pub fn eventually(words: &Words) -> Result<(), String> {
    let mut last = Ok(());
    for _ in 0..TRIES {
        collect();
        last = succeed(&mut prepared(words, None)?);
        if last.is_ok() {
            break;
        }
        thread::sleep(Duration::from_millis(1));
    }
    last
}

/// Collects orphans: the first process is everybody's last parent.
pub fn collect() {
    let any = Pid::from_raw(-1);
    while matches!(
        waitpid(any, Some(WaitPidFlag::WNOHANG)),
        Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..))
    ) {}
}

pub fn nameless_file() -> Result<File, String> {
    memfd_create(c"answer", MFdFlags::MFD_CLOEXEC).map(File::from).map_err(to("a memory file"))
}

pub fn read(file: &mut File) -> String {
    let mut text = String::new();
    // What it could not say is not said.
    file.rewind().and_then(|()| file.read_to_string(&mut text)).ok();
    text.trim_end().to_owned()
}
