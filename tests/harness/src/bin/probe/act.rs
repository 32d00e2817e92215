//! What a test can ask of a process inside.
//!
//! Knows one function per verb. Refuses to retry: a call that fails is the answer. A newcomer would write `alloc` as one
//! allocation; the kernel counts pages when they are touched, so each one is.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, raise};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout, setsid};

use crate::agent;
use crate::facts;
use crate::raw;

/// Why an action did not come to its end.
pub(crate) enum Trouble {
    /// The words make no sense.
    Usage,
    /// The kernel said no; its name for the reason is the answer.
    Kernel(String),
    /// Something else, in a sentence.
    Other(String),
}

impl From<Errno> for Trouble {
    fn from(errno: Errno) -> Self {
        Trouble::Kernel(format!("{errno:?}"))
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(number) => Errno::from_raw(number).into(),
            None => Trouble::Other(error.to_string()),
        }
    }
}

pub(crate) type Outcome = Result<u8, Trouble>;

pub(crate) fn act(verb: &str, args: &[&str]) -> Outcome {
    match (verb, args) {
        ("exit", [code]) => number(code),
        ("kill-self", [signal]) => kill_self(signal_of(signal)?),
        ("sleep", []) => sleep(None),
        ("sleep", [seconds]) => sleep(Some(number(seconds)?)),
        ("trap", [signal, code]) => trap(signal_of(signal)?, number(code)?),
        ("alloc", [bytes]) => alloc(number(bytes)?),
        ("spin", [seconds]) => spin(number(seconds)?),
        ("threads", [count]) => threads(number(count)?),
        ("forkbomb", [count]) => forkbomb(number(count)?),
        ("open", [path, mode]) => open(path, mode),
        ("try", [mode, paths @ ..]) => attempt(mode, paths),
        ("write", [path, text]) => write(path, text),
        ("read", [path]) => read(path),
        ("stat", [path]) => say(&facts::describe(Path::new(path)).to_string()),
        ("stat", paths @ [_, ..]) => {
            let all = paths.iter().map(|path| facts::describe(Path::new(path)));
            say(&serde_json::Value::Array(all.collect()).to_string())
        }
        ("syscall", [call, rest @ ..]) => syscall(call, rest),
        ("syscalls", calls) => syscalls(calls),
        #[cfg(target_arch = "x86_64")]
        ("syscall-32", [call]) => syscall_32(number(call)?),
        ("agent", [path, answers @ ..]) => agent::listen(path, answers),
        ("grab", []) => grab(),
        ("listen", []) => listen("/probe.sock"),
        ("listen", [path]) => listen(path),
        ("count", [path]) => crate::pump::count(path),
        ("hold", [lock, path]) => crate::pump::hold(lock, path),
        ("pump", [path]) => crate::pump::pump(path),
        ("echo", []) => echo(),
        ("notify", [state]) => notify(state),
        ("winsize", []) => winsize(),
        ("on-terminal", [tty, program, rest @ ..]) => on_terminal(tty, program, rest),
        _ => Err(Trouble::Usage),
    }
}

pub(crate) fn say(text: &str) -> Outcome {
    // Flushed, because tests wait for these words while the probe goes on.
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(0)
}

/// Each adds under one lock, and is joined.
fn threads(count: usize) -> Outcome {
    let sum = std::sync::Mutex::new(0_usize);
    let add = || sum.lock().map(|mut sum| *sum += 1).is_ok();
    let all = std::thread::scope(|scope| {
        let started: Vec<_> = (0..count).map(|_| scope.spawn(add)).collect();
        started.into_iter().all(|thread| thread.join().unwrap_or(false))
    });
    let sum = sum.into_inner().map_err(|error| Trouble::Other(error.to_string()))?;
    if all { say(&sum.to_string()) } else { Err(Trouble::Other("a thread was lost".to_owned())) }
}

fn number<T: FromStr>(text: &str) -> Result<T, Trouble> {
    text.parse().map_err(|_| Trouble::Other(format!("{text:?} is not a number that fits")))
}

fn signal_of(text: &str) -> Result<Signal, Trouble> {
    Ok(Signal::try_from(number::<i32>(text)?)?)
}

fn kill_self(signal: Signal) -> Outcome {
    raise(signal)?;
    // Pid 1 of a namespace is immune to signals it has no handler for.
    Err(Trouble::Other(format!("survived {signal}")))
}

fn sleep(seconds: Option<u64>) -> Outcome {
    say("ready")?;
    std::thread::sleep(seconds.map_or(Duration::MAX, Duration::from_secs));
    Ok(0)
}

fn trap(signal: Signal, code: u8) -> Outcome {
    let mut waited = SigSet::empty();
    waited.add(signal);
    // Blocked, so that it waits to be taken; a blocked signal reaches pid 1 of a namespace, too.
    waited.thread_block()?;
    say("ready")?;
    waited.wait()?;
    Ok(code)
}

fn alloc(bytes: usize) -> Outcome {
    const STEP: usize = 1 << 20;
    let mut held: Vec<Vec<u8>> = Vec::new();
    let mut touched = 0;
    while touched < bytes {
        let size = STEP.min(bytes - touched);
        // Not zero: a zeroed allocation comes untouched from the kernel.
        held.push(std::hint::black_box(vec![0x5a; size]));
        touched += size;
    }
    say(&format!("touched {touched}"))
}

fn spin(seconds: f64) -> Outcome {
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let mut x = 1_u64;
    while Instant::now() < end {
        for _ in 0..10_000 {
            x = std::hint::black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
    }
    let used = Duration::from(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?);
    say(&used.as_nanos().to_string())
}

fn forkbomb(count: usize) -> Outcome {
    let mut children = Vec::new();
    let mut refused = "nothing".to_owned();
    while children.len() < count {
        let mut child = Command::new("/proc/self/exe");
        match child.arg("sleep").stdin(Stdio::null()).stdout(Stdio::null()).spawn() {
            Ok(child) => children.push(child),
            Err(error) => {
                refused = Errno::from_raw(error.raw_os_error().unwrap_or(0)).to_string();
                break;
            }
        }
    }
    say(&format!("started {} refused {refused}", children.len()))?;
    for child in &mut children {
        child.kill()?;
        child.wait()?;
    }
    Ok(0)
}

/// Opens each; the answers as one JSON object.
fn attempt(mode: &str, paths: &[&str]) -> Outcome {
    let answer = |path: &&str| match open_as(path, mode) {
        Ok(()) => Ok(((*path).to_owned(), "ok".into())),
        Err(Trouble::Kernel(name)) => Ok(((*path).to_owned(), name.into())),
        Err(other) => Err(other),
    };
    let answers: Result<serde_json::Map<_, _>, Trouble> = paths.iter().map(answer).collect();
    say(&serde_json::Value::Object(answers?).to_string())
}

fn open(path: &str, mode: &str) -> Outcome {
    open_as(path, mode)?;
    say("ok")
}

fn open_as(path: &str, mode: &str) -> Result<(), Trouble> {
    let mut options = OpenOptions::new();
    match mode {
        "r" => options.read(true),
        "w" => options.write(true),
        "rw" => options.read(true).write(true),
        "c" => options.write(true).create(true),
        _ => return Err(Trouble::Usage),
    };
    options.open(path)?;
    Ok(())
}

fn write(path: &str, text: &str) -> Outcome {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?
        .write_all(text.as_bytes())?;
    say("ok")
}

fn read(path: &str) -> Outcome {
    let bytes = fs::read(path)?;
    io::stdout().write_all(&bytes)?;
    Ok(0)
}

fn syscall(call: &str, args: &[&str]) -> Outcome {
    let args: Result<Vec<u64>, Trouble> = args.iter().map(|text| argument(text)).collect();
    let result = raw::syscall(number(call)?, &args?)?;
    say(&result.to_string())
}

fn syscalls(calls: &[&str]) -> Outcome {
    for words in calls {
        let mut words = words.split(',');
        let call = number(words.next().unwrap_or_default())?;
        let args: Result<Vec<u64>, Trouble> = words.map(argument).collect();
        match raw::syscall(call, &args?) {
            Ok(result) => say(&result.to_string())?,
            Err(errno) => say(&format!("{errno:?}"))?,
        };
    }
    Ok(0)
}

#[cfg(target_arch = "x86_64")]
fn syscall_32(number: u32) -> Outcome {
    match raw::syscall_32(number) {
        result @ 0.. => say(&result.to_string()),
        minus => Err(Errno::from_raw(-minus).into()),
    }
}

/// Decimal, hexadecimal with 0x, or negative.
fn argument(text: &str) -> Result<u64, Trouble> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => {
            text.parse::<u64>().ok().or_else(|| Some(text.parse::<i64>().ok()?.cast_unsigned()))
        }
    };
    parsed.ok_or_else(|| Trouble::Other(format!("{text:?} is not a number")))
}

/// Holds the program of every other process it sees, and tries for ever to open each for writing, which the kernel
/// forbids only while it runs.
fn grab() -> Outcome {
    say("ready")?;
    let mut held: BTreeMap<(u64, u64), (File, String, bool)> = BTreeMap::new();
    let me = std::process::id().to_string();
    loop {
        for entry in fs::read_dir("/proc")?.flatten() {
            let name = entry.file_name();
            let other = name.to_string_lossy() != me.as_str();
            let exe = entry.path().join("exe");
            // A process may be gone by now, or be none.
            let (true, Ok(file)) = (other, File::open(&exe)) else { continue };
            let found = file.metadata()?;
            if let Entry::Vacant(place) = held.entry((found.dev(), found.ino())) {
                let link = fs::read_link(&exe).unwrap_or_default().display().to_string();
                say(&format!("held {link}"))?;
                place.insert((file, link, false));
            }
        }
        for (file, link, opened) in held.values_mut().filter(|(.., opened)| !opened) {
            let path = format!("/proc/self/fd/{}", file.as_raw_fd());
            if OpenOptions::new().write(true).open(path).is_ok() {
                *opened = true;
                say(&format!("opened {link}"))?;
            }
        }
    }
}

fn listen(path: &str) -> Outcome {
    let listener = UnixListener::bind(path)?;
    say("ready")?;
    let (mut stream, _) = listener.accept()?;
    let mut sender = stream.try_clone()?;
    io::copy(&mut stream, &mut sender)?;
    Ok(0)
}

fn echo() -> Outcome {
    let mut bytes = [0; 4096];
    loop {
        let n = io::stdin().read(&mut bytes)?;
        if n == 0 {
            return Ok(0);
        }
        let mut out = io::stdout().lock();
        out.write_all(&bytes[..n])?;
        out.flush()?;
    }
}

fn notify(state: &str) -> Outcome {
    let path = std::env::var_os("NOTIFY_SOCKET")
        .ok_or(Trouble::Other("NOTIFY_SOCKET is not set".into()))?;
    UnixDatagram::unbound()?.send_to(state.as_bytes(), path)?;
    say("sent")
}

fn winsize() -> Outcome {
    let mut changes = SigSet::empty();
    changes.add(Signal::SIGWINCH);
    changes.thread_block()?;
    loop {
        let (rows, columns) = raw::window(0)?;
        say(&format!("{rows} {columns}"))?;
        changes.wait()?;
    }
}

fn on_terminal(tty: &str, program: &str, args: &[&str]) -> Outcome {
    setsid()?;
    // A session leader without a terminal gets the first one it opens (tty_ioctl(4), TIOCSCTTY).
    let terminal = OpenOptions::new().read(true).write(true).open(tty)?;
    dup2_stdin(&terminal)?;
    dup2_stdout(&terminal)?;
    dup2_stderr(&terminal)?;
    drop(terminal);
    Err(Command::new(program).args(args).exec().into())
}
