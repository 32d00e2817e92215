//! QEMU's monitor, as far as stopping a machine and going on with it elsewhere need it (QEMU's docs/interop/qmp-spec).
//!
//! We listen and QEMU connects, so that nobody asks again and again whether a socket is there yet; its name is abstract,
//! so that no file is left. What a newcomer would get wrong: events come between a command and its answer.

use super::Session;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, IoSlice, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A socket that a QEMU is asked to connect to.
#[derive(Debug)]
pub struct Invitation {
    listener: UnixListener,
    name: String,
}

impl Invitation {
    /// A socket.
    ///
    /// # Errors
    /// The kernel has none to give.
    pub fn new() -> Result<Self, String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("rrun-bench-{}-{number}", std::process::id());
        let told = |why: std::io::Error| format!("a socket for QEMU's monitor: {why}");
        let address = SocketAddr::from_abstract_name(&name).map_err(told)?;
        let listener = UnixListener::bind_addr(&address).map_err(told)?;
        listener.set_nonblocking(true).map_err(told)?;
        Ok(Self { listener, name })
    }

    /// What QEMU is told.
    #[must_use]
    pub fn arguments(&self) -> [String; 4] {
        let socket = format!("socket,id=monitor,path={},abstract=on,tight=on", self.name);
        [
            "-chardev".to_owned(),
            socket,
            "-mon".to_owned(),
            "chardev=monitor,mode=control".to_owned(),
        ]
    }

    /// The monitor of this QEMU, ready for commands.
    ///
    /// # Errors
    /// A sentence: QEMU ended, or did not come before the deadline.
    pub fn accept(self, session: &mut Session, deadline: Instant) -> Result<Qmp, String> {
        let stream = loop {
            match self.listener.accept() {
                Ok((stream, _)) => break stream,
                Err(why) if why.kind() == ErrorKind::WouldBlock => {}
                Err(why) => return Err(format!("QEMU's monitor: {why}")),
            }
            session.alive()?;
            if Instant::now() >= deadline {
                return Err("QEMU did not open its monitor before the deadline".to_owned());
            }
            let mut coming = [PollFd::new(self.listener.as_fd(), PollFlags::POLLIN)];
            poll(&mut coming, PollTimeout::from(20_u8)).ok();
        };
        stream.set_nonblocking(false).map_err(|why| format!("QEMU's monitor: {why}"))?;
        let mut qmp = Qmp { stream: BufReader::new(stream), events: Vec::new() };
        qmp.message(deadline)?;
        qmp.execute("qmp_capabilities", json!({}), deadline)?;
        Ok(qmp)
    }
}

/// A conversation with a QEMU.
#[derive(Debug)]
pub struct Qmp {
    stream: BufReader<UnixStream>,
    events: Vec<Value>,
}

impl Qmp {
    /// Has QEMU execute this, and returns what it answers.
    ///
    /// # Errors
    /// A sentence: it refused, with its words, or did not answer.
    pub fn execute(
        &mut self,
        command: &str,
        arguments: Value,
        deadline: Instant,
    ) -> Result<Value, String> {
        let sent = self.stream.get_mut().write_all(&request(command, &arguments));
        sent.map_err(|why| format!("QEMU's monitor: {command}: {why}"))?;
        self.answer(command, deadline)
    }

    /// Gives QEMU an open file, which it then knows by this name.
    ///
    /// # Errors
    /// A sentence.
    pub fn give(&mut self, file: &File, name: &str, deadline: Instant) -> Result<(), String> {
        let request = request("getfd", &json!({ "fdname": name }));
        let files = [file.as_raw_fd()];
        let sent = sendmsg::<()>(
            self.stream.get_ref().as_raw_fd(),
            &[IoSlice::new(&request)],
            &[ControlMessage::ScmRights(&files)],
            MsgFlags::empty(),
            None,
        );
        match sent {
            Ok(sent) if sent == request.len() => self.answer("getfd", deadline).map(drop),
            Ok(sent) => Err(format!("QEMU's monitor takes {sent} bytes and no more")),
            Err(errno) => Err(format!("QEMU's monitor: getfd: {errno}")),
        }
    }

    fn answer(&mut self, command: &str, deadline: Instant) -> Result<Value, String> {
        loop {
            let mut message = self.message(deadline).map_err(|why| format!("{why} ({command})"))?;
            if let Some(error) = message.get("error") {
                return Err(format!("QEMU refuses {command}: {}", error["desc"]));
            }
            if let Some(answer) = message.get_mut("return") {
                return Ok(answer.take());
            }
            self.events.push(message);
        }
    }

    /// Waits until a migration, out or in, is complete.
    ///
    /// # Errors
    /// A sentence: it failed, or took too long.
    pub fn migrated(&mut self, deadline: Instant) -> Result<(), String> {
        loop {
            for event in std::mem::take(&mut self.events) {
                match (event["event"].as_str(), event["data"]["status"].as_str()) {
                    (Some("MIGRATION"), Some("completed")) => return Ok(()),
                    (Some("MIGRATION"), Some("failed")) => {
                        return Err("QEMU could not pass the machine's state on".to_owned());
                    }
                    _ => {}
                }
            }
            let message = self.message(deadline)?;
            self.events.push(message);
        }
    }

    fn message(&mut self, deadline: Instant) -> Result<Value, String> {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = left.max(Duration::from_millis(1));
        self.stream.get_ref().set_read_timeout(Some(left)).ok();
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) => Err("QEMU closed its monitor".to_owned()),
            Ok(_) => serde_json::from_str(&line).map_err(|why| format!("QEMU's monitor: {why}")),
            Err(why) if matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err("QEMU's monitor did not answer before the deadline".to_owned())
            }
            Err(why) => Err(format!("QEMU's monitor: {why}")),
        }
    }
}

fn request(command: &str, arguments: &Value) -> Vec<u8> {
    let request = json!({ "execute": command, "arguments": arguments });
    (request.to_string() + "\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A monitor whose other end has said `words`, and then nothing.
    fn monitor(words: &str) -> (Qmp, UnixStream) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(words.as_bytes()).unwrap();
        (Qmp { stream: BufReader::new(ours), events: Vec::new() }, theirs)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    #[test]
    fn events_before_an_answer_are_kept_for_later() {
        let event = r#"{"event":"MIGRATION","data":{"status":"completed"}}"#;
        let (mut qmp, _theirs) = monitor(&format!("{event}\n{{\"return\":{{\"a\":1}}}}\n"));
        assert_eq!(qmp.execute("x", json!({}), soon()), Ok(json!({ "a": 1 })));
        assert_eq!(qmp.migrated(soon()), Ok(()));
    }

    #[test]
    fn a_refusal_is_quoted_and_a_failed_migration_is_no_success() {
        let (mut qmp, _theirs) =
            monitor("{\"error\":{\"class\":\"E\",\"desc\":\"no such thing\"}}\n");
        let refused = qmp.execute("leap", json!({}), soon()).unwrap_err();
        assert_eq!(refused, "QEMU refuses leap: \"no such thing\"");
        let (mut qmp, _theirs) =
            monitor("{\"event\":\"MIGRATION\",\"data\":{\"status\":\"failed\"}}\n");
        assert!(qmp.migrated(soon()).is_err());
    }

    #[test]
    fn silence_nonsense_and_an_end_are_errors() {
        let (mut qmp, theirs) = monitor("");
        assert!(qmp.migrated(soon()).unwrap_err().contains("before the deadline"));
        drop(theirs);
        assert_eq!(qmp.migrated(soon()).unwrap_err(), "QEMU closed its monitor");
        let (mut qmp, _theirs) = monitor("hello\n");
        assert!(qmp.migrated(soon()).unwrap_err().starts_with("QEMU's monitor: "));
    }
}
