//! The other end of a terminal: what a person, or a console socket's owner, would hold.
//!
//! Knows ptys; refuses to interpret escape sequences. A newcomer would get wrong that a program has a *controlling*
//! terminal only when it opened one as a session leader: the probe's `on-terminal` does that between us and the runtime,
//! because what std offers for it (`pre_exec`) is unsafe.

use std::fs::File;
use std::io::{IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::unistd::ttyname;

use crate::bounded::Running;
use crate::{Must, PATIENCE, harness_binary};

/// The master of a pty and everything read from it so far.
#[derive(Debug)]
pub struct Terminal {
    master: File,
    /// Held until a program has it: a master whose slave is closed reads as hung up.
    slave: Option<OwnedFd>,
    name: PathBuf,
    seen: Vec<u8>,
}

impl Terminal {
    /// A new terminal of this size.
    #[must_use]
    #[track_caller]
    pub fn open(rows: u16, columns: u16) -> Terminal {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).must("open a pty");
        let name = ttyname(&pty.slave).must("name the pty");
        Terminal { master: File::from(pty.master), slave: Some(pty.slave), name, seen: Vec::new() }
    }

    /// Wraps a master received from somebody else.
    #[must_use]
    pub fn of_master(master: OwnedFd) -> Terminal {
        Terminal { master: File::from(master), slave: None, name: PathBuf::new(), seen: Vec::new() }
    }

    /// The name of the end that programs get.
    #[must_use]
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// Starts `command` as the leader of a session whose controlling terminal this is.
    #[must_use]
    #[track_caller]
    pub fn start(&mut self, command: &Command) -> Running {
        let mut launcher = Command::new(harness_binary("probe"));
        launcher
            .arg("on-terminal")
            .arg(&self.name)
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => launcher.env(name, value),
                None => launcher.env_remove(name),
            };
        }
        // The launcher has the terminal from its first moment, so that reading never finds it hung up too early.
        let slave = self.slave.take().map(Stdio::from);
        launcher.stdin(
            slave.unwrap_or_else(|| File::open(&self.name).must("open the terminal").into()),
        );
        launcher.stdout(Stdio::null()).stderr(Stdio::inherit());
        Running::start(launcher, &crate::Stdio::AsGiven, &std::env::temp_dir())
    }

    /// Types these bytes.
    #[track_caller]
    pub fn type_in(&mut self, bytes: &str) {
        self.master.write_all(bytes.as_bytes()).must("write to the terminal");
    }

    /// Changes the window's size, which signals the foreground process group.
    #[track_caller]
    pub fn resize(&self, rows: u16, columns: u16) {
        let mut stty = Command::new("stty");
        stty.arg("-F").arg(&self.name).args([
            "rows",
            &rows.to_string(),
            "cols",
            &columns.to_string(),
        ]);
        let status = stty.status().must("run stty");
        assert!(status.success(), "stty could not resize {}", self.name.display());
    }

    /// Waits until the screen has shown `text`; returns everything shown so far.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        while !self.shown().contains(text) {
            let more = self.read_some(deadline);
            assert!(more, "the terminal never showed {text:?}; it showed {:?}", self.shown());
        }
        self.shown()
    }

    /// Reads until the last program has closed the terminal; returns everything shown.
    #[track_caller]
    pub fn drain(&mut self) -> String {
        let deadline = Instant::now() + PATIENCE;
        self.slave = None;
        while self.read_some(deadline) {}
        self.shown()
    }

    /// Everything shown so far.
    #[must_use]
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.seen).into_owned()
    }

    /// Reads what is there, waiting for it; `false` at hang-up or when the deadline is over.
    fn read_some(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now()).min(Duration::from_secs(60));
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        let mut ready = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        if !matches!(poll(&mut ready, timeout), Ok(n) if n > 0) {
            return false;
        }
        let mut buffer = [0; 4096];
        // EIO is how a master says that nobody holds the slave any more.
        match self.master.read(&mut buffer) {
            Ok(n) if n > 0 => {
                self.seen.extend_from_slice(&buffer[..n]);
                true
            }
            _ => false,
        }
    }
}

/// The socket that `--console-socket` wants: whoever listens receives the master of the container's terminal.
#[derive(Debug)]
pub struct ConsoleSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ConsoleSocket {
    /// Listens at a path of this directory.
    #[must_use]
    #[track_caller]
    pub fn listen(directory: &Path) -> ConsoleSocket {
        let path = directory.join("console.sock");
        let listener = UnixListener::bind(&path).must("listen on the console socket");
        ConsoleSocket { listener, path }
    }

    /// The path to pass to the runtime.
    #[must_use]
    pub fn path(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }

    /// The terminal that the runtime sends, and the text it sends with it.
    #[must_use]
    #[track_caller]
    pub fn receive(&self) -> (Terminal, String) {
        let (master, text) = self.receive_descriptor();
        (Terminal::of_master(master), text)
    }

    /// The descriptor that the runtime sends, a terminal or a pidfd, and the text it sends with it.
    #[must_use]
    #[track_caller]
    pub fn receive_descriptor(&self) -> (OwnedFd, String) {
        let timeout = PollTimeout::try_from(PATIENCE).unwrap_or(PollTimeout::MAX);
        let mut ready = [PollFd::new(self.listener.as_fd(), PollFlags::POLLIN)];
        let connected = poll(&mut ready, timeout).must("wait for the runtime to connect");
        assert!(connected > 0, "the runtime never connected to the console socket");
        let (stream, _) = self.listener.accept().must("accept the runtime");
        let mut text = [0; 4096];
        let mut parts = [IoSliceMut::new(&mut text)];
        let mut space = nix::cmsg_space!([i32; 4]);
        let message = recvmsg::<()>(
            stream.as_raw_fd(),
            &mut parts,
            Some(&mut space),
            MsgFlags::MSG_CMSG_CLOEXEC,
        )
        .must("receive the terminal");
        let mut received =
            message.cmsgs().must("read the control message").filter_map(|part| match part {
                ControlMessageOwned::ScmRights(fds) => Some(fds),
                _ => None,
            });
        let fd = *received
            .next()
            .and_then(|fds| fds.first().copied())
            .as_ref()
            .must("find a descriptor");
        let bytes = message.bytes;
        #[allow(unsafe_code)]
        // SAFETY: recvmsg has just installed this descriptor in our table, told us its number once, and nothing else
        // in this process can know it, so the value made here is its only owner.
        let descriptor = unsafe { OwnedFd::from_raw_fd(fd) };
        (descriptor, String::from_utf8_lossy(&text[..bytes]).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::os::unix::net::UnixStream;

    use nix::sys::socket::{ControlMessage, sendmsg};

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_program_talks_with_its_controlling_terminal() {
        let mut terminal = Terminal::open(30, 100);
        let running =
            terminal.start(&shell("stty size </dev/tty; read word; echo got $word; exit 3"));
        terminal.expect("30 100");
        terminal.type_in("hello\n");
        terminal.expect("got hello");
        running.wait().code(3);
    }

    #[test]
    fn a_resize_reaches_the_program_as_a_signal() {
        let mut terminal = Terminal::open(24, 80);
        let probe = harness_binary("probe");
        let mut command = Command::new(probe);
        let running = terminal.start(command.arg("winsize"));
        terminal.expect("24 80");
        terminal.resize(50, 132);
        terminal.expect("50 132");
        drop(running);
    }

    #[test]
    fn everything_is_read_before_the_hang_up() {
        let mut terminal = Terminal::open(24, 80);
        let running = terminal.start(&shell("seq 1 5000"));
        let shown = terminal.drain();
        assert_eq!(shown.lines().count(), 5000);
        running.wait().success();
    }

    #[test]
    fn a_terminal_sent_to_the_console_socket_is_received() {
        let directory = std::env::temp_dir().join(crate::runtime::unique("rrun-console"));
        std::fs::create_dir_all(&directory).must("make a directory");
        let socket = ConsoleSocket::listen(&directory);
        let pty = openpty(None, None).must("open a pty");
        let stream = UnixStream::connect(socket.path()).must("connect");
        let fds = [pty.master.as_raw_fd()];
        let name = [IoSlice::new(b"/dev/pts/0")];
        sendmsg::<()>(
            stream.as_raw_fd(),
            &name,
            &[ControlMessage::ScmRights(&fds)],
            MsgFlags::empty(),
            None,
        )
        .must("send the terminal");
        let (mut terminal, text) = socket.receive();
        assert_eq!(text, "/dev/pts/0");
        File::from(pty.slave).write_all(b"hello").must("write to the terminal");
        terminal.expect("hello");
        std::fs::remove_dir_all(directory).must("remove it");
    }
}
