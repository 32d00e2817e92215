//! One request of ttrpc, as a client sends it: `containerd.services.events.ttrpc.v1.Events/Forward`.
//!
//! ```text
//!  0        4           8      9       10
//!  | length | stream id | type | flags | payload |      numbers are big-endian; a client's streams are odd
//! ```
//! What a newcomer would get wrong: the client of the ttrpc crate would do, but it keeps two threads, and one of them wakes
//! a hundred times a second. A shim has a handful of events in its life, one at a time.

use protobuf::Message;
use rrun::error::{Error, Kind, Result, ResultExt};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
use ttrpc::proto::{Code, MESSAGE_HEADER_LENGTH, MESSAGE_LENGTH_MAX, MessageHeader};
use ttrpc::proto::{Request, Response};

/// How long containerd may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection to containerd, made when it is needed.
pub struct Connection<'a> {
    socket: &'a Path,
    stream: Option<UnixStream>,
    stream_id: u32,
}

impl<'a> Connection<'a> {
    /// To whoever listens there when the time comes.
    pub fn new(socket: &'a Path) -> Self {
        Self { socket, stream: None, stream_id: 0 }
    }

    /// Sends a `ForwardRequest` and waits for the answer.
    ///
    /// # Errors
    /// [`Kind::Kernel`] when containerd cannot be reached or does not answer in time; [`Kind::Host`] when it refuses.
    pub fn forward(&mut self, request: &[u8]) -> Result<()> {
        let reused = self.stream.is_some();
        let first = self.exchange(request);
        // containerd may have been restarted since; that is no failed attempt.
        let answer = if reused && first.is_err() { self.exchange(request) } else { first }?;
        let status = answer.status.unwrap_or_default();
        if status.code() == Code::OK {
            return Ok(());
        }
        Err(Error::new(
            Kind::Host,
            format!("containerd answers {:?}: {}", status.code(), status.message),
        ))
    }

    fn exchange(&mut self, request: &[u8]) -> Result<Response> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.connect()?,
        };
        let answer = self.send(&mut stream, request)?;
        // Only what has answered is used again: a late answer to this request would pass for one to the next.
        self.stream = Some(stream);
        Ok(answer)
    }

    fn connect(&mut self) -> Result<UnixStream> {
        self.stream_id = 1;
        UnixStream::connect(self.socket)
            .and_then(|stream| {
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                Ok(stream)
            })
            .context(|| format!("connect to {}", self.socket.display()))
    }

    fn send(&mut self, stream: &mut UnixStream, payload: &[u8]) -> Result<Response> {
        let request = Request {
            service: "containerd.services.events.ttrpc.v1.Events".into(),
            method: "Forward".into(),
            payload: payload.to_vec(),
            timeout_nano: i64::try_from(PATIENCE.as_nanos()).unwrap_or(i64::MAX),
            ..Default::default()
        };
        let body = request.write_to_bytes().map_err(malformed)?;
        let length = u32::try_from(body.len())
            .map_err(|_| Error::new(Kind::Internal, format!("an event of {} bytes", body.len())))?;
        let mut frame: Vec<u8> = MessageHeader::new_request(self.stream_id, length).into();
        frame.extend(body);
        stream.write_all(&frame).context(|| "write to containerd")?;
        let answer = receive(stream, self.stream_id)?;
        self.stream_id = self.stream_id.wrapping_add(2);
        Ok(answer)
    }
}

fn receive(stream: &mut UnixStream, stream_id: u32) -> Result<Response> {
    let reading = || "read containerd's answer";
    let mut header = [0; MESSAGE_HEADER_LENGTH];
    stream.read_exact(&mut header).context(reading)?;
    let header = MessageHeader::from(header);
    let length = header.length as usize;
    if header.stream_id != stream_id || length > MESSAGE_LENGTH_MAX {
        let text = format!("an answer of {length} bytes to request {}", header.stream_id);
        return Err(Error::new(Kind::Host, text).context(reading()));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).context(reading)?;
    Response::parse_from_bytes(&body).map_err(malformed)
}

fn malformed(error: protobuf::Error) -> Error {
    Error::new(Kind::Host, error.to_string())
}
