//! A command's streams, over the WebSocket of the runtime's streaming server.
//!
//! Knows `v4.channel.k8s.io`: each message begins with the number of its channel. Refuses to close the command's stdin,
//! for which this protocol has no word (on a terminal one types ^D), and terminals without stdin: containerd then loses
//! what the command writes, whichever runtime it has. What a newcomer would get wrong: a size is only
//! heard on a connection that is open, so it is sent first and again whenever our own terminal's changes.
//!
//! ```text
//! 0 stdin   we write            3 how it ended, a Kubernetes Status as JSON
//! 1 stdout                      4 {"Width": …, "Height": …}, we write
//! 2 stderr
//! ```

use crate::Result;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::net::TcpStream;
use tungstenite::client::IntoClientRequest;
use tungstenite::{Error, Message, WebSocket};

const PROTOCOL: &str = "v4.channel.k8s.io";

/// How often our own terminal is asked for its size, in nanoseconds.
const SIZE_IS_ASKED: i64 = 50_000_000;

/// Which streams are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Streams {
    stdin: bool,
    terminal: bool,
}

impl Streams {
    /// Takes `-i` or `-it` off the front.
    pub(crate) fn parse<'a, 'b>(mut words: &'a [&'b str]) -> Result<(Streams, &'a [&'b str])> {
        let mut streams = Streams::default();
        while let Some((word, rest)) = words.split_first().filter(|(word, _)| word.starts_with('-'))
        {
            match *word {
                "-i" => streams.stdin = true,
                "-it" => streams = Streams { stdin: true, terminal: true },
                other => return Err(format!("there is no flag {other}")),
            }
            words = rest;
        }
        Ok((streams, words))
    }

    /// The request for these streams of a container.
    pub(crate) fn request(self, container: &str) -> Value {
        json!({
            "container_id": container,
            "stdin": self.stdin,
            "tty": self.terminal,
            "stdout": true,
            // A terminal has one output.
            "stderr": !self.terminal,
        })
    }
}

/// Passes everything on until the other side has said how it ended; its code.
pub(crate) fn relay(url: &str, streams: Streams) -> Result<u8> {
    let mut socket = connect(url)?;
    let _raw = if streams.terminal { Raw::enter() } else { None };
    let mut relay = Relay { stdin: streams.stdin, size: None, ended: None };
    relay.run(&mut socket, streams.terminal)?;
    relay.ended.ok_or_else(|| "the streams ended without a word on how".to_owned())
}

fn connect(url: &str) -> Result<WebSocket<TcpStream>> {
    let told = |why: &dyn std::fmt::Display| format!("{url}: {why}");
    let address = url.strip_prefix("http://").and_then(|rest| rest.split('/').next());
    let address = address.ok_or_else(|| told(&"not an http address"))?;
    let stream = TcpStream::connect(address).map_err(|why| told(&why))?;
    stream.set_nodelay(true).map_err(|why| told(&why))?;
    let mut request =
        url.replacen("http", "ws", 1).into_client_request().map_err(|why| told(&why))?;
    let protocol = http::HeaderValue::from_static(PROTOCOL);
    request.headers_mut().insert("Sec-WebSocket-Protocol", protocol);
    let (socket, _) = tungstenite::client(request, stream).map_err(|why| told(&why))?;
    socket.get_ref().set_nonblocking(true).map_err(|why| told(&why))?;
    Ok(socket)
}

struct Relay {
    stdin: bool,
    size: Option<(u16, u16)>,
    ended: Option<u8>,
}

impl Relay {
    fn run(&mut self, socket: &mut WebSocket<TcpStream>, terminal: bool) -> Result<()> {
        let told = |why: &dyn std::fmt::Display| format!("relay: {why}");
        loop {
            if terminal {
                self.tell_size(socket)?;
            }
            // What the library has read already would never wake the poll.
            if !self.receive(socket)? {
                return Ok(());
            }
            let stdin = io::stdin();
            let mut fds = vec![PollFd::new(socket.get_ref(), PollFlags::IN)];
            if self.stdin {
                fds.push(PollFd::new(&stdin, PollFlags::IN));
            }
            let wait = Timespec { tv_sec: 0, tv_nsec: SIZE_IS_ASKED };
            poll(&mut fds, Some(&wait)).map_err(|why| told(&why))?;
            let typed = fds.get(1).is_some_and(|fd| !fd.revents().is_empty());
            if typed {
                let mut bytes = [0; 4096];
                // Unlocked and unbuffered, or the poll would not see what is left in the buffer.
                let read = rustix::io::read(&stdin, &mut bytes[..]).map_err(|why| told(&why))?;
                self.stdin = read > 0;
                if read > 0 {
                    send(socket, 0, &bytes[..read])?;
                }
            }
        }
    }

    /// Passes on what has come; `false` when nothing more will.
    fn receive(&mut self, socket: &mut WebSocket<TcpStream>) -> Result<bool> {
        loop {
            let message = match socket.read() {
                Ok(Message::Binary(bytes)) => bytes,
                Ok(Message::Close(_)) | Err(Error::ConnectionClosed | Error::AlreadyClosed) => {
                    return Ok(false);
                }
                Ok(_) => continue,
                Err(Error::Io(why)) if why.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                // The server does not always say goodbye.
                Err(_) if self.ended.is_some() => return Ok(false),
                Err(why) => return Err(format!("read the streams: {why}")),
            };
            let Some((channel, bytes)) = message.split_first() else { continue };
            let written = match channel {
                1 => io::stdout().write_all(bytes).and_then(|()| io::stdout().flush()),
                2 => io::stderr().write_all(bytes),
                3 => {
                    self.ended = Some(code(bytes)?);
                    Ok(())
                }
                other => return Err(format!("there is no channel {other}")),
            };
            written.map_err(|why| format!("write what came: {why}"))?;
        }
    }

    fn tell_size(&mut self, socket: &mut WebSocket<TcpStream>) -> Result<()> {
        // A test without a terminal of its own may still ask for one inside.
        let Ok(size) = tcgetwinsize(io::stdin()) else { return Ok(()) };
        let size = (size.ws_col, size.ws_row);
        if self.size.replace(size) == Some(size) {
            return Ok(());
        }
        let told = json!({ "Width": size.0, "Height": size.1 });
        send(socket, 4, told.to_string().as_bytes())
    }
}

fn send(socket: &mut WebSocket<TcpStream>, channel: u8, bytes: &[u8]) -> Result<()> {
    let message = Message::binary([&[channel], bytes].concat());
    match socket.send(message) {
        // It is queued, and goes with the next read.
        Err(Error::Io(why)) if why.kind() == io::ErrorKind::WouldBlock => Ok(()),
        sent => sent.map_err(|why| format!("write to the streams: {why}")),
    }
}

/// The code in a Kubernetes Status; one that has none is a failure to start.
fn code(status: &[u8]) -> Result<u8> {
    let status: Value = serde_json::from_slice(status).map_err(|why| why.to_string())?;
    if status["status"] == "Success" {
        return Ok(0);
    }
    let causes = status.pointer("/details/causes").and_then(Value::as_array);
    let code = causes.into_iter().flatten().find(|cause| cause["reason"] == "ExitCode");
    let code = code.and_then(|cause| cause["message"].as_str()?.parse().ok());
    code.ok_or_else(|| status["message"].as_str().unwrap_or("no reason given").to_owned())
}

/// Our own terminal in raw mode, until dropped: what is typed belongs to the other side.
struct Raw(Termios);

impl Raw {
    fn enter() -> Option<Raw> {
        let before = tcgetattr(io::stdin()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw).ok()?;
        Some(Raw(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // The terminal may be gone, and then nobody minds its mode.
        tcsetattr(io::stdin(), OptionalActions::Now, &self.0).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_s_code_is_in_the_status() {
        assert_eq!(code(br#"{"metadata":{},"status":"Success"}"#), Ok(0));
        let failed = br#"{"status":"Failure","reason":"NonZeroExitCode","message":"m",
            "details":{"causes":[{"reason":"ExitCode","message":"7"}]}}"#;
        assert_eq!(code(failed), Ok(7));
        assert_eq!(
            code(br#"{"status":"Failure","message":"no such file"}"#),
            Err("no such file".into())
        );
    }

    #[test]
    fn flags_stand_before_the_container() {
        let both = Streams { stdin: true, terminal: true };
        assert_eq!(Streams::parse(&["-it", "c", "-x"]), Ok((both, &["c", "-x"][..])));
        assert!(Streams::parse(&["-t", "c"]).is_err());
        assert_eq!(both.request("c")["stderr"], false);
    }
}
