//! Streams with real fifos, terminals and programs. Deadlines are generous and only end what hangs.

use super::logger::Logger;
use super::progress::Progress;
use super::{Context, Owner, Stdio, Streams};
use crate::watch::Loop;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use rrun_sys::reap::Ended;
use rrun_sys::tty;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const HANGS: Duration = Duration::from_secs(60);

/// A directory of fifos, and a loop.
struct Engine {
    directory: PathBuf,
    events: Loop,
}

impl Drop for Engine {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.directory).expect("the engine's directory");
    }
}

impl Engine {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("rrun-io-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory).expect("a directory");
        Self { directory, events: Loop::start().expect("a loop") }
    }

    fn path(&self, name: &str) -> String {
        self.directory.join(name).to_str().expect("text").to_owned()
    }

    fn fifo(&self, name: &str) -> String {
        let path = self.path(name);
        mkfifo(path.as_str(), Mode::S_IRWXU).expect("mkfifo");
        path
    }

    /// Returns when the loop has seen whatever is ready now: it takes all that is ready in one turn, and two orders in
    /// two turns.
    fn settle(&self) {
        for _ in 0..2 {
            let (sender, seen) = std::sync::mpsc::channel();
            self.events.submit(move |_| sender.send(()).expect("the test"));
            seen.recv_timeout(HANGS).expect("the loop");
        }
    }

    fn open(&self, stdio: &Stdio<'_>) -> rrun::error::Result<Streams> {
        let context = Context { events: &self.events, id: "web", namespace: "tests" };
        Streams::open(stdio, Owner::default(), context)
    }

    /// A program of three lines, as binary:// URI.
    fn logger(&self, name: &str, script: &str) -> String {
        let path = self.path(name);
        let mut file = OpenOptions::new();
        let mut file =
            file.write(true).create(true).truncate(true).mode(0o755).open(&path).expect("a file");
        write!(file, "#!/bin/bash\n{script}\n").expect("a script");
        format!("binary://{path}")
    }
}

fn reader(path: &str) -> File {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).expect("a reader")
}

fn writer(path: &str) -> File {
    // Without a reader the second would wait for ever.
    let mut at_once = OpenOptions::new();
    at_once.write(true).custom_flags(libc::O_NONBLOCK).open(path).expect("nobody reads");
    OpenOptions::new().write(true).open(path).expect("a writer")
}

/// Reads until there are `count` bytes or the end of file.
fn take(file: &mut File, count: usize) -> Vec<u8> {
    let deadline = Instant::now() + HANGS;
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while bytes.len() < count {
        assert!(Instant::now() < deadline, "{} of {count} bytes came", bytes.len());
        let room = buffer.len().min(count - bytes.len());
        match file.read(&mut buffer[..room]) {
            Ok(0) => break,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) => panic!("{error}"),
        }
    }
    bytes
}

/// Reads to the end of file.
fn take_all(file: &mut File) -> Vec<u8> {
    take(file, usize::MAX)
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + HANGS;
    while !holds() {
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn ends(streams: &Streams) -> [File; 3] {
    streams.take_child_ends().expect("the child's ends").map(File::from)
}

/// A pty: its master, and what the container would have.
fn pty() -> (OwnedFd, File) {
    let devpts = File::open("/dev/pts").expect("/dev/pts");
    let master = OwnedFd::from(tty::open_master(devpts.as_raw_fd()).expect("a pty"));
    let peer = OwnedFd::from(tty::open_peer(master.as_raw_fd()).expect("its peer"));
    let mut raw = nix::sys::termios::tcgetattr(&peer).expect("settings");
    nix::sys::termios::cfmakeraw(&mut raw);
    nix::sys::termios::tcsetattr(&peer, nix::sys::termios::SetArg::TCSANOW, &raw).expect("raw");
    (master, File::from(peer))
}

#[test]
fn a_reader_that_comes_back_loses_nothing_and_the_writer_lives() {
    let engine = Engine::new();
    let stdout = engine.fifo("out");
    let streams = engine.open(&Stdio { stdout: &stdout, ..Stdio::default() }).expect("streams");
    let [_, mut out, _] = ends(&streams);
    let mut first = reader(&stdout);
    out.write_all(b"one").expect("written");
    assert_eq!(take(&mut first, 3), b"one");
    drop(first);
    out.write_all(b"two").expect("without a reader");
    let mut second = reader(&stdout);
    out.write_all(b"three").expect("written");
    drop(out);
    streams.ended(|| {});
    assert_eq!(take_all(&mut second), b"twothree");
    assert!(streams.wait_drained(HANGS));
}

#[test]
fn last_words_wait_for_a_reader_that_comes_after_the_end() {
    let engine = Engine::new();
    let (stdout, stderr) = (engine.fifo("out"), engine.fifo("err"));
    let stdio = Stdio { stdout: &stdout, stderr: &stderr, ..Stdio::default() };
    let streams = engine.open(&stdio).expect("streams");
    let mut all = ends(&streams);
    all[1].write_all(b"last words").expect("written");
    drop(all);
    streams.ended(|| {});
    assert!(streams.wait_drained(HANGS));
    let mut late = reader(&stdout);
    assert_eq!(take_all(&mut late), b"last words");
    // Nothing was left for this one.
    let mut nothing = reader(&stderr);
    assert_eq!(take_all(&mut nothing), b"");
}

#[test]
fn input_comes_late_survives_its_writer_and_ends_with_close_io() {
    let engine = Engine::new();
    let stdin = engine.fifo("in");
    let streams = engine.open(&Stdio { stdin: &stdin, ..Stdio::default() }).expect("streams");
    let [input, _, _] = ends(&streams);
    let mut input = input;
    let mut engines = writer(&stdin);
    engines.write_all(b"first").expect("written");
    assert_eq!(take(&mut input, 5), b"first");
    drop(engines);
    engine.settle();
    let mut engines = writer(&stdin);
    // More than a pipe takes: part of it is under way when the stream is closed.
    let more = vec![b'x'; 300_000];
    let expected = more.len();
    let writing = std::thread::spawn(move || {
        engines.write_all(&more).expect("written");
    });
    assert_eq!(take(&mut input, 1000).len(), 1000);
    streams.close_stdin();
    assert_eq!(take_all(&mut input).len(), expected - 1000);
    writing.join().expect("the writer");
}

#[test]
fn close_io_without_a_writer_is_the_end_of_input() {
    let engine = Engine::new();
    let stdin = engine.fifo("in");
    let streams = engine.open(&Stdio { stdin: &stdin, ..Stdio::default() }).expect("streams");
    let [mut input, _, _] = ends(&streams);
    streams.close_stdin();
    assert_eq!(take_all(&mut input), b"");
}

#[test]
fn a_container_that_closes_its_input_does_not_hang_the_engine() {
    let engine = Engine::new();
    let stdin = engine.fifo("in");
    let streams = engine.open(&Stdio { stdin: &stdin, ..Stdio::default() }).expect("streams");
    let mut engines = writer(&stdin);
    drop(ends(&streams));
    streams.close_stdin();
    until("a broken pipe", || engines.write_all(&[b'x'; 4096]).is_err());
}

#[test]
fn files_are_appended_to_for_both_streams() {
    let engine = Engine::new();
    let uri = format!("file://{}", engine.path("a/b/log"));
    for words in ["one ", "two "] {
        let streams = engine.open(&Stdio { stdout: &uri, ..Stdio::default() }).expect("streams");
        let [_, mut out, mut err] = ends(&streams);
        out.write_all(words.as_bytes()).expect("out");
        err.write_all(b"err ").expect("err");
    }
    let path = engine.path("a/b/log");
    assert_eq!(std::fs::read_to_string(&path).expect("the log"), "one err two err ");
    let mode = std::fs::metadata(&path).expect("the log").permissions().mode();
    assert_eq!(mode & 0o777 & !0o644, 0, "{mode:o}");
}

#[test]
fn a_logger_reads_both_streams_and_is_waited_for() {
    let engine = Engine::new();
    let log = engine.path("log");
    let script = format!(
        "exec 5>&-; {{ echo $CONTAINER_NAMESPACE/$CONTAINER_ID \"$@\"; cat <&3; cat <&4; }} >{log}"
    );
    let uri = engine.logger("logger", &script) + "?format=json";
    let streams =
        engine.open(&Stdio { stdout: &uri, stderr: &uri, ..Stdio::default() }).expect("streams");
    let [_, mut out, mut err] = ends(&streams);
    out.write_all(b"out\n").expect("out");
    err.write_all(b"err\n").expect("err");
    drop((out, err));
    assert!(!streams.wait_drained(Duration::from_millis(1)), "it has not ended");
    streams.ended(|| {});
    assert!(streams.wait_drained(HANGS));
    assert_eq!(std::fs::read_to_string(log).expect("a log"), "tests/web format json\nout\nerr\n");
}

#[test]
fn a_logger_that_dies_early_is_an_error_and_one_that_dies_late_is_none() {
    let engine = Engine::new();
    let uri = engine.logger("early", "exit 3");
    let error = engine.open(&Stdio { stdout: &uri, ..Stdio::default() }).err().expect("an error");
    assert!(error.to_string().contains("exited with 3 before it was ready"), "{error}");
    let error = engine.open(&Stdio { stdout: "binary:///no/logger", ..Stdio::default() });
    assert!(error.err().expect("an error").to_string().contains("/no/logger"));

    let uri = engine.logger("late", "exec 5>&-; read line <&3; exit 1");
    let streams = engine.open(&Stdio { stdout: &uri, ..Stdio::default() }).expect("streams");
    let [_, mut out, _] = ends(&streams);
    // Far more than a pipe holds: it goes nowhere, and does not block for ever.
    for _ in 0..100 {
        out.write_all(&[b'\n'; 4096]).expect("no broken pipe");
    }
    streams.ended(|| {});
    assert!(streams.wait_drained(HANGS));
}

#[test]
fn a_logger_that_is_never_ready_is_killed() {
    let engine = Engine::new();
    let uri = engine.logger("never", "exec sleep 1000");
    let program = PathBuf::from(uri.trim_start_matches("binary://"));
    let context = Context { events: &engine.events, id: "web", namespace: "tests" };
    let progress = Arc::new(Progress::default());
    let patience = Duration::from_millis(100);
    let error = Logger::start(&program, &[], context, &progress, patience).err().expect("an error");
    assert!(error.to_string().contains("not ready after 100ms, and killed"), "{error}");
    let how = progress.wait_logged(Instant::now() + HANGS);
    assert_eq!(how, Some(Some(Ended::Signal(libc::SIGKILL))));
}

#[test]
fn a_terminal_is_copied_resized_and_drained() {
    let engine = Engine::new();
    let (stdin, stdout) = (engine.fifo("in"), engine.fifo("out"));
    let stdio = Stdio { stdin: &stdin, stdout: &stdout, terminal: true, ..Stdio::default() };
    let streams = engine.open(&stdio).expect("streams");
    assert!(streams.take_child_ends().is_none());
    assert!(streams.resize(80, 24).is_err(), "there is none yet");
    let (master, mut terminal) = pty();
    streams.attach_master(master).expect("attached");
    streams.resize(132, 43).expect("resized");
    let size = tty::size(terminal.as_raw_fd()).expect("a size");
    assert_eq!((size.columns, size.rows), (132, 43));

    writer(&stdin).write_all(b"typed").expect("typed");
    assert_eq!(take(&mut terminal, 5), b"typed");
    // Without a reader: the fifo fills, the terminal fills, the container waits.
    let expected = 200_000;
    let writing = std::thread::spawn(move || {
        terminal.write_all(&vec![b'y'; expected]).expect("written");
    });
    let mut out = reader(&stdout);
    assert_eq!(take(&mut out, expected / 2).len(), expected / 2);
    drop(out);
    let mut out = reader(&stdout);
    let rest = std::thread::spawn(move || take_all(&mut out).len());
    writing.join().expect("the container");
    streams.ended(|| {});
    assert!(streams.wait_drained(HANGS));
    assert_eq!(rest.join().expect("the engine"), expected - expected / 2);
    assert!(streams.resize(80, 24).is_err(), "it is gone");
}

#[test]
fn a_terminal_closed_and_opened_again_goes_on() {
    let engine = Engine::new();
    let stdout = engine.fifo("out");
    let stdio = Stdio { stdout: &stdout, terminal: true, ..Stdio::default() };
    let streams = engine.open(&stdio).expect("streams");
    let (master, terminal) = pty();
    let name = format!("/dev/pts/{}", tty::number(master.as_raw_fd()).expect("a number"));
    streams.attach_master(master).expect("attached");
    let mut out = reader(&stdout);
    drop(terminal);
    engine.settle();
    let options = OFlag::O_WRONLY | OFlag::O_NOCTTY;
    let again = nix::fcntl::open(name.as_str(), options, Mode::empty()).expect("opened again");
    nix::unistd::write(again.as_fd(), b"again").expect("written");
    assert_eq!(take(&mut out, 5), b"again");
    // A living end elsewhere does not keep the streams open.
    streams.ended(|| {});
    assert!(streams.wait_drained(HANGS));
    assert_eq!(take_all(&mut out), b"");
}

#[test]
fn two_hundred_terminals_share_one_thread() {
    let engine = Engine::new();
    let mut all = Vec::new();
    for number in 0..100 {
        let (stdin, stdout) =
            (engine.fifo(&format!("in{number}")), engine.fifo(&format!("out{number}")));
        let stdio = Stdio { stdin: &stdin, stdout: &stdout, terminal: true, ..Stdio::default() };
        let streams = engine.open(&stdio).expect("streams");
        let (master, terminal) = pty();
        streams.attach_master(master).expect("attached");
        all.push((streams, terminal, writer(&stdin), reader(&stdout)));
    }
    for (_, terminal, stdin, _) in &mut all {
        terminal.write_all(b"out").expect("written");
        stdin.write_all(b"in").expect("typed");
    }
    for (streams, terminal, _, stdout) in &mut all {
        assert_eq!(take(stdout, 3), b"out");
        assert_eq!(take(terminal, 2), b"in");
        streams.ended(|| {});
    }
    for (streams, _, _, stdout) in &mut all {
        assert!(streams.wait_drained(HANGS));
        assert_eq!(take_all(stdout), b"");
    }
}

#[test]
fn what_is_missing_is_named() {
    let engine = Engine::new();
    let path = engine.path("none");
    for (stdio, field) in [
        (Stdio { stdout: &path, ..Stdio::default() }, "stdout"),
        (Stdio { stdin: &path, ..Stdio::default() }, "stdin"),
    ] {
        let error = engine.open(&stdio).err().expect("an error").to_string();
        assert!(error.starts_with(&format!("{field} {path:?}: ")), "{error}");
    }
}
