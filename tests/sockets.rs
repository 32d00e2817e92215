//! What goes over sockets: a console, a pidfd, and sd_notify between one that plays the program and one that plays
//! systemd.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use rrun::launch::console::{PidfdOf, send_console, send_pidfd};
use rrun::launch::notify::{Proxy, Readiness, make_directory};
use rrun_harness::eventually;
use rrun_sys::pidfd::pidfd_open;
use rrun_sys::tty;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, IoSlice, PipeReader, Read, Write, pipe};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::PathBuf;
use std::process::Command;

/// A container's state directory, and a service manager.
struct Stage {
    directory: PathBuf,
    manager: UnixDatagram,
}

impl Stage {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("rrun-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let manager = UnixDatagram::bind(directory.join("systemd.sock")).unwrap();
        manager.set_nonblocking(true).unwrap();
        Self { directory, manager }
    }

    fn proxy(&self) -> Option<Proxy> {
        Proxy::listen(&self.directory, self.directory.join("systemd.sock").as_os_str(), 42).unwrap()
    }

    /// The container's end.
    fn program(&self) -> UnixDatagram {
        let program = UnixDatagram::unbound().unwrap();
        program.connect(self.directory.join("notify/notify.sock")).unwrap();
        program
    }

    fn heard(&self) -> Option<String> {
        let mut bytes = [0; 512];
        let length = self.manager.recv(&mut bytes).ok()?;
        Some(String::from_utf8(bytes[..length].to_vec()).unwrap())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.directory).unwrap();
    }
}

#[test]
fn a_container_made_without_the_directory_has_no_proxy() {
    assert!(Stage::new("notify-none").proxy().is_none());
}

#[test]
fn readiness_passes_with_the_main_pid_and_what_is_not_the_containers_business_does_not() {
    let stage = Stage::new("notify-ready");
    make_directory(&stage.directory).unwrap();
    make_directory(&stage.directory).unwrap();
    let proxy = stage.proxy().unwrap();
    let program = stage.program();

    program.send(b"STATUS=starting").unwrap();
    assert_eq!(proxy.forward().unwrap(), Readiness::Waiting);
    assert_eq!(stage.heard().unwrap(), "STATUS=starting\n");

    program.send(b"MAINPID=1").unwrap();
    program.send(&[b'x'; 5000]).unwrap();
    program.send(b"READY=1\nMAINPID=1").unwrap();
    assert_eq!(proxy.forward().unwrap(), Readiness::Ready);
    assert_eq!(stage.heard().unwrap(), "READY=1\nMAINPID=42\n");
    assert_eq!(stage.heard(), None);
}

/// Whether every writing end of the pipe is closed.
fn is_closed(reader: &mut PipeReader) -> bool {
    nix::fcntl::fcntl(reader.as_fd(), nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK))
        .unwrap();
    matches!(reader.read(&mut [0]), Ok(0))
}

#[test]
fn a_barrier_is_lifted_by_the_manager_and_nobody_else() {
    let stage = Stage::new("notify-barrier");
    make_directory(&stage.directory).unwrap();
    let proxy = stage.proxy().unwrap();
    let (mut reader, writer) = pipe().unwrap();
    let rights = [writer.as_raw_fd()];
    let barrier = [IoSlice::new(b"BARRIER=1")];
    let message = [ControlMessage::ScmRights(&rights)];
    let program = stage.program();
    let flags = MsgFlags::empty();
    sendmsg::<()>(program.as_raw_fd(), &barrier, &message, flags, None).unwrap();
    drop(writer);

    proxy.forward().unwrap();

    assert!(!is_closed(&mut reader), "the proxy should have handed the pipe on");
    let mut bytes = [0; 64];
    let received = rrun_sys::rights::receive(stage.manager.as_raw_fd(), &mut bytes).unwrap();
    assert_eq!(&bytes[..received.length], b"BARRIER=1");
    drop(received.descriptor.map(OwnedFd::from));
    // Another test may be between fork and exec, with every descriptor of ours.
    assert!(eventually(|| is_closed(&mut reader)));
}

#[test]
fn descriptors_that_nobody_asked_for_are_closed() {
    let stage = Stage::new("notify-flood");
    make_directory(&stage.directory).unwrap();
    let proxy = stage.proxy().unwrap();
    let (mut reader, writer) = pipe().unwrap();
    let rights = [writer.as_raw_fd(); 5];
    let message = [ControlMessage::ScmRights(&rights)];
    let text = [IoSlice::new(b"FDSTORE=1")];
    let program = stage.program();
    sendmsg::<()>(program.as_raw_fd(), &text, &message, MsgFlags::empty(), None).unwrap();
    drop(writer);

    proxy.forward().unwrap();

    // Another test may be between fork and exec, with every descriptor of ours.
    assert!(eventually(|| is_closed(&mut reader)));
    assert_eq!(stage.heard(), None);
}

#[test]
fn waiting_for_readiness_ends_with_the_container_and_its_last_message_counts() {
    let stage = Stage::new("notify-end");
    make_directory(&stage.directory).unwrap();
    let proxy = stage.proxy().unwrap();
    stage.program().send(b"STOPPING=1").unwrap();
    let mut container = Command::new("true").spawn().unwrap();
    let pidfd: OwnedFd = pidfd_open(i32::try_from(container.id()).unwrap()).unwrap().into();

    assert_eq!(proxy.forward_until_ready(pidfd.as_fd()).unwrap(), Readiness::Waiting);

    assert_eq!(stage.heard().unwrap(), "STOPPING=1\n");
    container.wait().unwrap();
}

#[test]
fn an_address_that_is_none_is_refused_with_what_to_do() {
    let stage = Stage::new("notify-address");
    make_directory(&stage.directory).unwrap();
    let error = Proxy::listen(&stage.directory, &OsString::from("vsock:2:1234"), 1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "NOTIFY_SOCKET=vsock:2:1234 is no address; give an absolute path, or @ and an abstract name, or unset it"
    );
}

// ---- descriptors handed to our caller

/// A pty, from this machine's own devpts.
fn pty() -> (OwnedFd, OwnedFd) {
    let devpts = File::open("/dev/pts").unwrap();
    let master: OwnedFd = tty::open_master(devpts.as_raw_fd()).unwrap().into();
    let peer: OwnedFd = tty::open_peer(master.as_raw_fd()).unwrap().into();
    (master, peer)
}

fn received(listener: &UnixListener) -> (String, OwnedFd) {
    let (connection, _) = listener.accept().unwrap();
    let mut bytes = [0; 64];
    let message = rrun_sys::rights::receive(connection.as_raw_fd(), &mut bytes).unwrap();
    let name = String::from_utf8(bytes[..message.length].to_vec()).unwrap();
    (name, message.descriptor.unwrap().into())
}

#[test]
fn a_console_is_handed_over_with_its_name() {
    let stage = Stage::new("console");
    let socket = stage.directory.join("console.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let (master, peer) = pty();

    send_console(&socket, master.as_fd(), "/dev/pts/0").unwrap();

    let (name, master) = received(&listener);
    assert_eq!(name, "/dev/pts/0");
    File::from(peer).write_all(b"hello\n").unwrap();
    let mut line = String::new();
    BufReader::new(File::from(master)).read_line(&mut line).unwrap();
    assert_eq!(line, "hello\r\n");
}

#[test]
fn a_pidfd_is_handed_over_with_runcs_word_for_its_kind() {
    let stage = Stage::new("pidfd");
    let socket = stage.directory.join("pidfd.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let own: OwnedFd = pidfd_open(i32::try_from(std::process::id()).unwrap()).unwrap().into();

    for (of, word) in [(PidfdOf::Init, "standard"), (PidfdOf::Exec, "setns")] {
        send_pidfd(&socket, own.as_fd(), of).unwrap();
        let (name, pidfd) = received(&listener);
        assert_eq!(name, word);
        rrun_sys::pidfd::pidfd_send_signal(pidfd.as_raw_fd(), 0).unwrap();
    }
}

#[test]
fn a_console_socket_that_nobody_listens_at_is_named() {
    let (master, _peer) = pty();
    let error = send_console("/nonexistent/c.sock".as_ref(), master.as_fd(), "/dev/pts/0");
    assert_eq!(
        error.unwrap_err().to_string(),
        "console socket /nonexistent/c.sock: connect: no such file or directory (ENOENT)"
    );
}
