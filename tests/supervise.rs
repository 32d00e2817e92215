//! The supervisor with plain programs in place of containers, and the sealed executable.
//!
//! It refuses to know containers: nothing here needs root, except to seal by a mount. What a newcomer would get wrong:
//! signals go to a *process*, and any of a test's threads may get them. Whatever is about signals or standard streams
//! therefore runs in a process of its own: this same test binary, told by [`ROLE`] which part to play, started by
//! env(1) with every signal blocked in all its threads.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::unistd::{Pid, getpid};
use rrun::launch::supervise::{Exit, Supervisor};
use rrun_sys::pidfd::pidfd_open;
use rrun_sys::signal::start_clean;
use rrun_sys::tty::{self, Size};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The part that a second instance of this binary plays, and the program it supervises.
const ROLE: &str = "RRUN_TEST_ROLE";
const PROGRAM: &str = "RRUN_TEST_PROGRAM";

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

#[allow(clippy::zombie_processes, reason = "reaping it is what the supervisor is tested for")]
fn supervise(mut command: Command, supervisor: Supervisor) -> Exit {
    let child = start_clean(&mut command).spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    let pidfd: OwnedFd = pidfd_open(pid).unwrap().into();
    supervisor.wait(pid, pidfd.as_fd()).unwrap()
}

/// A pty, from this machine's own devpts.
fn pty() -> (OwnedFd, OwnedFd) {
    let devpts = File::open("/dev/pts").unwrap();
    let master: OwnedFd = tty::open_master(devpts.as_raw_fd()).unwrap().into();
    let peer: OwnedFd = tty::open_peer(master.as_raw_fd()).unwrap().into();
    (master, peer)
}

// ---- the second instance

/// Not a test but the second instance's entrance; as a test, it has nothing to say.
#[test]
fn second_instance() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let program = std::env::var(PROGRAM).unwrap();
    let status = match role.as_str() {
        "plain" => supervise(shell(&program), Supervisor::new(false).unwrap()),
        "subreaper" => supervise(shell(&program), Supervisor::new(true).unwrap()),
        "early" => {
            let supervisor = Supervisor::new(false).unwrap();
            kill(getpid(), Signal::SIGUSR1).unwrap();
            supervise(shell(&program), supervisor)
        }
        "terminal" => in_terminal(&program),
        "sealed" => sealed(),
        other => panic!("no such role: {other}"),
    };
    std::process::exit(status.status().into());
}

/// As `run` does it: signals, clone, terminal, wait.
fn in_terminal(script: &str) -> Exit {
    let mut supervisor = Supervisor::new(false).unwrap();
    let (master, peer) = pty();
    let mut command = Command::new("setsid");
    command.args(["--ctty", "sh", "-c", script]);
    command.stdin(peer.try_clone().unwrap()).stdout(peer.try_clone().unwrap()).stderr(peer);
    supervisor.attach_terminal(master).unwrap();
    supervise(command, supervisor)
}

/// Shows its protected self, until it is told to end.
#[allow(clippy::print_stdout, reason = "the first instance reads it")]
fn sealed() -> Exit {
    rrun::launch::sealed::ensure(c"rrun").unwrap();
    let name = std::fs::read_to_string("/proc/thread-self/comm").unwrap();
    println!("sealed {name}");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    Exit::Code(if rrun_sys::sealed::is_sealed().unwrap() { 40 } else { 1 })
}

fn second(role: &str, program: &str) -> Command {
    second_of(&std::env::current_exe().unwrap(), role, program)
}

fn second_of(executable: &Path, role: &str, program: &str) -> Command {
    let mut command = Command::new("env");
    command
        .arg("--block-signal")
        .arg(executable)
        .args(["--exact", "second_instance", "--nocapture"])
        .env(ROLE, role)
        .env(PROGRAM, program)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

/// What is read from `source` until `word`, which must come.
fn read_until(source: impl Read, word: &str) {
    for line in BufReader::with_capacity(1, source).lines() {
        if line.unwrap().contains(word) {
            return;
        }
    }
    panic!("end of file before {word:?}");
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

fn output_of(mut command: Command) -> (Vec<u8>, Option<i32>) {
    let output = command.output().unwrap();
    (output.stdout, output.status.code())
}

// ---- without a terminal

#[test]
fn exit_code_and_deadly_signal_are_told_apart() {
    let supervised = |script| supervise(shell(script), Supervisor::new(false).unwrap());
    assert_eq!(supervised("exit 7"), Exit::Code(7));
    assert_eq!(supervised("kill -9 $$"), Exit::Signal(9));
    assert_eq!(supervised("kill -64 $$"), Exit::Signal(64));
}

#[test]
fn a_program_that_ends_at_once_is_never_waited_for_in_vain() {
    for _ in 0..200 {
        let supervisor = Supervisor::new(false).unwrap();
        let mut child = Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let pidfd: OwnedFd = pidfd_open(pid).unwrap().into();
        assert_eq!(supervisor.wait(pid, pidfd.as_fd()).unwrap(), Exit::Code(0));
        assert!(child.try_wait().is_err(), "the supervisor should have reaped it");
    }
}

#[test]
fn signals_reach_the_program() {
    for (name, number) in [("HUP", 1), ("INT", 2), ("USR1", 10), ("TERM", 15), ("WINCH", 28)] {
        let script = format!("trap 'exit {number}' {name}; echo up; while :; do sleep 0.01; done");
        let mut child = second("plain", &script).spawn().unwrap();
        read_until(child.stdout.as_mut().unwrap(), "up");
        signal(&child, format!("SIG{name}").parse().unwrap());
        assert_eq!(child.wait().unwrap().code(), Some(number), "{name}");
    }
}

#[test]
fn a_signal_that_came_before_the_program_reaches_it() {
    let (_, code) = output_of(second("early", "while :; do sleep 0.01; done"));
    assert_eq!(code, Some(128 + libc::SIGUSR1));
}

#[test]
fn what_we_ignore_the_program_does_not() {
    let mut command = Command::new("env");
    let inner = second("plain", "kill -USR2 $$; exit 1");
    command.arg("--ignore-signal=USR2").arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        command.env(name, value.unwrap());
    }
    assert_eq!(output_of(command).1, Some(128 + libc::SIGUSR2));
}

#[test]
fn orphans_are_reaped_by_a_subreaper() {
    // The orphan ends while its foster parent waits for the program, which looks for a zombie of that parent's.
    let script = "(sh -c 'exit 0' & echo $! >&3) 3>&1 | { read orphan; \
        while [ -e /proc/$orphan ]; do sleep 0.01; done; }; exit 5";
    assert_eq!(output_of(second("subreaper", script)).1, Some(5));
}

// ---- with a terminal

#[test]
fn a_mebibyte_of_output_arrives_whole_before_the_end() {
    let script = "head -c 1048576 /dev/zero | tr '\\0' x; exit 9";
    let (output, code) = output_of(second("terminal", script));
    assert_eq!(output.iter().filter(|&&byte| byte == b'x').count(), 1 << 20);
    assert_eq!(code, Some(9));
}

#[test]
fn the_last_words_of_a_program_that_ends_at_once_arrive() {
    for _ in 0..20 {
        let (output, code) = output_of(second("terminal", "echo last words"));
        let output = String::from_utf8(output).unwrap();
        assert!(output.ends_with("last words\n"), "{output:?}");
        assert_eq!(code, Some(0));
    }
}

#[test]
fn input_that_is_no_terminal_arrives_and_ends() {
    let mut command = second("terminal", "stty -echo; echo ready; cat; exit 4");
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    read_until(&mut stdout, "ready");
    child.stdin.take().unwrap().write_all(b"one\ntwo").unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "one\ntwo");
    assert_eq!(child.wait().unwrap().code(), Some(4));
}

#[test]
fn a_reader_that_leaves_does_not_stop_the_program() {
    let script = "echo up; head -c 300000 /dev/zero; exit 6";
    let mut child = second("terminal", script).spawn().unwrap();
    read_until(child.stdout.take().unwrap(), "up");
    assert_eq!(child.wait().unwrap().code(), Some(6));
}

#[test]
fn a_program_may_close_its_terminal_and_open_it_again() {
    let script = "t=$(tty); exec <&- >&- 2>&-; sleep 0.05; exec >\"$t\"; echo back";
    let (output, code) = output_of(second("terminal", script));
    assert!(String::from_utf8(output).unwrap().ends_with("back\n"));
    assert_eq!(code, Some(0));
}

/// The second instance with a terminal of its own; what it writes there comes out of the file.
fn at_a_terminal(script: &str) -> (Child, File, OwnedFd) {
    let outer = openpty(None, None).unwrap();
    tty::resize(outer.master.as_raw_fd(), Size { rows: 33, columns: 99 }).unwrap();
    let mut command = second("terminal", script);
    command.stdin(outer.slave.try_clone().unwrap()).stdout(outer.slave.try_clone().unwrap());
    let child = command.spawn().unwrap();
    (child, File::from(outer.master), outer.slave)
}

#[test]
fn our_terminal_is_raw_meanwhile_and_restored_after_a_deadly_signal() {
    let (mut child, mut screen, terminal) = at_a_terminal("echo up; sleep 100");
    let cooked = tcgetattr(&terminal).unwrap();
    read_until(&mut screen, "up");
    assert!(!tcgetattr(&terminal).unwrap().local_flags.contains(LocalFlags::ICANON));

    signal(&child, Signal::SIGTERM);

    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_eq!(tcgetattr(&terminal).unwrap(), cooked);
}

#[test]
fn the_pty_has_our_terminals_size_and_follows_it() {
    let script = "trap 'stty size; exit' WINCH; stty size; while :; do sleep 0.01; done";
    let (mut child, mut screen, terminal) = at_a_terminal(script);
    read_until(&mut screen, "33 99");
    tty::resize(terminal.as_raw_fd(), Size { rows: 44, columns: 111 }).unwrap();
    // The terminal's foreground is empty here, so the kernel tells nobody.
    signal(&child, Signal::SIGWINCH);
    read_until(&mut screen, "44 111");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn keys_reach_the_program_and_ctrl_c_is_its_own_terminals_business() {
    let (mut child, mut screen, _terminal) =
        at_a_terminal("trap 'echo caught; exit 11' INT; echo up; while :; do sleep 0.01; done");
    read_until(&mut screen, "up");
    screen.write_all(b"\x03").unwrap();
    read_until(&mut screen, "caught");
    assert_eq!(child.wait().unwrap().code(), Some(11));
}

#[test]
fn in_the_background_our_terminal_is_left_alone() {
    let scratch = Scratch::new("background");
    let go = scratch.0.join("go");
    let outer = openpty(None, None).unwrap();
    let program = format!("echo up; while [ ! -e {} ]; do sleep 0.01; done", go.display());
    let inner = second("terminal", &program);
    let mut command = Command::new("setsid");
    // A shell with job control starts "$@" in a process group that is not the terminal's foreground.
    command.args(["--ctty", "bash", "-c", "set -m; \"$@\" & wait $!", "bash"]);
    command.arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        command.env(name, value.unwrap());
    }
    command.stdin(outer.slave.try_clone().unwrap()).stdout(outer.slave.try_clone().unwrap());
    let mut child = command.spawn().unwrap();
    read_until(File::from(outer.master.try_clone().unwrap()), "up");

    assert!(tcgetattr(&outer.slave).unwrap().local_flags.contains(LocalFlags::ICANON));

    File::create(go).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn another_device_is_not_taken_for_a_pty() {
    let dev = File::open("/dev").unwrap();
    let shm = File::open("/dev/shm").unwrap();
    let refused = |directory: &File| tty::open_master(directory.as_raw_fd()).unwrap_err().0;
    assert_eq!(refused(&shm), libc::ENOENT);
    assert!([libc::ENODEV, libc::ELOOP, libc::EXDEV].contains(&refused(&dev)));
    let null = File::open("/dev/null").unwrap();
    assert!(tty::open_peer(null.as_raw_fd()).is_err());
}

// ---- the executable

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("rrun-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// CVE-2019-5736, step by step: hold the runtime's executable, wait for the runtime to be gone, write.
#[test]
fn a_sealed_program_cannot_be_written_even_when_it_has_ended() {
    let scratch = Scratch::new("sealed");
    let executable = scratch.0.join("runtime");
    // A copy, for nobody else may run it when it is written; made by cp(1), for no child of another test may inherit
    // a descriptor that writes to it.
    let copied = Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&executable).status();
    assert!(copied.unwrap().success());
    let mut command = second_of(&executable, "sealed", "");
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    read_until(child.stdout.as_mut().unwrap(), "sealed rrun");
    let held = File::open(format!("/proc/{}/exe", child.id())).unwrap();
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(40));

    let again = format!("/proc/self/fd/{}", held.as_raw_fd());
    let refused = |error: std::io::Error| error.raw_os_error();
    let written = File::options().write(true).open(&again).map_err(refused);

    // A read-only mount as root, a sealed memory file else.
    assert!(matches!(written, Err(Some(libc::EROFS | libc::EPERM))), "{written:?}");
}

#[test]
fn a_sealed_copy_refuses_every_write() {
    let mut copy = File::from(OwnedFd::from(rrun_sys::sealed::sealed_copy().unwrap()));
    let size = copy.metadata().unwrap().len();
    assert_eq!(size, std::env::current_exe().unwrap().metadata().unwrap().len());
    assert_eq!(copy.write(b"x").unwrap_err().raw_os_error(), Some(libc::EPERM));
    assert_eq!(copy.set_len(0).unwrap_err().raw_os_error(), Some(libc::EPERM));
}
